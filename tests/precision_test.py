"""Half precision stays near float32, and what is computed again for the gradient gives the same one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl import methods, networks
from gan_ssl.training import parallel
from tests import tiny

_WIDTH = {"model__width": 8, "model__discriminator_width": 8}  # rounding averages out over some channels at least


def _op_gan(**fields):
    config = tiny.config(batch_size=2, model__siamese_width=4, **_WIDTH, **fields)
    return config, lambda step: tiny.batch(2, seed=step)


def _match_gan(**fields):
    config = tiny.faces_config(generator_every=1, **_WIDTH, **fields)
    return config, lambda step: tiny.labelled_batch(config, seed=step, labels=step % 2 == 0)


def _trajectory(make, **fields):
    """Returns the state and the weighted sums of the losses over three steps."""
    config, batch_of = make(**fields)
    method, devices = methods.get(config.method), jax.devices()[:1]
    runner = parallel.Runner(method.make_train_steps(config), devices)
    state = parallel.shard_state(method.create_state(jax.random.PRNGKey(0), config), devices)
    totals = []
    for step in range(3):
        kinds = [method.step_kind(config, step)]
        state, metrics = runner(kinds, state, runner.place(kinds, [batch_of(step)]), False)
        totals.append([float(metrics[f"{player}/total"]) for player in ("generator", "discriminator")])
    return state, totals


@pytest.mark.slow
@pytest.mark.parametrize("make", [_op_gan, _match_gan])
def test_bfloat16_stays_near_float32(make):
    _, exact = _trajectory(make)
    state, half = _trajectory(make, precision="bfloat16")
    np.testing.assert_allclose(half, exact, rtol=0.02)
    assert not np.array_equal(half, exact)
    for player in (state.generator, state.discriminator):
        assert {x.dtype for x in jax.tree.leaves((player.params, player.opt_state))} <= {
            jnp.dtype("float32"),
            jnp.dtype("int32"),
        }


@pytest.mark.parametrize("condition", [None, "norms"])
def test_blocks_that_are_computed_again_give_the_same_gradient(condition):
    images, labels = jax.random.normal(jax.random.PRNGKey(0), (2, 16, 16, 3)), jnp.eye(2, 5)
    if condition:
        make = lambda remat: networks.ConditionalGenerator(4, 2, "resize", True, True, condition, remat)
        inputs = (images, labels)
    else:
        make, inputs = (lambda remat: networks.ResnetGenerator(4, 2, "resize", True, remat)), (images,)
    variables = make(False).init(jax.random.PRNGKey(1), *inputs)
    gradient = lambda net: jax.jit(jax.grad(lambda v: jnp.sum(jnp.square(net.apply(v, *inputs)))))
    kept, again = gradient(make(False)), gradient(make(True))
    for one, other in zip(jax.tree.leaves(kept(variables)), jax.tree.leaves(again(variables)), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())
    assert "remat" in str(jax.make_jaxpr(again)(variables)) and "remat" not in str(jax.make_jaxpr(kept)(variables))
