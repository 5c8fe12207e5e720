"""Several steps in one call of a program, for GPUs and TPUs: whole cycles of the kinds of step that a method has."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from ml_collections import ConfigDict

from gan_ssl import errors, methods
from gan_ssl.methods.state import StepFn


def check(config: ConfigDict, start: int, platform: str) -> None:
    """Checks that a run from step `start` can take `config.steps_per_call` steps a call.

    Raises:
        ConfigError: it cannot; the reason is told.
    """
    count, method = config.steps_per_call, methods.get(config.method)
    if count == 1:
        return
    refuse = lambda why: errors.ConfigError(f"config.steps_per_call is {count}; allowed: {why}")
    if platform == "cpu":
        raise refuse("1 on a CPU, where XLA takes 30 times as long for convolutions in a loop")
    kinds = [method.step_kind(config, step) for step in range(2 * count)]
    if kinds[:count] != kinds[count:]:
        raise refuse("whole cycles of the kinds of step; for MatchGAN multiples of 2 x config.generator_every")
    for name in ("num_steps", "log_steps", "sample_steps", "checkpoint_steps"):
        if config[name] % count:
            raise refuse(f"divisors of config.{name} = {config[name]}")
    if start % count:
        raise refuse(f"divisors of {start}, the step where this run goes on")


def cycle_of(kinds: Sequence[str]) -> Sequence[str]:
    """Returns the shortest part that makes `kinds` when it is repeated."""
    lengths = (n for n in range(1, len(kinds) + 1) if len(kinds) % n == 0)
    return next(kinds[:n] for n in lengths if list(kinds) == list(kinds[:n]) * (len(kinds) // n))


def repeated(steps: Mapping[str, StepFn], kinds: Sequence[str]) -> StepFn:
    """Makes one step of several.

    Args:
        steps: a step a kind.
        kinds: of the steps of a call, in order.

    Returns:
        A step whose batch is what `stack` makes, and whose metrics are a tuple: those of each place of the cycle, with
        a leading axis of cycles.
    """
    if len(kinds) == 1:
        return steps[kinds[0]]
    cycle = cycle_of(kinds)

    def run_cycle(state, batches):
        made = []
        for kind, batch in zip(cycle, batches, strict=True):
            state, metrics = steps[kind](state, batch)
            made.append(metrics)
        return state, tuple(made)

    return lambda state, batches: lax.scan(run_cycle, state, batches)


def stack(batches: Sequence[Mapping[str, Any]], kinds: Sequence[str], axis: int = 0) -> Any:
    """Arranges the batches of a call for `repeated`: for each place of the cycle, arrays of all cycles along `axis`."""
    if len(kinds) == 1:
        return batches[0]
    places = len(cycle_of(kinds))
    return tuple(jax.tree.map(lambda *x: np.stack(x, axis), *batches[place::places]) for place in range(places))
