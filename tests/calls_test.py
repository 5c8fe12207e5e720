"""Several steps a call: equal to single steps, told step by step, and refused where they cannot be."""

import jax
import numpy as np
import pytest

from gan_ssl import errors
from gan_ssl.methods import op_gan
from gan_ssl.training import calls, parallel
from gan_ssl.training.metrics import RunningMetrics
from tests import tiny


@pytest.mark.slow
def test_two_steps_of_a_call_equal_two_calls():
    config = tiny.config(batch_size=2, model__ema_decay=0.0)
    devices, steps = jax.devices()[:2], op_gan.make_train_steps(config)
    batches, kinds = [tiny.batch(2, seed=seed) for seed in range(2)], ["update", "update"]
    start = parallel.shard_state(op_gan.create_state(jax.random.PRNGKey(0), config), devices)

    runner, state, apart = parallel.Runner(steps, devices), start, RunningMetrics()
    for i, batch in enumerate(batches):
        state, metrics = runner(["update"], state, runner.place(["update"], [batch]), False)
        apart.add(i + 1, metrics)
    at_once, metrics = runner(kinds, start, runner.place(kinds, batches), False)
    together = RunningMetrics()
    together.add(1, metrics)

    wanted = apart.flush()
    for name, value in together.flush().items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert int(at_once.step) == 2
    tiny.assert_agree(at_once.generator, state.generator)
    for ours, one in zip(jax.tree.leaves(at_once.places), jax.tree.leaves(state.places), strict=True):
        np.testing.assert_allclose(ours, one, atol=1e-5)


def _counting(name):
    return lambda state, batch: (10 * state + batch["x"], {name: state, "x": batch["x"]})


def test_kinds_of_a_cycle_keep_their_order_and_their_steps():
    steps, kinds = {"a": _counting("a"), "b": _counting("b")}, ["a", "b", "b"] * 2
    batches = [{"x": np.int32(i + 1)} for i in range(6)]
    state, metrics = jax.jit(calls.repeated(steps, kinds))(np.int32(0), calls.stack(batches, kinds))
    assert int(state) == 123456
    assert [sorted(m) for m in metrics] == [["a", "x"], ["b", "x"], ["b", "x"]]
    np.testing.assert_array_equal([m["x"] for m in metrics], [[1, 4], [2, 5], [3, 6]])
    running = RunningMetrics()
    running.add(7, metrics)
    flushed = running.flush()
    assert flushed["train/x"] == 3.5 and flushed["train/a"] == (0 + 123) / 2


def test_the_first_step_that_is_not_finite_is_named():
    running = RunningMetrics()
    running.add(7, ({"x": np.array([1.0, np.nan])}, {"x": np.array([2.0, np.inf])}))
    with pytest.raises(errors.TrainingError, match="x is nan at step 9"):
        running.flush()


@pytest.mark.parametrize(
    ("fields", "start", "platform", "told"),
    [
        ({"steps_per_call": 2}, 0, "cpu", "steps_per_call is 2; allowed: 1 on a CPU"),
        ({"steps_per_call": 3, "num_steps": 8}, 0, "gpu", "divisors of config.num_steps = 8"),
        ({"steps_per_call": 4, "num_steps": 8, "log_steps": 2}, 0, "tpu", "divisors of config.log_steps = 2"),
        ({"steps_per_call": 4, "num_steps": 8, "log_steps": 4, "checkpoint_steps": 4}, 6, "gpu", "divisors of 6"),
    ],
)
def test_what_cannot_be_is_told(fields, start, platform, told):
    with pytest.raises(errors.ConfigError, match=told):
        calls.check(tiny.config(**fields), start, platform)


def test_calls_are_whole_cycles():
    fields = {"num_steps": 24, "log_steps": 24, "checkpoint_steps": 24}
    with pytest.raises(errors.ConfigError, match="whole cycles"):
        calls.check(tiny.faces_config(steps_per_call=4, **fields), 0, "gpu")
    calls.check(tiny.faces_config(steps_per_call=6, **fields), 12, "gpu")
