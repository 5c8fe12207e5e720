"""Judges that were trained once, in the user's cache: parameters as bytes behind their own digest."""

import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import filelock
import flax.serialization
import jax
import numpy as np
from absl import logging

from gan_ssl.training.compilation import user_cache


def folder(kind: str) -> Path:
    """Returns the folder of one kind of judge (`segmenters`, `classifiers`), below the user's cache."""
    return user_cache() / kind


def key(*parts: Any) -> str:
    """Returns 16 hex digits that change with any part; parts are what JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


_Args = ParamSpec("_Args")
_Judges = TypeVar("_Judges")


def one_at_a_time(find_or_train: Callable[_Args, _Judges]) -> Callable[_Args, _Judges]:
    """Lets one process at a time look for judges and train them: others wait, and then find them in the cache."""

    @functools.wraps(find_or_train)
    def alone(*args: _Args.args, **kwargs: _Args.kwargs) -> _Judges:
        lock = filelock.FileLock(user_cache() / f"{find_or_train.__name__}.lock")
        try:
            user_cache().mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            logging.info("waiting for another process, which may train the judges that are needed here")
            lock.acquire()
        except OSError:  # nothing is kept there, and so nothing is shared
            return find_or_train(*args, **kwargs)
        try:
            return find_or_train(*args, **kwargs)
        finally:
            lock.release()

    return alone


def read(path: Path) -> dict | None:
    """Reads parameters; None if there are none or their bytes are not those that were written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != digest:
        logging.warning("cached %s is damaged and will be trained again", path)
        return None
    return flax.serialization.msgpack_restore(payload)  # pyright: ignore[reportReturnType] what `write` wrote


def write(path: Path, params: dict) -> None:
    """Writes parameters, whole or not at all; a cache that cannot be written is no error."""
    payload = flax.serialization.msgpack_serialize(jax.tree.map(np.asarray, params))
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(hashlib.sha256(payload).digest() + payload)
        os.replace(partial, path)
    except OSError as error:
        logging.warning("%s are not cached: %s", path.parent.name, error)
