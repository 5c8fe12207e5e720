"""The folder of a run: its config and the packages' versions, and whether another config continues it."""

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
from pathlib import Path

from absl import logging
from etils import epath
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors

_PACKAGES = ("gan_ssl", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def in_bucket(workdir: str | os.PathLike) -> bool:
    """Tells whether a work directory is in an object store, which cannot append, rename or lock."""
    return "://" in str(workdir)


def locate(workdir: str) -> epath.Path:
    """Returns the absolute path of a work directory.

    Raises:
        ConfigError: it is an address other than `gs://BUCKET/FOLDER`, or one that the installed packages cannot reach.
    """
    if not in_bucket(workdir):
        return epath.Path(workdir).resolve()
    scheme, _, rest = str(workdir).partition("://")
    if scheme != "gs" or not all(rest.partition("/")[::2]):
        raise errors.ConfigError(f"the work directory is {workdir}; allowed: a folder, or gs://BUCKET/FOLDER")
    if importlib.util.find_spec("gcsfs") is None:
        raise errors.ConfigError(f'the work directory is {workdir}; this needs: pip install -e ".[gcs]"')
    import fsspec

    for name in ("gs", "gcs"):  # what others wrote since the last listing must be seen, the lease above all
        fsspec.config.conf.setdefault(name, {})["use_listings_cache"] = False  # pyright: ignore[reportAttributeAccessIssue] it is imported
    return epath.Path(workdir)  # no resolve(): epath would make a local path of it


@contextlib.contextmanager
def writing(workdir: str, doing: str = "write to"):
    """Turns a refusal to write there, by the operating system or by the object store, into a TrainingError."""
    try:
        yield
    except errors.GanSslError:
        raise
    except Exception as error:
        if not (in_bucket(workdir) or isinstance(error, OSError)):
            raise
        reason = getattr(error, "strerror", None) or errors.reason(error)
        raise errors.TrainingError(f"cannot {doing} the work directory {workdir}: {reason}") from None


def make_workdir(workdir: str) -> None:
    """Makes the folder of a run; raises TrainingError where that is refused.

    A bucket has no folders, and asking for one would make a bucket of a name that was mistyped.
    """
    root = locate(workdir)
    if not in_bucket(workdir):
        with writing(workdir):
            root.mkdir(parents=True, exist_ok=True)


def write_config(workdir: str, config: ConfigDict) -> None:
    """Lays the config and the packages' versions beside the checkpoints."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    root = locate(workdir)
    texts = {"config.json": configs.to_json(config), "versions.json": json.dumps(versions, indent=2)}
    make_workdir(workdir)
    with writing(workdir):
        for name, text in texts.items():
            write_whole(root / name, text + "\n")


def write_whole(path: epath.Path | Path, text: str) -> None:
    """Writes a file whole or not at all; an object store does so by itself."""
    if in_bucket(path):
        path.write_text(text)
        return
    partial = path.with_name(f"{path.name}.new")
    partial.write_text(text)
    partial.replace(path)


def move_folder(path: epath.Path, to: epath.Path) -> None:
    """Renames a folder of a work directory; in a bucket every file is copied, then removed."""
    if in_bucket(path):
        import fsspec

        fsspec.filesystem("gcs").mv(str(path), str(to), recursive=True)
        return
    to.parent.mkdir(exist_ok=True)
    path.rename(to)


def read_config(workdir: str) -> ConfigDict | None:
    """Reads the config of a work directory; None where there is none.

    Raises:
        CheckpointError: the file is no config of this version.
    """
    path = locate(workdir) / "config.json"
    if not in_bucket(workdir) and path.exists() and not os.path.isfile(path):  # a pipe would never end
        raise errors.CheckpointError(f"{path}: a folder, a pipe or a device; allowed: a file")
    try:
        with writing(workdir, "read") if in_bucket(workdir) else contextlib.nullcontext():
            text = path.read_bytes() if path.exists() else None
        return None if text is None else configs.from_json(text)
    except errors.ConfigError as error:
        raise errors.CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise errors.CheckpointError(f"{path}: {error.strerror or error}") from None


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
