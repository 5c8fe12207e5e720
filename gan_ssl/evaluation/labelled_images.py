"""Images with labels, as they are scored."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gan_ssl import data, errors
from gan_ssl.data import loading
from gan_ssl.data.label_space import LabelSpace


class Labelled(NamedTuple):
    """Some images of a split.

    Attributes:
        images: `[n, height, width, 3]` uint8 or uint16.
        labels: `[n, num_labels]` uint8.
        truth: `truth(i, label)` gives image i as it would be with another label, where the data set knows that.
        left_out: images of the split whose labels make no sense, which nothing is scored on.
    """

    images: np.ndarray
    labels: np.ndarray
    truth: Callable[[int, np.ndarray], np.ndarray] | None
    left_out: int


def load(config: ConfigDict, split: str, space: LabelSpace, limit: int = 0) -> Labelled:
    """Loads images of a split whose labels make sense.

    Args:
        config: of the run.
        split: `train`, `validation` or `test`.
        space: of the labels.
        limit: the most images; they are spread over the split evenly, which may be sorted by label. 0 for all.

    Returns:
        The images at the size that the networks see: whole, but for `data.center_crop`.

    Raises:
        DataError: the images cannot be used, or none has a sensible label.
    """
    source, fields = data.open_attributes(config, split), config.data
    kept = np.flatnonzero(space.allows(source.labels))
    left_out = len(source) - len(kept)
    if not len(kept):
        raise errors.DataError(f"no image of the {split} split sets exactly one of each exclusive group")
    if limit and limit < len(kept):
        kept = kept[np.arange(limit) * len(kept) // limit]
    fit = lambda image: loading.fit(image, tuple(fields.image_size), fields.bits, fields.center_crop)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = np.stack(list(pool.map(lambda i: fit(source[int(i)]["image"]), kept)))
    draw = getattr(source, "truth", None)
    truth = None if draw is None else lambda i, label: fit(draw(int(kept[i]), label))
    return Labelled(images, source.labels[kept], truth, left_out)
