"""CUT: its contrast by hand, who is trained by what, and that device counts do not matter."""

import chex
import jax
import jax.numpy as jnp
import pytest

from gan_ssl import config as configs
from gan_ssl import losses, recipes
from gan_ssl.data.images import normalise
from gan_ssl.methods import cut
from gan_ssl.training import parallel
from tests import tiny


def _config(**overrides):
    fields = {"method": "cut", "pool__size": 0, "loss__content": 0.5, "loss__identity": 0.5, "pretext__places": 16}
    return tiny.config(**fields | overrides)


@pytest.mark.parametrize("arg", ["", "quick"])
def test_recipes_are_valid(arg):
    assert configs.validate(recipes.cut.get_config(arg)).method == "cut"


def test_contrast_by_hand_and_towards_the_translation_alone():
    queries, keys = jnp.array([[1.0, 0.0], [0.6, 0.8]]), jnp.array([[1.0, 0.0], [0.0, 1.0]])
    logits = jnp.array([[1.0, 0.0], [0.6, 0.8]]) / 0.5
    wanted = -jnp.mean(jnp.diagonal(jax.nn.log_softmax(logits, axis=1)))
    chex.assert_trees_all_close(losses.patch_contrast_loss(queries, keys, 0.5), wanted, rtol=1e-6)
    towards = jax.grad(losses.patch_contrast_loss, (0, 1))(queries, keys)
    assert float(jnp.abs(towards[0]).max()) > 0 and float(jnp.abs(towards[1]).max()) == 0
    chex.assert_trees_all_close(losses.patch_contrast_loss(queries, jnp.ones((2, 2))), jnp.log(2.0), rtol=1e-6)


def test_its_own_source_is_found_more_easily_than_another_image():
    config = _config()
    state, nets = cut.create_state(jax.random.PRNGKey(0), config), cut.create_networks(config)
    images, keys = normalise(jnp.asarray(tiny.batch(2)["a"])), jax.random.split(jax.random.PRNGKey(1), 2)
    loss = jax.jit(lambda x, y: cut.content_loss(nets, state.generator.params, "a2b", x, y, keys, config))
    assert float(loss(images, images)) < float(loss(images, images[::-1]))


@pytest.mark.slow
def test_device_counts_agree_and_both_players_learn():
    config, runs = _config(), {}
    start = cut.create_state(jax.random.PRNGKey(0), config)
    for count in (1, 2):
        devices = jax.devices()[:count]
        step = parallel.MappedStep(cut.make_train_steps(config)["update"], devices)
        state, metrics = step(parallel.shard_state(start, devices), parallel.shard_batch(tiny.batch(), devices))
        runs[count] = parallel.gather_state(state), jax.device_get(metrics)
    chex.assert_trees_all_close(runs[2][1], runs[1][1], rtol=1e-5, atol=1e-5)
    tiny.assert_same_gradients(runs[2][0].generator, runs[1][0].generator)
    tiny.assert_same_gradients(runs[2][0].discriminator, runs[1][0].discriminator)
    for player in ("generator", "discriminator"):
        for name, before in getattr(start, player).params.items():
            after = getattr(runs[1][0], player).params[name]
            moved = jax.tree.leaves(jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), before, after))
            assert max(moved) > 0, (player, name)
