"""The one place that knows of devices, pmap, and which process has which of them.

State of several processes: each holds all of it on the host but for `places`, of which it has its own share.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_ssl import errors
from gan_ssl.methods.state import AXIS, GanState, StepFn
from gan_ssl.training import calls, compilation, hosts

# Devices share all of the state but the entries of the places of the global batch.
_SHARED: Any = None
_STATE_AXES = GanState(_SHARED, _SHARED, generator=_SHARED, discriminator=_SHARED, averaged=_SHARED, places=0)


def choose_devices(batch_size: int, num_devices: int = 0) -> list[jax.Device]:
    """Chooses the devices to train on.

    Args:
        batch_size: the global batch.
        num_devices: how many of each process's devices; 0 takes as many as divide the process's share of the batch.

    Returns:
        The devices, the same list in every process: as many of each, process after process, so that each process loads
        the places of the global batch that its devices have.

    Raises:
        ConfigError: the batch does not divide, or there are fewer devices.
    """
    processes = jax.process_count()
    of_process = [jax.local_devices(i) for i in range(processes)]
    if batch_size % processes:
        raise errors.ConfigError(f"config.batch_size is {batch_size}; allowed: a multiple of the {processes} processes")
    share, local = batch_size // processes, min(map(len, of_process))
    if num_devices > local:
        raise errors.ConfigError(f"config.num_devices is {num_devices}; allowed: at most {local} here")
    if num_devices and share % num_devices:
        raise errors.ConfigError(
            f"config.batch_size is {batch_size}; allowed: a multiple of {processes * num_devices} devices"
        )
    chosen = num_devices or max(n for n in range(1, local + 1) if math.gcd(n, share) == n)
    if chosen < local:
        logging.info("using %d of %d local devices (batch_size %d)", chosen, local, batch_size)
    return [device for local_devices in of_process for device in local_devices[:chosen]]


def _own(devices: list[jax.Device]) -> list[jax.Device]:
    """Returns this process's devices among those of all."""
    return [device for device in devices if device.process_index == jax.process_index()]


def connect(devices: list[jax.Device]) -> None:
    """Lets the devices of several processes find each other, which they else do at the first step.

    Gloo gives all 30 seconds for it, and processes do not compile alike: the cache serves process 0 alone on CPUs.
    """
    hosts.gather("to connect")
    found = jax.pmap(lambda x: lax.psum(x, AXIS), axis_name=AXIS, devices=devices)(np.ones(len(_own(devices))))
    jax.block_until_ready(found)


class MappedStep:
    """A step mapped over devices; it takes and gives a sharded state, and on GPUs and TPUs donates the given one."""

    def __init__(self, step: StepFn, devices: list[jax.Device]):
        platform = devices[0].platform
        self._options: dict[str, Any] = dict(compilation.compiler_options(platform))
        self._ahead, self._program = self._options and len(_own(devices)) == len(devices), None
        self._mapped = jax.pmap(
            step,
            axis_name=AXIS,
            in_axes=(_STATE_AXES, 0),
            out_axes=(_STATE_AXES, None),
            devices=devices,
            # A CPU would copy what it may write over while that is still read: 10% of a step.
            donate_argnums=() if platform == "cpu" else (0,),
        )
        self.lower = self._mapped.lower

    def compile(self, lowered: jax.stages.Lowered) -> jax.stages.Compiled:
        """Compiles what `lower` gave, with our options for these devices."""
        return lowered.compile(compiler_options=self._options)

    def __call__(self, state: GanState, batch: Any) -> tuple[GanState, Any]:
        """Runs the step; the first call compiles."""
        if not self._ahead:  # programs of several processes can be called through pmap alone
            return self._mapped(state, batch)
        if self._program is None:  # pmap takes no options, and a jit around it costs 10%
            self._program = self.compile(self.lower(state, batch))
        return self._program(state, batch)


class Runner:
    """Runs calls of one or more steps, and tells all processes at the same call that one of them wants to stop.

    That wish travels in the call itself, as one number that the devices reduce: no messages, no waiting.
    """

    def __init__(self, steps: Mapping[str, StepFn], devices: list[jax.Device]):
        self._steps, self._devices, self._shared = steps, devices, len(_own(devices)) < len(devices)
        self._batch_sharding = places_sharding(_own(devices))
        self._programs: dict[tuple[str, ...], StepFn] = {}
        self._told, self._stop = None, False
        if self._shared:
            connect(devices)

    @staticmethod
    def _telling(step: StepFn) -> StepFn:
        def telling(state, batch):
            batch, wish = batch
            state, metrics = step(state, batch)
            return state, (metrics, lax.pmax(wish, AXIS))

        return telling

    def place(self, kinds: Sequence[str], batches: Sequence[Mapping[str, np.ndarray]]) -> Any:
        """Sends the batches of a call's steps, this process's share of them, on their way to the devices."""
        batch = calls.stack([shard_batch(batch, self._devices) for batch in batches], kinds, axis=1)
        return jax.device_put(batch, self._batch_sharding)

    def wait(self, metrics: Any) -> None:
        """Waits for the call that gave `metrics`, and hears who wanted to stop when it began."""
        jax.block_until_ready(metrics)
        if self._told is not None:
            self._stop = bool(self._told)

    def __call__(self, kinds: Sequence[str], state: GanState, batch: Any, wish: bool) -> tuple[GanState, Any]:
        """Runs steps of these kinds on a placed batch; `wish` says that this process wants to stop."""
        kinds = tuple(kinds)
        if kinds not in self._programs:
            step = calls.repeated(self._steps, kinds)
            self._programs[kinds] = MappedStep(self._telling(step) if self._shared else step, self._devices)
        if not self._shared:
            return self._programs[kinds](state, batch)
        wishes = np.full(len(_own(self._devices)), wish, np.int32)
        state, (metrics, self._told) = self._programs[kinds](state, (batch, wishes))
        return state, metrics

    def stops(self, wish: bool) -> bool:
        """Tells whether this call is the last: at once where one process is alone, else as soon as all know."""
        return self._stop if self._shared else wish


def shard_batch(batch: Mapping[str, np.ndarray], devices: list[jax.Device]) -> dict[str, np.ndarray]:
    """Gives each array `[local batch, ...]` a leading axis of this process's devices."""
    return {name: x.reshape(len(_own(devices)), -1, *x.shape[1:]) for name, x in batch.items()}


def shard_state(state: GanState, devices: list[jax.Device]) -> GanState:
    """Lays a state on this process's devices: its `places` split by batch place, all else on each."""
    own = _own(devices)
    split_sharding = places_sharding(own)
    shared = NamedSharding(split_sharding.mesh, PartitionSpec())

    def put(tree: Any, sharding: NamedSharding) -> Any:
        # Copied first: the placed array may alias its source, which a donating step would then delete.
        return jax.tree.map(lambda x: jax.device_put(np.array(x), sharding), tree)

    split = jax.tree.map(lambda x: np.asarray(x).reshape(len(own), len(x) // len(own), *x.shape[1:]), state.places)
    return put(state.replace(places={}), shared).replace(places=put(split, split_sharding))


def gather_state(state: GanState) -> GanState:
    """Brings a sharded state to the host as NumPy arrays, independent of how many devices there were."""
    host = jax.device_get(state)
    return host.replace(places=jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), host.places))


def own_share(state: GanState) -> GanState:
    """Cuts this process's share out of the `places` of a whole state."""
    index, count = jax.process_index(), jax.process_count()
    cut = lambda x: np.asarray(x)[index * len(x) // count : (index + 1) * len(x) // count]
    return state.replace(places=jax.tree.map(cut, state.places))


def places_sharding(devices: Sequence[jax.Device]) -> NamedSharding:
    """Returns how an array with an entry a place, or a device, is split over devices: all of a run, or one's own."""
    return NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec(AXIS))


def whole_places(shares: Any, devices: Sequence[jax.Device]) -> Any:
    """Makes of this process's share of `places`, and of those of the others, arrays of all that several can write."""
    sharding = places_sharding(devices)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), shares)


def own_places(whole: Any) -> Any:
    """Returns this process's share of arrays of all places, on the host."""
    place = lambda shard: shard.index[0].start or 0
    own = lambda x: np.concatenate([np.asarray(s.data) for s in sorted(x.addressable_shards, key=place)])
    return jax.tree.map(own, whole)
