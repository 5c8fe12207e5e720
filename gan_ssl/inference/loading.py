"""A work directory becomes what translates with it."""

import importlib
from typing import Any

from gan_ssl import errors, methods
from gan_ssl.training import checkpoints


def load(workdir: str, step: int | None = None, multiple: int = 32, batch_size: int | None = None) -> Any:
    """Loads the networks of a work directory, which is only read.

    Args:
        workdir: of a run, or made by `convert`.
        step: which checkpoint; None for the newest.
        multiple: sides are rounded up to a multiple of it; larger ones compile fewer programs.
        batch_size: pictures a call of a program; None is 1 on a CPU, 8 elsewhere.

    Returns:
        What the run's method names as its `INFERENCE`: a `Translator` or an `Editor`.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if not workdir:
        raise errors.CheckpointError("workdir is empty; allowed: the folder of a run (--workdir=DIR)")
    return make(checkpoints.load(workdir, step), multiple, batch_size)


def make(loaded: checkpoints.Loaded, multiple: int = 32, batch_size: int | None = None) -> Any:
    """Makes of a checkpoint what translates with it; see `load`."""
    module, _, name = methods.get(loaded.config.method).INFERENCE.partition(":")
    return getattr(importlib.import_module(module), name)(loaded, multiple, batch_size)
