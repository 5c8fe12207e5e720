"""The one place that knows of devices, pmap and hosts."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_ssl import errors
from gan_ssl.methods.state import AXIS, GanState, StepFn

# Devices share all of the state but the entries of the places of the global batch.
_STATE_AXES = GanState(step=None, rng=None, generator=None, discriminator=None, averaged=None, places=0)


def choose_devices(batch_size: int, num_devices: int = 0) -> list[jax.Device]:
    """Chooses this process's devices.

    Args:
        batch_size: the global batch.
        num_devices: how many of the local devices; 0 takes as many as divide the process's share of the batch.

    Returns:
        The devices.

    Raises:
        ConfigError: the batch does not divide, or there are fewer devices.
    """
    local, processes = jax.local_devices(), jax.process_count()
    if batch_size % processes:
        raise errors.ConfigError(f"config.batch_size is {batch_size}; allowed: a multiple of the {processes} processes")
    share = batch_size // processes
    if num_devices > len(local):
        raise errors.ConfigError(f"config.num_devices is {num_devices}; allowed: at most {len(local)} here")
    if num_devices and share % num_devices:
        raise errors.ConfigError(
            f"config.batch_size is {batch_size}; allowed: a multiple of {processes * num_devices} devices"
        )
    chosen = num_devices or max(n for n in range(1, len(local) + 1) if math.gcd(n, share) == n)
    if chosen < len(local):
        logging.info("using %d of %d local devices (batch_size %d)", chosen, len(local), batch_size)
    return local[:chosen]


def compile_step(step: StepFn, devices: list[jax.Device]) -> StepFn:
    """Maps a step over devices; it takes and gives a sharded state and donates the given one."""
    return jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(_STATE_AXES, 0),
        out_axes=(_STATE_AXES, None),
        devices=devices,
        donate_argnums=(0,),
    )


def shard_batch(batch: Mapping[str, np.ndarray], devices: list[jax.Device]) -> dict[str, np.ndarray]:
    """Gives each array `[local batch, ...]` a leading axis of devices."""
    return {name: x.reshape(len(devices), -1, *x.shape[1:]) for name, x in batch.items()}


def shard_state(state: GanState, devices: list[jax.Device]) -> GanState:
    """Lays a state on devices: `places` split by batch place, all else on each."""
    mesh = Mesh(np.array(devices), (AXIS,))

    def put(tree: Any, spec: PartitionSpec) -> Any:
        # Copied first: the placed array may alias its source, which a donating step would then delete.
        return jax.tree.map(lambda x: jax.device_put(np.array(x), NamedSharding(mesh, spec)), tree)

    split = jax.tree.map(
        lambda x: np.asarray(x).reshape(len(devices), len(x) // len(devices), *x.shape[1:]), state.places
    )
    return put(state.replace(places={}), PartitionSpec()).replace(places=put(split, PartitionSpec(AXIS)))


def gather_state(state: GanState) -> GanState:
    """Brings a sharded state to the host as NumPy arrays, independent of how many devices there were."""
    host = jax.device_get(state)
    return host.replace(places=jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), host.places))
