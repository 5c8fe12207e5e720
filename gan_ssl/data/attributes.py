"""Images with labels: which data set, which of its attributes, and whole splits as arrays."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from gan_ssl.data import labelled_files, loading, tfds_names
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.data.source import SPLITS, smallest_drawing
from gan_ssl.errors import ConfigError, DataError

_NAMES = ("faces", "celeba", "rafd", "classes", "csv", "tfds:NAME")
# Files that know attributes and no groups.
_WITHOUT_GROUPS = ("celeba", "csv")


class AttributeSource(Protocol):
    """One split of images with labels; picklable, so that loader processes can have it.

    Attributes:
        attributes: names of the labels' columns.
        exclusive: groups of them that exclude each other.
        labels: [images, attributes] uint8 0 or 1.
    """

    attributes: tuple[str, ...]
    exclusive: tuple[tuple[str, ...], ...]
    labels: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        ...

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns 'image' [height, width, 3] uint8 or uint16 and 'name' str."""
        ...

    def fingerprint(self) -> str:
        """Returns a hash that changes when the data does."""
        ...


class _Chosen:
    """Some attributes of a source, in an order of one's own."""

    def __init__(self, source: AttributeSource, space: LabelSpace):
        self._source, self._known = source, LabelSpace(source.attributes, source.exclusive)
        self.attributes, self.exclusive = space.attributes, space.exclusive
        self.labels = source.labels[:, [self._known.place(name) for name in space.attributes]]

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._source[index]

    def fingerprint(self) -> str:
        """Returns a hash of the source's and of the choice."""
        facts = (self._source.fingerprint(), self.attributes, self.exclusive)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def where(self, index: int) -> str:
        """Returns where the label of an image comes from."""
        return where(self._source, index)

    @property
    def truth(self):
        """The source's `truth`, by the chosen attributes; what is not chosen keeps the image's own label."""
        draw = getattr(self._source, "truth")  # noqa: B009 an AttributeError here says that the source has none

        def chosen_truth(index: int, labels: Sequence[int]) -> np.ndarray:
            changes = dict(zip(self.attributes, map(int, labels), strict=True))
            return draw(index, self._known.edit(self._source.labels[index], changes))

        return chosen_truth


def open_attributes(config: ConfigDict, split: str) -> AttributeSource:
    """Opens a split of `config.data` with the attributes that the config chooses, or all.

    Args:
        config: a validated config.
        split: 'train', 'validation' or 'test'.

    Returns:
        The source, with every image checked. An image may set none of an exclusive group, as CelebA's bald people do;
        it then has no label that makes sense.

    Raises:
        ConfigError: data.name names no set with labels.
        DataError: files are missing or cannot be used, an attribute is unknown, or an image sets two attributes that
            exclude each other; one line with file and line.
    """
    source = _open(config, split)
    space = _space_of(config, source)
    if (space.attributes, space.exclusive) != (source.attributes, source.exclusive):
        source = _Chosen(source, space)
    _check_exclusive(source, space, config)
    return source


def label_space(config: ConfigDict) -> LabelSpace:
    """Returns the label space that the config declares; what it leaves open is the data set's.

    Raises:
        DataError: an attribute is unknown, or the data is needed and cannot be used.
    """
    data = config.data
    if data.attributes and (data.exclusive or data.name in _WITHOUT_GROUPS):
        return LabelSpace(tuple(data.attributes), tuple(data.exclusive))
    source = open_attributes(config, "train")
    return LabelSpace(source.attributes, source.exclusive)


def attribute_arrays(config: ConfigDict, split: str, limit: int = 0) -> dict[str, Any]:
    """Loads a split as it is scored: whole images, but for data.center_crop, at data.image_size, not flipped.

    Args:
        config: a validated config.
        split: 'train', 'validation' or 'test'.
        limit: the most images to load; 0 for all.

    Returns:
        'image' [n, height, width, 3] uint8 (uint16 where data.bits is 16), 'label' [n, attributes] uint8 and 'names', a
        list of n str.

    Raises:
        DataError: see `open_attributes`.
    """
    source, data = open_attributes(config, split), config.data
    count = min(len(source), limit or len(source))

    def load(index: int) -> tuple[np.ndarray, str]:
        example = source[index]
        return loading.fit(example["image"], tuple(data.image_size), data.bits, data.center_crop), example["name"]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loaded, names = zip(*pool.map(load, range(count)), strict=True)
    return {"image": np.stack(loaded), "label": source.labels[:count], "names": list(names)}


def where(source: AttributeSource, index: int) -> str:
    """Returns where the label of an image comes from: file and line where there is one, or the image's name."""
    tell = getattr(source, "where", None)
    return tell(index) if tell else source[index]["name"]


def _open(config: ConfigDict, split: str) -> AttributeSource:
    if split not in SPLITS:
        raise ValueError(f"split {split!r}; allowed: {SPLITS}")
    name = config.data.name
    if name == "faces":
        from gan_ssl.data import faces

        return faces.open_faces(split, smallest_drawing(faces.SIZES, config), data_dir=config.data.dir)  # pyright: ignore[reportReturnType] cached labels
    if name.startswith("tfds:"):
        return tfds_names.open_labelled_tfds(config, split)
    opener = getattr(labelled_files, f"open_{name}", None)
    if opener is None:
        raise ConfigError(f"config.data.name is {name!r}; allowed for images with labels: {', '.join(_NAMES)}")
    return opener(config, split)


def _space_of(config: ConfigDict, source: AttributeSource) -> LabelSpace:
    title = getattr(source, "title", config.data.name)
    space = LabelSpace(source.attributes, source.exclusive)
    try:
        if config.data.attributes:
            space = space.restricted(tuple(config.data.attributes))
    except DataError as error:
        raise DataError(f"config.data.attributes, {title}: {error}") from None
    try:
        return LabelSpace(space.attributes, tuple(config.data.exclusive) or space.exclusive)
    except DataError as error:
        raise DataError(f"config.data.exclusive, {title}: {error}") from None


def _check_exclusive(source: AttributeSource, space: LabelSpace, config: ConfigDict) -> None:
    """Refuses two attributes of a group in one image.

    CelebA has thousands of these (black and brown hair), which nobody can mend: there, as where skip_corrupt is set,
    such an image has no label that makes sense, and is counted.
    """
    for group in space.exclusive:
        places = [space.place(name) for name in group]
        twice = np.flatnonzero(source.labels[:, places].sum(1) > 1)
        if not len(twice):
            continue
        both = [name for name, place in zip(group, places, strict=True) if source.labels[twice[0], place]]
        line = f"{where(source, twice[0])}: {' and '.join(both)} set in one image; allowed: one of {', '.join(group)}"
        if config.data.name != "celeba" and not config.data.name.startswith("tfds:") and not config.data.skip_corrupt:
            raise DataError(f"{line} (config.data.skip_corrupt=True uses such images without their labels)")
        more = f" and {len(twice) - 1} more of {len(source)} images" if len(twice) > 1 else ""
        labelled_files.tell_once(logging.WARNING, f"labels not used, of this image{more}: {line}")
