"""Checkpoints by Orbax: saved whole or not at all, and read only where their bits are what was saved."""

import contextlib
import hashlib
import time
from collections.abc import Mapping
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
from gan_ssl.training.workdir import read_config, write_config, writing

# The arrangement of a checkpoint's files and arrays; raised whenever an older one can no longer be read.
LAYOUT = 1


class Loaded(NamedTuple):
    """What `evaluate` and `translate` read from a work directory."""

    config: ConfigDict
    step: int
    params: dict[str, Any]  # {'generator': ..., 'discriminator': ...}


class Checkpointer:
    """Saves and restores a run in `workdir/checkpoints`, asynchronously; the newest `keep` are kept."""

    def __init__(self, workdir: str, keep: int = 1):
        self._workdir = workdir
        self._directory = epath.Path(workdir).resolve() / "checkpoints"
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
        record = {"layout": LAYOUT, "sha256": digest(tree), "positions": dict(positions)}
        items = ocp.args.Composite(state=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(record))
        with _saving(self._workdir):
            self._manager.save(step, args=items, force=True)

    def restore(self, state: GanState) -> tuple[GanState, dict[str, int]] | None:
        """Restores the newest whole checkpoint into the shape of `state`; None where there is none at all.

        Newer ones that are damaged are told and moved to `workdir/damaged`, so that their steps can be saved again.

        Raises:
            CheckpointError: all are damaged, or written in another layout.
        """
        found = _newest_whole(self._directory, None)
        if found is None:
            return None
        step, tree, record = found
        damaged = [s for s in _steps(self._directory) if s > step]
        if damaged:
            self._manager.close()
            with writing(self._workdir):
                aside = self._directory.parent / "damaged"
                aside.mkdir(exist_ok=True)
                for name in map(str, damaged):
                    (self._directory / name).rename(aside / f"{name}_{time.time_ns()}")
            self._manager = self._open()  # it lists the steps when it is opened
        logging.info("resumed from step %d", step)
        return serialization.from_state_dict(state, tree), record["positions"]

    def close(self) -> None:
        """Waits until all is written.

        Raises:
            TrainingError: as `save`.
        """
        with _saving(self._workdir):
            self._manager.wait_until_finished()
            self._manager.close()


def digest(tree: Any) -> str:
    """Returns the SHA-256 of a tree of arrays: of names, types, shapes and bits."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {np.shape(leaf)}".encode())
        sha.update(array.view(np.uint8).data if array.size else b"")
    return sha.hexdigest()


@contextlib.contextmanager
def _saving(workdir: str):
    """Turns what Orbax and its storage raise where a checkpoint cannot be written into a TrainingError."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise errors.TrainingError(
            f"a checkpoint cannot be written to {workdir}: {reason}; the ones before are whole"
        ) from error


def _steps(directory: epath.Path) -> list[int]:
    return sorted(int(p.name) for p in directory.iterdir() if p.name.isdigit())


def _newest_whole(directory: epath.Path, step: int | None) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
    """Reads the newest checkpoint whose bits are those that were written, or that of `step`; tells what it passes over.

    Raises:
        CheckpointError: there are some, but none of these is whole.
    """
    faults = []
    for candidate in reversed(_steps(directory)) if step is None else [step]:
        try:
            return candidate, *_read_whole(directory / str(candidate))
        except errors.CheckpointError as error:
            faults.append(str(error))
            logging.warning("checkpoint passed over: %s", error)
    if faults:
        raise errors.CheckpointError(f"no checkpoint can be used: {'; '.join(faults)}")
    return None


def _read_whole(path: epath.Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads state and record of one checkpoint; raises CheckpointError unless both are what was written."""
    if not (path / "record").exists():
        raise errors.CheckpointError(f"{path} has no record: damaged, or written before layout {LAYOUT}")
    try:
        with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
            record = reader.restore(path / "record")
        if record["layout"] != LAYOUT:
            raise errors.CheckpointError(
                f"{path} has layout {record['layout']}; allowed: {LAYOUT}, so use the version of gan_ssl that "
                "versions.json names"
            )
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
            tree = jax.tree.map(np.asarray, reader.restore(path / "state"))
    except errors.CheckpointError:
        raise
    except Exception as error:  # whatever the storage finds wrong with a file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise errors.CheckpointError(f"{path} is damaged: {reason[:200]}") from None
    if digest(tree) != record["sha256"]:
        raise errors.CheckpointError(f"{path} is damaged: its bits are not those that were saved")
    return tree, record


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
    root = epath.Path(workdir).resolve() / "checkpoints"
    if config is None or not root.exists():
        raise errors.CheckpointError(f"{workdir} holds no run: config.json or checkpoints/ is missing")
    steps = _steps(root)
    if not steps or (step is not None and step not in steps):
        wanted = "any" if step is None else f"step {step}"
        raise errors.CheckpointError(f"{workdir} has no checkpoint of {wanted}; there are: {steps or 'none'}")
    step, tree, _ = _newest_whole(root, step)
    generator = tree.get("averaged") or tree["generator"]["params"]
    return Loaded(config, step, {"generator": generator, "discriminator": tree["discriminator"]["params"]})


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
    record = {"layout": LAYOUT, "sha256": digest(tree), "positions": {}}
    items = ocp.args.Composite(state=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(record))
    with ocp.CheckpointManager(epath.Path(workdir).resolve() / "checkpoints") as manager:
        manager.save(0, args=items)
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
