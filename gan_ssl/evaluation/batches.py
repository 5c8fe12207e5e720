"""Many pictures through one compiled program."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def in_batches(fn: Callable[..., Any], size: int, *arrays: np.ndarray) -> Any:
    """Calls a function on batches of one size, so that one program serves all.

    Args:
        fn: takes a batch of each array and returns arrays (any tree of them) of as many rows.
        size: rows of a batch; the last one is filled up and its results are cut.
        arrays: of equally many rows, at least one.

    Returns:
        What `fn` returns, over all rows, as NumPy arrays.
    """
    results = []
    for start in range(0, len(arrays[0]), size):
        chunks = [array[start : start + size] for array in arrays]
        count = len(chunks[0])
        full = [np.concatenate([chunk, chunk[:1].repeat(size - count, axis=0)]) for chunk in chunks]
        results.append(jax.tree.map(lambda y, count=count: np.asarray(y)[:count], fn(*full)))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *results)
