"""Checkpoints by Orbax: saved whole or not at all, and read only where their bits are what was saved."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from flax import serialization
from ml_collections import ConfigDict

from gan_ssl import errors
from gan_ssl.methods.state import GanState
from gan_ssl.training import digests, hosts, parallel
from gan_ssl.training.quiet import quietly
from gan_ssl.training.workdir import locate, move_folder, read_config, write_config, writing

# The arrangement of a checkpoint's files and arrays. Layout 1 had another checksum of `places`, and is still read.
LAYOUT = 2


class Loaded(NamedTuple):
    """What `evaluate` and `translate` read from a work directory."""

    config: ConfigDict
    step: int
    params: dict[str, Any]  # {'generator': ..., 'discriminator': ...}
    last: Any = None  # the generator's last parameters, where `params` has averaged ones


class Checkpointer:
    """Saves and restores a run in `workdir/checkpoints`, asynchronously; the newest `keep` are kept.

    With `devices` all processes that have some of these do everything here together, each with its own `places`.
    """

    def __init__(self, workdir: str, keep: int = 1, devices: Sequence[jax.Device] = ()):
        self._workdir, self._devices = workdir, devices
        self._directory = locate(workdir) / "checkpoints"
        with writing(workdir):
            self._directory.mkdir(parents=True, exist_ok=True)
        self._keep = keep
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        return ocp.CheckpointManager(self._directory, options=ocp.CheckpointManagerOptions(max_to_keep=self._keep))

    def save(self, step: int, state: GanState, positions: Mapping[str, int]) -> None:
        """Saves a gathered state and the positions of the data streams; returns before all is written.

        Raises:
            TrainingError: this checkpoint or the one before could not be written, as on a full disk.
        """
        if step in self._manager.all_steps():
            return
        tree = serialization.to_state_dict(state)
        sha256 = digests.join(tree, self._gather(digests.hash_places(tree)), positions)
        if self._together:  # Orbax writes arrays of NumPy once, those of several processes in parts
            tree["places"] = parallel.whole_places(tree["places"], self._devices)
        with _saving(self._workdir):
            self._manager.save(step, args=_items(tree, sha256, positions), force=True)

    @property
    def _together(self) -> bool:
        return any(device.process_index != jax.process_index() for device in self._devices)

    def _gather(self, value: Any) -> list[Any]:
        return hosts.gather(value) if self._together else [value]

    def restore(self, state: GanState) -> tuple[GanState, dict[str, int]] | None:
        """Restores the newest whole checkpoint into the shape of `state`; None where there is none at all.

        Newer ones that are damaged are told and moved to `workdir/damaged`, so that their steps can be saved again.

        Raises:
            CheckpointError: all are damaged, or written in another layout, or the processes see different ones.
        """
        steps, *others = self._gather(_steps(self._directory))
        if any(other != steps for other in others):
            raise errors.CheckpointError(
                f"--workdir is {self._workdir}, where the hosts see different checkpoints: {steps}, {others}; allowed: "
                "a folder that all hosts share"
            )
        sharding = parallel.places_sharding(self._devices) if self._together else None
        found = _newest_whole(self._directory, steps, sharding, self._gather)
        if found is None:
            return None
        step, tree, record = found
        damaged = [s for s in steps if s > step]
        if damaged:
            self._manager.close()
            if hosts.is_first():
                self._move_aside(damaged)
            self._gather("moved")
            self._manager = self._open()  # it lists the steps when it is opened
        logging.info("resumed from step %d", step)
        return serialization.from_state_dict(state, tree), record["positions"]  # pyright: ignore[reportReturnType] of the type of `state`

    def _move_aside(self, steps: Sequence[int]) -> None:
        with writing(self._workdir):
            for name in map(str, steps):
                aside = self._directory.parent / "damaged" / f"{name}_{time.time_ns()}"
                move_folder(self._directory / name, aside)

    def close(self) -> None:
        """Waits until all is written.

        Raises:
            TrainingError: as `save`.
        """
        with _saving(self._workdir):
            self._manager.wait_until_finished()
            self._manager.close()


def _items(tree: Any, sha256: str, positions: Mapping[str, int]) -> ocp.args.Composite:
    record = {"layout": LAYOUT, "sha256": sha256, "positions": dict(positions)}
    return ocp.args.Composite(state=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(record))


@contextlib.contextmanager
def _saving(workdir: str):
    """Turns what Orbax and its storage raise where a checkpoint cannot be written into a TrainingError."""
    try:
        yield
    except Exception as error:
        raise errors.TrainingError(
            f"a checkpoint cannot be written to {workdir}: {errors.reason(error)}; the ones before are whole"
        ) from error


def _steps(directory: epath.Path) -> list[int]:
    if not directory.exists() or os.path.isfile(directory):  # in a bucket an empty folder does not exist
        return []
    return sorted(int(p.name) for p in directory.iterdir() if p.name.isascii() and p.name.isdigit())


def _newest_whole(
    directory: epath.Path,
    steps: Sequence[int],
    sharding: jax.sharding.Sharding | None = None,
    gather: Callable[[Any], list[Any]] = lambda value: [value],
) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
    """Reads the newest of these checkpoints whose bits are those that were written; tells what it passes over.

    Args:
        directory: of the checkpoints.
        steps: to choose from, in ascending order.
        sharding: of `places`, where several processes read.
        gather: gives all what each found, so that all take the same.

    Raises:
        CheckpointError: there are some, but none of these is whole.
    """
    faults = []
    for step in reversed(steps):
        path, tree, record, fault = directory / str(step), {}, {}, ""
        try:
            tree, record = _read(path, sharding)
        except errors.CheckpointError as error:
            fault = str(error)
        found = gather([fault, digests.hash_places(tree)])
        fault = next((f for f, _ in found if f), "")
        if not fault and record["sha256"] != (
            digests.join(tree, [hashes for _, hashes in found], record["positions"])
            if record["layout"] > 1
            else digests.of_layout_1(tree)
        ):
            fault = f"{path} is damaged: its bits are not those that were saved"
        if not fault:
            return step, tree, record
        faults.append(fault)
        logging.warning("checkpoint passed over: %s", fault)
    if faults:
        raise errors.CheckpointError(f"no checkpoint can be used: {'; '.join(faults)}")
    return None


@quietly()
def _read(path: epath.Path, sharding: jax.sharding.Sharding | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads state and record of one checkpoint; raises CheckpointError where they cannot be read.

    The handlers are used bare: Orbax's checkpointers would wait for the other processes, one of which may fail here.
    """
    if not (path / "record").exists():
        raise errors.CheckpointError(f"{path} has no record: damaged, or written before layout 1")
    readers = ocp.JsonCheckpointHandler(), ocp.PyTreeCheckpointHandler()
    try:
        record = readers[0].restore(path / "record", args=ocp.args.JsonRestore())
        _check_layout(path, record["layout"], alone=sharding is None)
        record = {name: record[name] for name in ("layout", "sha256", "positions")}
        # What lies on which devices was true of the processes that wrote: the reader says what it wants.
        host = lambda leaf: ocp.RestoreArgs(restore_type=np.ndarray)
        shared = lambda leaf: ocp.ArrayRestoreArgs(sharding=sharding, global_shape=leaf.shape, dtype=leaf.dtype)
        wanted = {
            name: jax.tree.map(shared if sharding and name == "places" else host, subtree)
            for name, subtree in readers[1].metadata(path / "state").tree.items()
        }
        tree = readers[1].restore(path / "state", args=ocp.args.PyTreeRestore(restore_args=wanted))
        if sharding:
            tree["places"] = parallel.own_places(tree.get("places", {}))
    except errors.CheckpointError:
        raise
    except Exception as error:  # whatever the storage finds wrong with a file
        raise errors.CheckpointError(f"{path} is damaged: {errors.reason(error)[:200]}") from None
    finally:
        for reader in readers:
            reader.close()
    return jax.tree.map(np.asarray, tree), record


def _check_layout(path: epath.Path, layout: int, alone: bool) -> None:
    if layout not in (1, LAYOUT):
        raise errors.CheckpointError(
            f"{path} has layout {layout}; allowed: 1, {LAYOUT}, so use the version of gan_ssl that versions.json names"
        )
    if layout == 1 and not alone:
        raise errors.CheckpointError(
            f"{path} has layout 1; allowed: {LAYOUT}, so go on in one process until it has saved again"
        )


def load(workdir: str, step: int | None = None) -> Loaded:
    """Reads the weights of a work directory; never writes to it.

    Args:
        workdir: the run's folder.
        step: which checkpoint; None for the newest.

    Returns:
        The config, the step, and the parameters; the generator's are the averaged ones where the run keeps them.

    Raises:
        CheckpointError: there is no run, no such checkpoint, or none that is whole.
    """
    config = read_config(workdir)
    root = locate(workdir) / "checkpoints"
    if config is None or not root.exists():
        raise errors.CheckpointError(f"{workdir} holds no run: config.json or checkpoints/ is missing")
    steps = _steps(root)
    if not steps or (step is not None and step not in steps):
        wanted = "any" if step is None else f"step {step}"
        raise errors.CheckpointError(f"{workdir} has no checkpoint of {wanted}; there are: {steps or 'none'}")
    step, tree, _ = _newest_whole(root, steps if step is None else [step])  # pyright: ignore[reportGeneralTypeIssues] there are steps
    last, averaged = tree["generator"]["params"], tree.get("averaged")
    params = {"generator": averaged or last, "discriminator": tree["discriminator"]["params"]}
    return Loaded(config, step, params, last if averaged else None)


def save_weights(workdir: str, config: ConfigDict, params: Mapping[str, Any]) -> None:
    """Writes a work directory of weights alone, which `load` reads and `init_from` names.

    Args:
        workdir: a folder that holds no run yet.
        config: a validated config.
        params: `{'generator': ..., 'discriminator': ...}`.

    Raises:
        CheckpointError: the folder already holds a run.
    """
    if read_config(workdir) is not None:
        raise errors.CheckpointError(f"{workdir} already holds a run; name another folder")
    write_config(workdir, config)
    tree = {name: {"params": params[name]} for name in ("generator", "discriminator")}
    with ocp.CheckpointManager(locate(workdir) / "checkpoints") as manager:
        manager.save(0, args=_items(tree, digests.digest(tree), {}))
        manager.wait_until_finished()


def initialise_from(state: GanState, source: str) -> GanState:
    """Starts a new run's networks from another work directory's weights, with fresh optimisers.

    Raises:
        CheckpointError: no run there, or networks of other shapes.
    """
    params = load(source).params
    for name in ("generator", "discriminator"):
        player = getattr(state, name)
        wanted = {jax.tree_util.keystr(k): np.shape(v) for k, v in jax.tree_util.tree_leaves_with_path(player.params)}
        given = {jax.tree_util.keystr(k): np.shape(v) for k, v in jax.tree_util.tree_leaves_with_path(params[name])}
        wrong = [k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k)]
        if wrong:
            key = min(wrong)
            raise errors.CheckpointError(
                f"config.init_from is {source}: {name}{key} has shape {given.get(key)}, this config wants "
                f"{wanted.get(key)} ({len(wrong)} differ)"
            )
        state = state.replace(**{name: player.replace(params=params[name])})
    averaged = jax.tree.map(np.copy, params["generator"]) if state.averaged else {}
    logging.info("weights from %s", source)
    return state.replace(averaged=averaged)
