"""The state of the min-max game: a pair of Flax TrainStates, and what else a step carries from one to the next."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from flax.training.train_state import TrainState
from jax import lax
from ml_collections import ConfigDict

AXIS = "batch"
Batch = Mapping[str, jax.Array]
Metrics = dict[str, jax.Array]
StepFn = Callable[["GanState", Any], tuple["GanState", Any]]  # of a batch and metrics, or of several in one call


class GanState(struct.PyTreeNode):
    """Everything that a run is, apart from its position in the data.

    Attributes:
        step: int32 scalar, the updates so far.
        rng: the run's key; a step folds it with `step` and the global example index.
        generator: parameters and optimiser of the one player.
        discriminator: of the other; what is trained with it lies in its parameters too.
        averaged: exponential average of the generator's parameters; {} where the config keeps none.
        places: arrays with one entry a place of the global batch (leading axis), the only part that devices do not
            share; {} where a method has none.
    """

    step: jax.Array
    rng: jax.Array
    generator: TrainState
    discriminator: TrainState
    averaged: Any = struct.field(default_factory=dict)
    places: Any = struct.field(default_factory=dict)

    def generator_params(self) -> Any:
        """Returns the parameters to translate with: the averaged ones where there are any."""
        return self.averaged or self.generator.params


def linear_decay(learning_rate: float, num_steps: int, constant_share: float) -> optax.Schedule:
    """Keeps the rate for a share of the steps, then lowers it linearly to 0 at `num_steps`."""
    constant = int(num_steps * constant_share)
    if constant >= num_steps:
        return optax.constant_schedule(learning_rate)
    decay = optax.linear_schedule(learning_rate, 0.0, num_steps - constant)
    return optax.join_schedules([optax.constant_schedule(learning_rate), decay], [constant])


def linear_share(step: jax.Array | int, num_steps: int, left: float) -> jax.Array | float:
    """Falls linearly from 1 at step 0 to `left` at the last one."""
    return 1.0 if left == 1.0 else jnp.asarray(optax.linear_schedule(1.0, left, max(num_steps - 1, 1))(step))


def create_player(params: Any, config: ConfigDict, learning_rate: float, num_updates: int = 0) -> TrainState:
    """Makes a player's TrainState with Adam as `config.optimizer` says, for `num_updates` (0: `num_steps`) updates."""
    schedule = linear_decay(learning_rate, num_updates or config.num_steps, config.optimizer.constant_share)
    tx = optax.adam(schedule, b1=config.optimizer.beta1, b2=config.optimizer.beta2)
    return TrainState.create(apply_fn=None, params=params, tx=tx)


def update_average(averaged: Any, params: Any, step: jax.Array | int, decay: float) -> Any:
    """Moves the average towards the parameters; early steps use a shorter memory, (1 + step) / (10 + step)."""
    if not decay:
        return averaged
    keep = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: keep * old + (1.0 - keep) * new, averaged, params)


def example_keys(state: GanState, per_device: int) -> jax.Array:
    """Draws a key for each example of this device, from the step and the *global* example index."""
    key = jax.random.fold_in(state.rng, state.step)
    index = lax.axis_index(AXIS) * per_device + jnp.arange(per_device)
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(index)


def by_group(**groups: Metrics) -> Metrics:
    """Names metrics by what they are of, `generator/cycle`."""
    return {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}


def global_mean(tree: Any) -> Any:
    """Averages over the devices."""
    return lax.pmean(tree, AXIS)
