"""MatchGAN's step: parity with PyTorch, who is trained by what, and that device counts do not matter."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl import interop, pretext
from gan_ssl.data.images import normalise
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.methods import match_gan, match_terms
from gan_ssl.training import parallel
from tests import golden, tiny


@pytest.fixture(scope="module", params=["multilabel", "singlelabel"])
def reference(request):
    return golden.load_matchgan(request.param)


def _golden_config(reference):
    names = tuple(f"label_{i}" for i in range(reference["in/c_org"].shape[1]))
    return tiny.faces_config(
        batch_size=16,
        num_steps=1000,
        generator_every=1,
        data__attributes=names,
        data__exclusive=(names,) if "grad/D/main.0.weight" in reference else (),
        data__labelled_fraction=1.0,
        data__image_size=(32, 32),
        model__num_blocks=2,
        model__discriminator_layers=3,
        model__upsample="transpose",
        model__skip=False,
        model__mask=False,
        model__condition="planes",
        model__match_head="concat",
        model__ema_decay=0.0,
        loss__pseudo_labels=False,
        optimizer__constant_share=1.0,
    )


def _golden_players(config, reference):
    nets = match_gan.create_networks(config)
    return (interop.from_torch(net, golden.select(reference, name)) for net, name in zip(nets, "GD", strict=True))


def _golden_batch(reference):
    images = jnp.asarray(reference["in/x_real"].transpose(0, 2, 3, 1))
    return images, jnp.asarray(reference["in/c_org"]), jnp.asarray(reference["in/c_trg"])


def _on_one_device(loss_fn, params):
    """Returns value and gradient of a loss that names the axis of the devices."""
    gradient = jax.value_and_grad(loss_fn, has_aux=True)
    mapped = jax.jit(jax.vmap(lambda _, p: gradient(p), (0, None), axis_name="batch"))(jnp.zeros(1), params)
    return jax.tree.map(lambda x: x[0], mapped)


def test_golden_losses(reference):
    config = _golden_config(reference)
    nets, (generator, discriminator) = match_gan.create_networks(config), _golden_players(config, reference)
    (images, labels, targets), loss = _golden_batch(reference), golden.select(reference, "loss")
    fakes = nets.generator.apply({"params": generator}, images, targets)
    chex.assert_trees_all_close(fakes, reference["out/g_fake"].transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-4)
    pairs = [images[reference[f"in/pair_{p}"]] for p in "ab"]
    logits = nets.discriminator.apply({"params": discriminator}, *pairs, method="match")
    chex.assert_trees_all_close(logits, reference["out/pair_logits"], rtol=1e-4, atol=1e-6)

    blend = jnp.asarray(reference["in/alpha"][0])
    as_discriminator = lambda known: lambda p: match_gan.discriminator_loss(p, images, fakes, known, blend, config)
    (total, terms), grads = _on_one_device(as_discriminator(labels), discriminator)
    chex.assert_trees_all_close(total, loss["d_total"], rtol=1e-4)
    named = {"d_cls": "classification", "d_gp": "gradient_penalty", "d_match": "match"}
    chex.assert_trees_all_close({n: terms[t] for n, t in named.items()}, {n: loss[n] for n in named}, rtol=1e-4)
    _assert_gradients(interop.to_torch(nets.discriminator, grads), reference, "D")
    (total, terms), _ = _on_one_device(as_discriminator(None), discriminator)
    chex.assert_trees_all_close(total, loss["d_total_unlabelled"], rtol=1e-4)
    assert "match" not in terms and "classification" not in terms

    as_generator = lambda known: lambda p: match_gan.generator_loss(p, discriminator, images, known, targets, config)
    (total, terms), grads = _on_one_device(as_generator(labels), generator)
    chex.assert_trees_all_close(total, loss["g_total"], rtol=1e-4)
    named = {"g_fake": "adversarial", "g_cls": "classification", "g_rec": "reconstruction", "g_match": "match"}
    chex.assert_trees_all_close({n: terms[t] for n, t in named.items()}, {n: loss[n] for n in named}, rtol=1e-4)
    # The multilabel generator's gradient lies on a kink: a change of 2e-7 in its weights moves it by 1%.
    _assert_gradients(interop.to_torch(nets.generator, grads), reference, "G")
    (total, _), _ = _on_one_device(as_generator(None), generator)
    chex.assert_trees_all_close(total, loss["g_total_unlabelled"], rtol=1e-4)


def _assert_gradients(ours, reference, name):
    for key, wanted in golden.select(reference, f"grad/{name}").items():
        np.testing.assert_allclose(ours[key], wanted, atol=1e-3 * np.abs(wanted).max(), err_msg=key)


def test_golden_trajectory(reference, monkeypatch):
    config = _golden_config(reference)
    generator, discriminator = _golden_players(config, reference)
    alpha = jnp.asarray(reference["in/alpha"])
    monkeypatch.setattr(match_gan, "_blend", lambda state, count: alpha[state.step])
    monkeypatch.setattr(match_gan, "normalise", lambda images: images)
    state = match_gan.create_state(jax.random.PRNGKey(0), config)
    state = state.replace(
        generator=state.generator.replace(params=generator),
        discriminator=state.discriminator.replace(params=discriminator),
    )
    devices = jax.devices()[:1]
    step = parallel.MappedStep(match_gan.make_train_steps(config)["labelled_both"], devices)
    state = parallel.shard_state(state, devices)
    batch = {n: x[None] for n, x in zip(("image", "label", "target"), _golden_batch(reference), strict=True)}
    totals = []
    for _ in range(3):
        state, metrics = step(state, batch)
        totals.append([metrics["discriminator/total"], metrics["generator/total"]])
    np.testing.assert_allclose(totals, reference["traj/total"], rtol=1e-3)


@pytest.fixture(scope="module")
def steps_on():
    """Returns (state, metrics by step) after the first 6 steps on n devices; each of the four kinds is among them."""
    config = tiny.faces_config(batch_size=16)
    batches = [tiny.labelled_batch(config, seed=i, labels=i % 2 == 0) for i in range(6)]
    kinds = [match_gan.step_kind(config, i) for i in range(6)]
    assert set(kinds) == set(match_gan.streams(config))
    done = {}

    def run(count):
        if count not in done:
            devices = jax.devices()[:count]
            state = parallel.shard_state(match_gan.create_state(jax.random.PRNGKey(0), config), devices)
            steps = {k: parallel.MappedStep(f, devices) for k, f in match_gan.make_train_steps(config).items()}
            logged, states = [], []
            for kind, batch in zip(kinds, batches, strict=True):
                state, metrics = steps[kind](state, parallel.shard_batch(batch, devices))
                logged.append(jax.device_get(metrics))
                states.append(parallel.gather_state(state))
            done[count] = states, logged
        return done[count]

    return run


@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_device_counts_agree(steps_on, count):
    (one, one_logged), (many, many_logged) = steps_on(1), steps_on(count)
    for a, b in zip(one_logged[:3], many_logged[:3], strict=True):
        chex.assert_trees_all_close(b, a, rtol=1e-5, atol=1e-5)
    tiny.assert_same_gradients(many[0].discriminator, one[0].discriminator)
    tiny.assert_same_gradients(many[2].generator, one[2].generator)
    tiny.assert_agree(many[4].generator, one[4].generator)
    tiny.assert_agree(many[4].discriminator, one[4].discriminator)


def test_who_is_trained_when(steps_on):
    states, logged = steps_on(1)
    for before, after, metrics in zip(states, states[1:], logged[1:], strict=False):
        both = int(before.step + 1) % 3 == 0
        same = jax.tree.map(np.array_equal, before.generator.params, after.generator.params)
        assert all(jax.tree.leaves(same)) != both
        assert any(name.startswith("generator/") for name in metrics) == both
        # The match head learns from real labelled pairs alone: no unlabelled step moves it but by Adam's memory.
        assert ("discriminator/match" in metrics) == (int(before.step) % 2 == 0)
    chex.assert_trees_all_equal(states[1].averaged, match_gan.create_state(jax.random.PRNGKey(0), _same()).averaged)


def _same():
    return tiny.faces_config(batch_size=16)


def test_zero_gradients_for_the_other_player():
    config = tiny.faces_config()
    state, batch = match_gan.create_state(jax.random.PRNGKey(0), config), tiny.labelled_batch(tiny.faces_config())
    images, nets = normalise(batch["image"]), match_gan.create_networks(config)
    g, d = state.generator.params, state.discriminator.params
    blend = jnp.linspace(0.0, 1.0, len(images))

    def unlabelled(params):
        fakes = nets.generator.apply({"params": g}, images, batch["target"])
        return match_gan.discriminator_loss(params, images, fakes, None, blend, config)

    _, grads = _on_one_device(unlabelled, d)
    assert all(not np.any(grads[head]["kernel"]) for head in ("match", "label"))
    assert np.any(grads["source"]["kernel"])

    def through_fixed(params):
        return match_gan.generator_loss(params, d, images, None, batch["target"], config)

    (_, terms), grads = _on_one_device(through_fixed, g)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(grads)) and "reconstruction" in terms


def test_pseudo_labels_give_the_discriminator_no_gradient():
    space = LabelSpace(("a", "b", "c", "d"), (("a", "b", "c"),))
    logits = jnp.array([[-3.0, -1.0, -2.0, 0.5], [1.0, 0.0, 2.0, -0.5]])
    np.testing.assert_array_equal(match_gan.read_labels(logits, space), [[0, 1, 0, 1], [0, 0, 1, 0]])


def test_step_kinds_and_streams():
    config = tiny.faces_config(generator_every=5)
    kinds = [match_gan.step_kind(config, i) for i in range(20)]
    assert [k.split("_")[0] for k in kinds] == ["labelled", "unlabelled"] * 10
    assert [i for i, k in enumerate(kinds) if k.endswith("_both")] == [4, 9, 14, 19]
    assert {kinds[4], kinds[9]} == {"labelled_both", "unlabelled_both"}  # the generator sees both streams
    stargan = tiny.faces_config(data__unlabelled=False)
    assert set(match_gan.streams(stargan).values()) == {"labelled"}
    assert {match_gan.step_kind(stargan, i) for i in range(6)} == {"labelled", "labelled_both"}
    everything = tiny.faces_config(data__labelled_fraction=1.0)
    assert set(match_gan.streams(everything).values()) == {"labelled"}


@pytest.mark.parametrize(("groups", "size"), [(2, 4), (3, 8), (4, 4)])
def test_pairs_of_interleaved_targets(groups, size):
    config = tiny.faces_config(batch_size=groups * size, data__images_per_group=size)
    order = match_terms.groups(config, interleaved=True)
    targets = np.arange(groups * size) % groups  # place p has target p % groups
    first, second, same = pretext.match_triplets(groups, size)
    np.testing.assert_array_equal(targets[order.ravel()[first]] == targets[order.ravel()[second]], same)
    np.testing.assert_array_equal(targets[order], np.repeat(np.arange(groups), size).reshape(groups, size))


def test_sample_shows_every_attribute():
    config = tiny.faces_config()
    state = match_gan.create_state(jax.random.PRNGKey(0), config)
    made = match_gan.make_sample(config)(state.generator_params(), tiny.labelled_batch(config))
    assert list(made) == ["image", "same labels", *config.data.attributes[:3], "Smiling flipped", "Eyeglasses flipped"]
    assert all(x.shape == (8, 16, 16, 3) for x in made.values())
