"""OP-GAN's step: parity with PyTorch, who is trained by what, and that device counts do not matter."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl import interop
from gan_ssl.data.images import normalise
from gan_ssl.methods import op_gan, siamese_terms
from gan_ssl.methods import state as states
from gan_ssl.training import parallel
from tests import golden, tiny


@pytest.fixture(scope="module")
def reference():
    return golden.load()


def _golden_config():
    return tiny.config(
        batch_size=2,
        num_steps=100,
        data__image_size=(32, 32),
        model__num_blocks=2,
        model__upsample="transpose",
        model__skip=False,
        model__discriminator_layers=3,
        model__ema_decay=0.0,
        pool__size=0,
        loss__identity=5.0,
        loss__content=0.0,
        loss__twin=0.0,
        loss__domain=0.0,
    )


def _golden_state(config, reference):
    nets = op_gan.create_networks(config)
    state = op_gan.create_state(jax.random.PRNGKey(0), config)
    load = lambda net, name: interop.from_torch(net, golden.select(reference, name))
    generator = {"a2b": load(nets.generator, "G_AB"), "b2a": load(nets.generator, "G_BA")}
    discriminator = dict(state.discriminator.params)
    discriminator |= {"a": load(nets.discriminator, "D_A"), "b": load(nets.discriminator, "D_B")}
    players = zip((state.generator, state.discriminator), (generator, discriminator), strict=True)
    generator, discriminator = (p.replace(params=jax.tree.map(jnp.asarray, w)) for p, w in players)
    return state.replace(generator=generator, discriminator=discriminator)


def _golden_images(reference):
    return {d: reference[f"in/real_{d}"].transpose(0, 2, 3, 1) for d in "ab"}


def test_golden_losses_and_gradients(reference):
    config = _golden_config()
    state, images = _golden_state(config, reference), _golden_images(reference)
    keys = jax.random.split(jax.random.PRNGKey(0), 2)
    params, fixed = state.generator.params, state.discriminator.params
    frozen = config.copy_and_resolve_references().lock()
    gradient = jax.jit(jax.value_and_grad(lambda p, f: op_gan.generator_loss(p, f, images, keys, frozen), has_aux=True))
    (total, (fakes, terms)), grads = gradient(params, fixed)
    loss = golden.select(reference, "loss")
    chex.assert_trees_all_close(total, loss["g_total"], rtol=1e-4)
    chex.assert_trees_all_close(terms["cycle"], loss["cycle_a"] + loss["cycle_b"], rtol=1e-4)
    chex.assert_trees_all_close(terms["identity"], loss["identity_a"] + loss["identity_b"], rtol=1e-4)
    chex.assert_trees_all_close(terms["adversarial"], loss["g_adv_ab"] + loss["g_adv_ba"], rtol=1e-4)
    _assert_gradients(interop.to_torch(op_gan.create_networks(config).generator, grads["a2b"]), reference, "G_AB")

    gradient = jax.jit(
        jax.value_and_grad(lambda p: op_gan.discriminator_loss(p, images, fakes, fakes, keys, frozen), has_aux=True)
    )
    (total, (terms, _)), grads = gradient(fixed)
    chex.assert_trees_all_close(total, loss["d_total"], rtol=1e-4)
    chex.assert_trees_all_close(terms["adversarial_a"], loss["d_a"], rtol=1e-4)
    _assert_gradients(interop.to_torch(op_gan.create_networks(config).discriminator, grads["a"]), reference, "D_A")


def _assert_gradients(ours, reference, name):
    for key, wanted in golden.select(reference, f"grad/{name}").items():
        scale = np.abs(wanted).max()
        if scale < 1e-4:  # a bias before a norm: PyTorch's rounding noise, our exact zero
            assert np.abs(ours[key]).max() <= 1e-4
        else:
            np.testing.assert_allclose(ours[key], wanted, atol=1e-3 * scale, err_msg=key)


def test_golden_trajectory(reference):
    config = _golden_config()
    step = parallel.MappedStep(op_gan.make_train_steps(config)["update"], jax.devices()[:1])
    state = parallel.shard_state(_golden_state(config, reference), jax.devices()[:1])
    batch = parallel.shard_batch(_golden_images(reference), jax.devices()[:1])
    for wanted in reference["traj/total"]:
        state, metrics = step(state, batch)
        got = jnp.stack([metrics["generator/total"], metrics["discriminator/total"]])
        chex.assert_trees_all_close(got, wanted, rtol=1e-3)


_VARIANTS = {
    "twins": {},
    "relations": {"loss__registered": "relations", "loss__certainty": True},
    "maps": {"loss__content_form": "maps", "loss__contrast": 1.0, "model__normalise": "standardize"},
}


def test_each_player_is_trained_by_its_own_loss():
    """The gradient of a player's loss towards the other's networks is never taken: the step leaves them alone."""
    frozen = {"discriminator": "optimizer__discriminator_learning_rate", "generator": "optimizer__learning_rate"}
    for name, field in frozen.items():
        config = tiny.config(**{field: 1e-30})
        before = state_like(config)
        after, *_ = _steps(config, before, tiny.batch(), devices=1, count=1)
        other = "generator" if name == "discriminator" else "discriminator"
        chex.assert_trees_all_close(getattr(after, name).params, getattr(before, name).params, atol=1e-12)
        assert _changed(getattr(after, other).params, getattr(before, other).params)


def state_like(config):
    return op_gan.create_state(jax.random.PRNGKey(0), config)


def _changed(x, y):
    return any(bool(jnp.any(a != b)) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


@pytest.mark.parametrize("form", ["twins", pytest.param("relations", marks=pytest.mark.slow)])
def test_twins_teach_the_siamese_network_alone_and_registration_the_generators_alone(form):
    config = tiny.config(**_VARIANTS[form])
    state = op_gan.create_state(jax.random.PRNGKey(0), config)
    nets, params = op_gan.create_networks(config), state.discriminator.params["siamese"]
    images = {d: normalise(jnp.asarray(x)) for d, x in tiny.batch(1).items()}
    keys = jax.random.split(jax.random.PRNGKey(0), 1)

    def twin(fakes):
        terms, _ = siamese_terms.for_siamese(nets.siamese, params, images, fakes, keys, config)
        return terms["twin"]

    gradient = jax.grad(twin)({d: images[d] for d in "ab"})
    chex.assert_trees_all_equal(gradient, jax.tree.map(jnp.zeros_like, gradient))  # no translation reaches it

    def content(fakes):
        return siamese_terms.for_generators(nets.siamese, params, images, fakes, keys, config)["content"]

    gradient = jax.grad(content)({"a": images["a"] * 0.5, "b": images["b"] * 0.5})
    assert all(float(jnp.abs(g).max()) > 0 for g in gradient.values())  # both directions
    assert "content" not in siamese_terms.for_siamese(nets.siamese, params, images, images, keys, config)[0]


def _steps(config, state, batch, devices, count):
    """Returns the state after `count` steps, and the state and the metrics after the first."""
    chosen = jax.devices()[:devices]
    step = parallel.MappedStep(op_gan.make_train_steps(config)["update"], chosen)
    sharded, first = step(parallel.shard_state(state, chosen), parallel.shard_batch(batch, chosen))
    first = jax.device_get(first)
    after_first = parallel.gather_state(sharded)
    for _ in range(count - 1):
        sharded, _ = step(sharded, parallel.shard_batch(batch, chosen))
    return parallel.gather_state(sharded), after_first, first


@pytest.mark.parametrize("form", ["twins", *(pytest.param(f, marks=pytest.mark.slow) for f in ("maps", "relations"))])
def test_device_counts_agree(form):
    config = tiny.config(**_VARIANTS[form])
    batch = tiny.batch()
    runs = {n: _steps(config, state_like(config), batch, n, 5) for n in (1, 2, 4)}
    for n in (2, 4):
        chex.assert_trees_all_close(runs[n][2], runs[1][2], rtol=1e-5, atol=1e-5)
        tiny.assert_same_gradients(runs[n][1].generator, runs[1][1].generator)
        tiny.assert_same_gradients(runs[n][1].discriminator, runs[1][1].discriminator)
        tiny.assert_agree(runs[n][0].generator, runs[1][0].generator)
        tiny.assert_agree(runs[n][0].discriminator, runs[1][0].discriminator)
        chex.assert_trees_all_close(runs[n][0].places["a"].count, runs[1][0].places["a"].count)


def test_cyclegan_is_the_same_file_without_the_siamese_network():
    config = tiny.config(loss__content=0.0, loss__twin=0.0, loss__domain=0.0)
    state = op_gan.create_state(jax.random.PRNGKey(0), config)
    after, _, metrics = _steps(config, state, tiny.batch(), 1, 2)
    assert not any("siamese" in name or "domain" in name for name in metrics)
    chex.assert_trees_all_equal(after.discriminator.params["siamese"], state.discriminator.params["siamese"])


def test_the_weight_of_content_falls_to_what_is_left():
    share = lambda step, left: float(states.linear_share(step, 5, left))
    assert [share(step, 0.2) for step in range(5)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert share(3, 1.0) == 1.0

    config = tiny.config(num_steps=5, loss__content_left=0.0, loss__content=100.0)
    state, images = state_like(config), {d: normalise(jnp.asarray(x)) for d, x in tiny.batch(1).items()}
    keys, frozen = jax.random.split(jax.random.PRNGKey(0), 1), config.copy_and_resolve_references().lock()
    loss = jax.jit(lambda step: op_gan.generator_loss(*players, images, keys, frozen, step)[1][1])
    players = state.generator.params, state.discriminator.params
    first, last = loss(0), loss(4)
    chex.assert_trees_all_close(first["total"] - last["total"], 100.0 * first["content"], rtol=1e-4)


def test_averaged_weights_lag_behind():
    config = tiny.config(model__ema_decay=0.9)
    state = op_gan.create_state(jax.random.PRNGKey(0), config)
    after, *_ = _steps(config, state, tiny.batch(), 1, 3)
    assert _changed(after.averaged, after.generator.params)
    chex.assert_trees_all_close(after.averaged, after.generator.params, atol=5e-3)


def test_sample_and_translate_agree():
    config = tiny.config()
    params = op_gan.create_state(jax.random.PRNGKey(0), config).generator_params()
    batch = tiny.batch(2)
    made = op_gan.make_sample(config)(params, batch)
    assert list(made) == ["a", "a to b", "a to b to a", "b", "b to a", "b to a to b"]
    translated = op_gan.make_translate(config)(params, normalise(jnp.asarray(batch["a"])), "a2b")
    chex.assert_trees_all_close(made["a to b"], translated, atol=1e-6)
