"""The folder of a run: its config and the packages' versions, and whether another config continues it."""

import contextlib
import importlib.metadata
import json
import platform

from absl import logging
from etils import epath
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors

_PACKAGES = ("gan_ssl", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


@contextlib.contextmanager
def writing(workdir: str):
    """Turns an operating system's refusal to write there into a TrainingError."""
    try:
        yield
    except OSError as error:
        raise errors.TrainingError(f"cannot write to the work directory {workdir}: {error.strerror}") from None


def make_workdir(workdir: str) -> None:
    """Makes the folder of a run; raises TrainingError where that is refused."""
    with writing(workdir):
        epath.Path(workdir).mkdir(parents=True, exist_ok=True)


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
