"""The training loop, the same for every method."""

import contextlib
from collections.abc import Mapping

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import data, errors, methods, plots
from gan_ssl.methods.state import GanState
from gan_ssl.training import calls, compilation, hosts, parallel
from gan_ssl.training.checkpoints import Checkpointer, initialise_from
from gan_ssl.training.locks import alone_in
from gan_ssl.training.metrics import Clock, MetricWriter, Progress, RunningMetrics
from gan_ssl.training.stopping import StopRequest, listening
from gan_ssl.training.workdir import check_resumable, in_bucket, locate, make_workdir, write_config

_SAMPLES = 6  # rows of a picture


def resolve(config: ConfigDict) -> ConfigDict:
    """Validates a config and fills in what only its data knows: steps of its epochs, labels, the batch of its groups.

    Raises:
        ConfigError: a field has a value that is not allowed.
        DataError: the data cannot be used.
    """
    config = configs.validate(config.copy_and_resolve_references())
    streams = methods.get(config.method).streams(config)
    return configs.validate(data.resolve(config, streams.values()))


def create_train_state(config: ConfigDict) -> GanState:
    """Makes the state of step 0, from the seed or from the weights that `init_from` names."""
    # As one program, which the cache keeps: op by op it is 200 programs of a draw each, compiled at every start.
    create = jax.jit(lambda rng: methods.get(config.method).create_state(rng, config))
    state = create(jax.random.PRNGKey(config.seed))
    return initialise_from(state, config.init_from) if config.init_from else state


def train_and_evaluate(config: ConfigDict, workdir: str) -> GanState:
    """Trains to `num_steps`, from the newest checkpoint in `workdir` where there is one.

    Args:
        config: a config as the recipes make it.
        workdir: the run's folder, made where it is missing.

    Returns:
        The final state, on the host.

    Raises:
        Interrupted: SIGTERM or SIGINT came; the run is saved.
        GanSslError: bad settings or data, a work directory that cannot be used, or a loss that is not finite.
    """
    config = resolve(config)
    check_resumable(workdir, config)
    compilation.enable_cache()
    devices = parallel.choose_devices(config.batch_size, config.num_devices)
    first = hosts.is_first()
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(listening())
        if first:
            make_workdir(workdir)
            stack.enter_context(alone_in(workdir))
        _check_shared(workdir)
        checkpointer = stack.enter_context(contextlib.closing(Checkpointer(workdir, config.keep_checkpoints, devices)))
        state, positions = _start(config, checkpointer)
        streams = stack.enter_context(contextlib.closing(_Streams(config, positions)))
        writer = None
        if first:  # not before the data are open: settings that cannot run would claim the folder
            write_config(workdir, config)
            writer = stack.enter_context(contextlib.closing(MetricWriter(workdir, int(state.step))))
        state = _train(config, state, devices, streams, writer, checkpointer, stop)
    if state.step < config.num_steps:
        why = stop.signal or "a signal to another host"
        raise errors.Interrupted(f"{why}: stopped and saved at step {int(state.step)}; start again to go on")
    return state


def _check_shared(workdir: str) -> None:
    """Waits until process 0 has made the work directory, and checks that this process sees it."""
    hosts.gather("made")
    if not in_bucket(workdir) and not locate(workdir).exists():
        raise errors.ConfigError(
            f"--workdir is {workdir}, which process 0 has made and this host does not see; allowed: "
            "a folder that all hosts share"
        )


def _start(config: ConfigDict, checkpointer: Checkpointer) -> tuple[GanState, dict[str, int]]:
    """Returns the state, with this process's share of `places`, and the stream positions to go on from."""
    state = parallel.own_share(create_train_state(config))
    restored = checkpointer.restore(state)
    if restored is None:
        return state, {}
    if restored[0].step > config.num_steps:
        raise errors.ConfigError(
            f"config.num_steps is {config.num_steps}; allowed: at least {int(restored[0].step)}, where this run stands"
        )
    return restored


class _Streams:
    """The data streams of a run and their positions."""

    def __init__(self, config: ConfigDict, positions: dict[str, int]):
        self._names = methods.get(config.method).streams(config)
        self.positions = {name: positions.get(name, 0) for name in self._names.values()}
        shard = (jax.process_index(), jax.process_count())
        self._iterators: dict[str, data.Stream] = {
            name: data.make_stream(config, name, position=at, shard=shard) for name, at in self.positions.items()
        }

    def next(self, kind: str) -> dict[str, np.ndarray]:
        """Returns the next batch for a kind of step."""
        batch = next(self._iterators[self._names[kind]])
        self.positions[self._names[kind]] += 1
        return batch

    def close(self) -> None:
        """Stops the loaders."""
        for iterator in self._iterators.values():
            iterator.close()


def _train(
    config: ConfigDict,
    state: GanState,
    devices: list[jax.Device],
    streams: _Streams,
    writer: MetricWriter | None,
    checkpointer: Checkpointer,
    stop: StopRequest,
) -> GanState:
    """Steps from the given state to the last; writes metrics, pictures and checkpoints at their cadence."""
    method, start, count = methods.get(config.method), int(state.step), config.steps_per_call
    calls.check(config, start, devices[0].platform)
    runner = parallel.Runner(method.make_train_steps(config), devices)
    sample = _sampler(config) if writer else None
    running, progress, clock = RunningMetrics(), Progress(start, config.num_steps, method.PROGRESS), Clock()
    sharded, metrics = parallel.shard_state(state, devices), None
    logging.info("training %s to step %d on %d %s", config.method, config.num_steps, len(devices), devices[0].platform)
    for step in range(start + count, config.num_steps + 1, count):
        kinds = [method.step_kind(config, s) for s in range(step - count, step)]
        with clock.measuring("data_wait"):
            batches = [streams.next(kind) for kind in kinds]
        batch = runner.place(kinds, batches)
        runner.wait(metrics)  # at most one call ahead of the devices
        sharded, metrics = runner(kinds, sharded, batch, bool(stop.signal))
        if step == start + count:
            jax.block_until_ready(metrics)
            logging.info("first step after %.0f s (compilation)", clock.restart())
        running.add(step - count + 1, metrics)
        progress.step(count)
        last = step == config.num_steps or runner.stops(bool(stop.signal))
        saving = last or step % config.checkpoint_steps == 0
        if saving or step % config.log_steps == 0:
            scalars = running.flush() | clock.shares()
            if writer:
                writer.write(step, scalars)
            progress.report(step, scalars)
        if sample and writer and (last or step % config.sample_steps == 0):
            picture = sample(parallel.gather_state(sharded))
            writer.picture(step, picture)
            progress.picture(picture)
        if saving:
            jax.block_until_ready(sharded)  # what is left of the step is no cost of saving
            with clock.measuring("save"):
                state = parallel.gather_state(sharded)
                if writer:
                    writer.flush()
                checkpointer.save(step, state, streams.positions)
        if last:
            break
    progress.close()
    return jax.device_get(state)


def advise(config: ConfigDict, batch: Mapping[str, np.ndarray]) -> None:
    """Warns where `model.grey` does not suit the images `[batch, height, width, channels]` of a training batch."""
    are_grey = [bool(np.all(x == x[..., :1])) for x in batch.values() if x.ndim == 4]
    if all(are_grey) and not config.model.grey:
        logging.warning("the training images are grey, but translations may have colours; config.model.grey=True: none")
    elif config.model.grey and not all(are_grey):
        logging.warning("the training images have colours, but config.model.grey is True: translations have none")


def _sampler(config: ConfigDict):
    """Returns a function from a state to a picture of the same few training images at every call."""
    if not config.sample_steps:
        return None
    method = methods.get(config.method)
    stream = next(iter(method.streams(config).values()))
    batch = data.examples(config, stream, _SAMPLES)
    advise(config, batch)
    sample, captions = method.make_sample(config), []

    @compilation.jit
    def made_in_order(params, batch):  # a program returns dicts sorted by key
        made = sample(params, batch)
        captions[:] = made
        return tuple(made.values())

    def picture(state: GanState) -> np.ndarray:
        made = made_in_order(state.generator_params(), batch)
        return plots.image_grid({c: plots.to_uint8(np.asarray(x)) for c, x in zip(captions, made, strict=True)})

    return picture
