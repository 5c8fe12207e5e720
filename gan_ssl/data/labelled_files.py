"""Image files with labels: listed in a file (CelebA, CSV), a folder a class, or named after their labels (RaFD)."""

import functools
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from gan_ssl.data import attribute_files, folders, images
from gan_ssl.errors import DataError, printable

# Where a split that nobody made ends at most: as many test images as StarGAN takes of CelebA.
_MOST_HELD_OUT = 2000
# Below data.dir, as CelebA is handed out and as others repack it.
_LISTS = tuple(f"{folder}list_attr_celeba.{ending}" for folder in ("", "Anno/") for ending in ("txt", "csv"))
_PARTITIONS = tuple(f"{folder}list_eval_partition.{ending}" for folder in ("", "Eval/") for ending in ("txt", "csv"))
_CELEBA_IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba", "images", "")
EMOTIONS = ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
_RAFD_NAME = re.compile(rf"rafd(\d+)_(\d+)_.+_({'|'.join(EMOTIONS)})_\w+\.\w+", re.IGNORECASE)
_FRONTAL = 90


class LabelledFiles:
    """Image files below a folder, with labels.

    Attributes:
        names: paths of the images relative to the folder.
        attributes: names of the labels' columns.
        exclusive: groups of them of which each image has exactly one.
        labels: [images, attributes] uint8 0 or 1.
        title: where the attributes come from, for error messages.
    """

    def __init__(
        self,
        config: ConfigDict,
        folder: str,
        names: Sequence[str],
        labels: np.ndarray,
        attributes: tuple[str, ...],
        exclusive: tuple[tuple[str, ...], ...] = (),
        table: attribute_files.AttributeTable | None = None,
        lines: Sequence[int] = (),
    ):
        """Checks every image, as `folders.verify` does; `lines` are the images' lines in the table."""
        self._folder, self._decoding = folder, folders.decoding(config)
        good = set(folders.verify(folder, list(names), self._decoding, config.data.skip_corrupt))
        kept = [i for i, name in enumerate(names) if name in good]
        self.names, self.labels = [names[i] for i in kept], labels[kept]
        self.attributes, self.exclusive = attributes, exclusive
        self.title = table.path if table else folder
        self._lines = [lines[i] for i in kept] if table else []

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns 'image' [height, width, 3] uint8 or uint16 and 'name'."""
        name = self.names[index]
        return {"image": images.decode(os.path.join(self._folder, name), **self._decoding).pixels, "name": name}

    def where(self, index: int) -> str:
        """Returns the file and line that the label of an image stands in, or the image's path."""
        if self._lines:
            return f"{self.title}:{self._lines[index]}"
        return os.path.join(self._folder, self.names[index])

    def fingerprint(self) -> str:
        """Returns a hash of names, contents and labels: copies of a folder have the same."""
        digest = hashlib.sha256(repr(self.attributes).encode() + self.labels.tobytes())
        for name in self.names:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
            digest.update(folders.file_digest(os.path.join(self._folder, name)))
        return digest.hexdigest()


def open_celeba(config: ConfigDict, split: str) -> LabelledFiles:
    """Opens a split of CelebA: list_attr_celeba, its images, and where it is there list_eval_partition."""
    path = config.data.attribute_file or _first_file(config.data.dir, _LISTS)
    roots = _roots(config, path)
    table = attribute_files.read_table(path)
    partition = next((p for root in roots for name in _PARTITIONS if os.path.isfile(p := os.path.join(root, name))), "")
    splits = held_out(table.names)
    if partition:
        splits = attribute_files.read_partition(partition)
        for name, line in zip(table.names, table.lines, strict=True):
            if name not in splits:
                raise DataError(f"{path}:{line}: {name} has no split in {partition}")
    candidates = [os.path.join(root, inner) for root in roots for inner in _CELEBA_IMAGES]
    return _open_listed(config, split, table, [splits[name] for name in table.names], candidates)


def open_csv(config: ConfigDict, split: str) -> LabelledFiles:
    """Opens a split of a CSV of images and attributes."""
    path = config.data.attribute_file or _first_file(config.data.dir, ("attributes.csv",))
    table = attribute_files.read_table(path, form="csv")
    drawn = held_out(table.names)
    splits = table.splits or [drawn[name] for name in table.names]
    return _open_listed(config, split, table, splits, _roots(config, path))


def open_classes(config: ConfigDict, split: str) -> LabelledFiles:
    """Opens a split of a folder a class: DIR/SPLIT/CLASS/*, or DIR/CLASS/*, of which each class is split alike."""
    root = _data_dir(config, "train/CLASS/* or CLASS/*")
    levels = {s: [os.path.join(root, name) for name in names] for s, names in folders.SPLIT_NAMES.items()}
    split_folders = {s: next(filter(os.path.isdir, paths), None) for s, paths in levels.items()}
    if any(split_folders.values()):
        folder = split_folders[split]
        if not folder:
            raise DataError(f"{levels[split][0]}: no such folder, wanted for the {split} images")
        found = _images_by_class(folder)
        # The classes of training count, so that labels mean the same in every split.
        known = list(_images_by_class(split_folders["train"])) if split_folders["train"] else list(found)
        strange = [name for name in found if name not in known]
        if strange:
            raise DataError(f"{os.path.join(folder, strange[0])}: no class of {split_folders['train']}")
    else:
        folder, found = root, _images_by_class(root)
        known = list(found)
        for name, members in found.items():
            splits = held_out(members)
            found[name] = [member for member in members if splits[member] == split]
    names = [name for members in found.values() for name in members]
    if not names:
        raise DataError(f"{folder}: no {split} image in a folder of a class; allowed: CLASS/*.png, *.jpg, ...")
    labels = np.repeat([[c == k for k in known] for c in found], [len(members) for members in found.values()], axis=0)
    attributes = tuple(unicodedata.normalize("NFC", name) for name in known)
    exclusive = (attributes,) if len(attributes) > 1 else ()
    return LabelledFiles(config, folder, names, labels.astype(np.uint8), attributes, exclusive)


def open_rafd(config: ConfigDict, split: str) -> LabelledFiles:
    """Opens a split of RaFD: frontal images, labelled with the emotion in their names, split by identity."""
    folder = _data_dir(config, "Rafd090_*.jpg")
    names = folders.list_images(folder)
    matches = {name: _RAFD_NAME.fullmatch(os.path.basename(name)) for name in names}
    strange = [name for name in names if not matches[name]]
    if strange:
        count = f"{len(strange)} of {len(names)} images"
        tell_once(logging.WARNING, f"{folder}: {count} not named as RaFD's and left out, the first: {strange[0]}")
    frontal = {name: match for name, match in matches.items() if match and int(match[1]) == _FRONTAL}
    splits = held_out(match[2] for match in frontal.values())
    chosen = [name for name, match in frontal.items() if splits[match[2]] == split]
    if not chosen:
        raise DataError(
            f"{folder}: no frontal {split} image; allowed: Rafd090_IDENTITY_GROUP_SEX_EMOTION_GAZE.jpg, EMOTION one of "
            + ", ".join(EMOTIONS)
        )
    counts = f"{len(frontal)} of {len(names)} images are frontal, {len(chosen)} of them {split}"
    tell_once(logging.INFO, f"{folder}: {counts}")
    labels = np.array([[frontal[name][3].lower() == emotion for emotion in EMOTIONS] for name in chosen], np.uint8)
    return LabelledFiles(config, folder, chosen, labels, EMOTIONS, (EMOTIONS,))


def held_out(keys: Iterable[str]) -> dict[str, str]:
    """Splits what comes without splits: in the order of the keys' SHA-256, which nothing else depends on.

    Args:
        keys: names of images or identities.

    Returns:
        The split of each key: the first tenth, rounded up and at most 2,000, is test, the next validation. A single key
        is train; of two one is test.
    """
    order = sorted(set(keys), key=lambda key: hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest())
    share = min(-(-len(order) // 10), _MOST_HELD_OUT)
    test, validation = share * (len(order) > 1), share * (len(order) > 2)
    splits = ["test"] * test + ["validation"] * validation + ["train"] * (len(order) - test - validation)
    return dict(zip(order, splits, strict=True))


@functools.cache
def tell_once(level: int, text: str) -> None:
    """Logs a line, once a process: streams, pictures and epochs all open the same data."""
    logging.log(level, "%s", printable(text))


def _open_listed(
    config: ConfigDict,
    split: str,
    table: attribute_files.AttributeTable,
    splits: Sequence[str],
    candidates: Sequence[str],
) -> LabelledFiles:
    chosen = [i for i, s in enumerate(splits) if s == split]
    if not chosen:
        raise DataError(f"{table.path}: no {split} image; the file has: {', '.join(sorted(set(splits))) or 'no image'}")
    folder = _image_folder(table, candidates)
    stored = {_normal(name): name for name in folders.list_images(folder)}
    unlisted = len(stored.keys() - {_normal(name) for name in table.names})
    if unlisted:
        tell_once(logging.INFO, f"{folder}: {unlisted} images that {table.path} does not list are not used")
    files = {i: _stored_name(folder, stored, table.names[i]) for i in chosen}
    missing = [i for i in chosen if not files[i]]
    if missing:
        first = f"{table.path}:{table.lines[missing[0]]}: {table.names[missing[0]]} is listed, but missing in {folder}"
        if not config.data.skip_corrupt or len(missing) == len(chosen):
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataError(f"{first}{more} (config.data.skip_corrupt=True skips missing images)")
        tell_once(logging.WARNING, f"skipped {len(missing)} of {len(chosen)} listed images, the first: {first}")
    kept = [i for i in chosen if files[i]]
    return LabelledFiles(
        *(config, folder, [files[i] for i in kept], table.labels[kept], table.attributes),
        table=table,
        lines=[table.lines[i] for i in kept],
    )


def _images_by_class(folder: str) -> dict[str, list[str]]:
    """Returns the images below each folder of a class, hidden ones apart, relative to the root."""
    try:
        children = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
    if not children:
        raise DataError(f"{folder}: no folder of a class in this folder")
    return {c: [f"{c}/{name}" for name in folders.list_images(os.path.join(folder, c))] for c in children}


def _image_folder(table: attribute_files.AttributeTable, candidates: Sequence[str]) -> str:
    """Returns the first folder that holds a listed image, or the first folder at all."""
    existing = [folder for folder in candidates if os.path.isdir(folder)]
    if not existing:
        raise DataError(f"{candidates[0]}: no such folder, wanted for the images that {table.path} lists")
    holds = (f for f in existing if any(os.path.isfile(os.path.join(f, name)) for name in table.names))
    return os.path.normpath(next(holds, existing[0]))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(name).replace(os.sep, "/"))


def _stored_name(folder: str, stored: dict[str, str], name: str) -> str:
    """Returns a listed image's name on disk, where accents may be composed otherwise; '' where it is missing."""
    return stored.get(_normal(name)) or (name if os.path.isfile(os.path.join(folder, name)) else "")


def _data_dir(config: ConfigDict, wanted: str) -> str:
    root = config.data.dir
    if not root:
        raise DataError(f"config.data.dir is '': set it to the folder that holds {wanted}")
    if not os.path.isdir(root):
        raise DataError(f"{root}: {'a file; allowed: a folder' if os.path.exists(root) else 'no such folder'}")
    return root


def _first_file(root: str, names: Sequence[str]) -> str:
    if not root:
        raise DataError(f"config.data.dir is '': set it to the folder that holds {names[0]}, or data.attribute_file")
    return next(filter(os.path.isfile, (os.path.join(root, name) for name in names)), os.path.join(root, names[0]))


def _roots(config: ConfigDict, path: str) -> list[str]:
    """Returns where images may lie: data.dir and the folder of the attribute file."""
    return list(filter(None, (config.data.dir, os.path.dirname(os.path.abspath(path)))))
