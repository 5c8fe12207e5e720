"""Checkpoints by Orbax, and the config that lies beside them."""

import contextlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from flax import serialization
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors
from gan_ssl.methods.state import GanState

_PACKAGES = ("gan_ssl", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Loaded(NamedTuple):
    """What `evaluate` and `translate` read from a work directory."""

    config: ConfigDict
    step: int
    params: dict[str, Any]  # {'generator': ..., 'discriminator': ...}


class Checkpointer:
    """Saves and restores a run in `workdir/checkpoints`, asynchronously; the newest `keep` are kept."""

    def __init__(self, workdir: str, keep: int = 1):
        directory = epath.Path(workdir).resolve() / "checkpoints"
        with writing(workdir):
            directory.mkdir(parents=True, exist_ok=True)
        self._manager = ocp.CheckpointManager(directory, options=ocp.CheckpointManagerOptions(max_to_keep=keep))

    def save(self, step: int, state: GanState, positions: Mapping[str, int]) -> None:
        """Saves a gathered state and the positions of the data streams; returns before all is written."""
        if step in self._manager.all_steps():
            return
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(serialization.to_state_dict(state)),
            positions=ocp.args.JsonSave(dict(positions)),
        )
        self._manager.save(step, args=items, force=True)

    def restore(self, state: GanState) -> tuple[GanState, dict[str, int]] | None:
        """Restores the newest checkpoint into the shape of `state`; None where there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        items = ocp.args.Composite(state=ocp.args.StandardRestore(), positions=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=items)
        logging.info("resumed from step %d", step)
        return serialization.from_state_dict(state, restored["state"]), restored["positions"]

    def close(self) -> None:
        """Waits until all is written."""
        self._manager.wait_until_finished()
        self._manager.close()


def write_config(workdir: str, config: ConfigDict) -> None:
    """Lays the config and the packages' versions beside the checkpoints."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    root = epath.Path(workdir)
    texts = {"config.json": configs.to_json(config), "versions.json": json.dumps(versions, indent=2)}
    with writing(workdir):
        root.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (root / f"{name}.new").write_text(text + "\n")
            (root / f"{name}.new").replace(root / name)


@contextlib.contextmanager
def writing(workdir: str):
    """Turns an operating system's refusal to write there into a TrainingError."""
    try:
        yield
    except OSError as error:
        raise errors.TrainingError(f"cannot write to the work directory {workdir}: {error.strerror}") from None


def read_config(workdir: str) -> ConfigDict | None:
    """Reads the config of a work directory; None where there is none.

    Raises:
        CheckpointError: the file is no config of this version.
    """
    path = epath.Path(workdir) / "config.json"
    if not path.exists():
        return None
    try:
        return configs.from_json(path.read_text())
    except errors.ConfigError as error:
        raise errors.CheckpointError(f"{path}: {error}") from None


def check_resumable(workdir: str, config: ConfigDict) -> None:
    """Checks that `config` continues the run in `workdir`, and logs the fields that it changes.

    Raises:
        ConfigError: fields that shape the trajectory differ; the error lists them.
    """
    before = read_config(workdir)
    if before is None:
        return
    old, new = configs.flatten(before), configs.flatten(config)
    changed = [name for name in new if new[name] != old[name]]
    fixed = [n for n in changed if n in configs.trajectory_fields(config)]
    if fixed:
        listed = ", ".join(f"config.{n} (was {old[n]!r}, is {new[n]!r})" for n in fixed)
        raise errors.ConfigError(f"{workdir} holds a run with other settings: {listed}; use another work directory")
    for name in changed:
        logging.info("resuming with config.%s = %r (was %r)", name, new[name], old[name])


def load(workdir: str, step: int | None = None) -> Loaded:
    """Reads the weights of a work directory; never writes to it.

    Args:
        workdir: the run's folder.
        step: which checkpoint; None for the newest.

    Returns:
        The config, the step, and the parameters; the generator's are the averaged ones where the run keeps them.

    Raises:
        CheckpointError: there is no run, or no such checkpoint.
    """
    config = read_config(workdir)
    root = epath.Path(workdir).resolve() / "checkpoints"
    if config is None or not root.exists():
        raise errors.CheckpointError(f"{workdir} holds no run: config.json or checkpoints/ is missing")
    steps = sorted(int(p.name) for p in root.iterdir() if p.name.isdigit())
    if not steps or (step is not None and step not in steps):
        wanted = "any" if step is None else f"step {step}"
        raise errors.CheckpointError(f"{workdir} has no checkpoint of {wanted}; there are: {steps or 'none'}")
    step = steps[-1] if step is None else step
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
        tree = reader.restore(root / str(step) / "state")
    tree = jax.tree.map(np.asarray, tree)
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
    with ocp.CheckpointManager(epath.Path(workdir).resolve() / "checkpoints") as manager:
        manager.save(0, args=ocp.args.Composite(state=ocp.args.StandardSave(tree)))
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
