"""The user's own folders: CycleGAN's form, or two folders of any name."""

import functools
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_ssl.data import images
from gan_ssl.data.regular_files import open_regular
from gan_ssl.errors import DataError, printable

# Names of a split's folder in CycleGAN's form, before the A or B.
SPLIT_NAMES = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}
_TASK = 64  # files that a thread checks at a time
# Bad files that an error names; the log of a run that skips them names all.
_MOST_NAMED = 5
# (path, size, time, decoding) -> what is wrong with the file, '' for nothing. A file is checked once a process.
_verdicts: dict[tuple, str] = {}


class FolderSource:
    """The images below one folder, and the label maps of the same names below `<folder>_labels`.

    Attributes:
        names: paths of the images relative to the folder, with /, in natural order.
        class_names: names of the label classes by index; () without labels.
    """

    def __init__(self, config: ConfigDict, folder: str, names: list[str], labels: bool):
        """See `open_folder`."""
        self.folder, self.names = folder, names
        self._decoding = decoding(config)
        self._ignore_index = config.data.ignore_index
        self._given_class_names = tuple(config.data.class_names)
        self._all_label_folders = tuple(_label_folders(config))
        self._label_folder = _labels_of(folder) if labels and os.path.isdir(_labels_of(folder)) else None

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns an example; see `Source`."""
        name = self.names[index]
        image = images.decode(os.path.join(self.folder, name), **self._decoding).pixels
        example = {"image": image, "name": name}
        if self._label_folder:
            example["label"] = images.read_label(
                self._label_path(name),
                num_classes=self.num_classes,
                ignore_index=self._ignore_index,
                size=image.shape[:2],
                max_pixels=self._decoding["max_pixels"],
            )
        return example

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the label classes by index; found from all label maps of the data set where the config has none."""
        if not self._label_folder:
            return ()
        return self._given_class_names or _find_class_names(self._all_label_folders, self._ignore_index)

    @property
    def num_classes(self) -> int:
        """The number of label classes."""
        return len(self.class_names)

    def fingerprint(self) -> str:
        """Returns a hash of the names and contents of images and labels: copies of a folder have the same."""
        digest = hashlib.sha256()
        for name in self.names:
            paths = [os.path.join(self.folder, name)] + ([self._label_path(name)] if self._label_folder else [])
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
            for path in paths:
                digest.update(file_digest(path))
        return digest.hexdigest()

    def _label_path(self, name: str) -> str:
        return os.path.join(self._label_folder or "", os.path.splitext(name)[0] + ".png")


def open_folder(config: ConfigDict, split: str, domain: str, labels: bool = True) -> FolderSource:
    """Opens the folder of a domain and decodes each of its images once.

    Args:
        config: a config with data.name 'folder'. Training images lie in data.dir_a and data.dir_b where these are set;
            all others in data.dir: trainA, trainB, valA (or validationA), ..., testB.
        split: 'train', 'validation' or 'test'.
        domain: 'a' or 'b'.
        labels: whether label maps are wanted.

    Returns:
        The source, without images that data.skip_corrupt allows to skip.

    Raises:
        DataError: the folder is missing or has no image, or images cannot be used; one line with the path.
    """
    folder = _folder_of(config, split, domain)
    names = list_images(folder)
    if not names:
        raise DataError(f"{folder}: no image in this folder; allowed: {' '.join(images.EXTENSIONS)}")
    names = verify(folder, names, decoding(config), config.data.skip_corrupt)
    return FolderSource(config, folder, names, labels)


def list_images(folder: str | os.PathLike[str], extensions: Iterable[str] = images.EXTENSIONS) -> list[str]:
    """Lists the images below a folder, without opening one.

    Args:
        folder: the root of the search. Nested folders are searched, hidden files and folders are not, nor are links to
            folders.
        extensions: lower-case endings; files may have them in any case.

    Returns:
        Relative paths with /, in natural order (2.png before 10.png), which is the same on all platforms.

    Raises:
        DataError: a folder cannot be read.
    """

    def fail(error: OSError):
        raise DataError(f"{error.filename}: {error.strerror}")

    endings = tuple(extensions)
    found = []
    for parent, children, files in os.walk(folder, onerror=fail):
        children[:] = [c for c in children if not c.startswith(".")]
        inner = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if inner == "." else inner + "/"
        found += [prefix + f for f in files if f.lower().endswith(endings) and not f.startswith(".")]
    return sorted(found, key=_natural)


def decoding(config: ConfigDict) -> dict[str, Any]:
    """Returns the arguments that `images.decode` takes from a config."""
    return {"max_pixels": config.data.max_pixels, "intensity_range": tuple(config.data.intensity_range)}


def verify(folder: str, names: list[str], decoding: dict[str, Any], skip_corrupt: bool) -> list[str]:
    """Decodes each image that this process has not seen yet.

    Args:
        folder: what the names are relative to.
        names: of the images.
        decoding: arguments of `images.decode`.
        skip_corrupt: whether bad images are named, counted and left out.

    Returns:
        The names of the good ones.

    Raises:
        DataError: an image cannot be used, or none of them; one line with the path.
    """
    tasks = [names[i : i + _TASK] for i in range(0, len(names), _TASK)]
    check = lambda task: [_verdict(folder, name, decoding=decoding, warn=skip_corrupt) for name in task]
    title, verdicts = f"checking {printable(folder)}", []
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(desc=title, total=len(names), delay=2, disable=None, leave=False) as bar,
    ):
        for found in pool.map(check, tasks):
            verdicts += found
            bar.update(len(found))
    bad = [v for v in verdicts if v]
    if not bad:
        return names
    good = [n for n, v in zip(names, verdicts, strict=True) if not v]
    if not skip_corrupt:
        others = [n for n, v in zip(names, verdicts, strict=True) if v][1:]
        listed = ", ".join(others[:_MOST_NAMED]) + ", ..." * (len(others) > _MOST_NAMED)
        more = f", and {len(others)} more that cannot be used: {listed}" if others else ""
        raise DataError(f"{bad[0]}{more} (config.data.skip_corrupt=True skips them)")
    if not good:
        raise DataError(f"{folder}: no readable image among {len(names)} files, the first: {bad[0]}")
    logging.warning("%s: skipped %d of %d images that cannot be used", printable(folder), len(bad), len(names))
    return good


def file_digest(path: str) -> bytes:
    """Returns a hash of a file's content; raises DataError where it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").digest()  # pyright: ignore[reportArgumentType] any binary file does


def class_names(config: ConfigDict) -> tuple[str, ...]:
    """Returns the class names of a folder data set: the config's, or class_0... found from its labels, or ()."""
    folders = tuple(_label_folders(config))
    return tuple(config.data.class_names) or (_find_class_names(folders, config.data.ignore_index) if folders else ())


def _natural(name: str) -> tuple:
    parts = re.split("([0-9]+)", unicodedata.normalize("NFC", name))
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), name


def _candidates(config: ConfigDict, split: str, domain: str) -> list[str]:
    """Where the images of a domain may lie, best first."""
    given = config.data[f"dir_{domain}"]
    if split == "train" and given:
        return [given]
    root = config.data.dir
    return [os.path.join(root, name + domain.upper()) for name in SPLIT_NAMES[split]] if root else []


def _folder_of(config: ConfigDict, split: str, domain: str) -> str:
    candidates = _candidates(config, split, domain)
    if not candidates:
        missing = f"config.data.dir is '': set it to the folder that holds {split}{domain.upper()}"
        other = f", or config.data.dir_{domain} to a folder of images" if split == "train" else ""
        raise DataError(missing + other)
    for folder in candidates:
        if os.path.isdir(folder):
            return folder
    if os.path.exists(candidates[0]):
        raise DataError(f"{candidates[0]}: a file; allowed: a folder of images")
    raise DataError(f"{candidates[0]}: no such folder, wanted for the {split} images of domain {domain}")


def _labels_of(folder: str) -> str:
    return folder.rstrip("/" + os.sep) + "_labels"


def _label_folders(config: ConfigDict) -> list[str]:
    folders = [f for split in SPLIT_NAMES for domain in "ab" for f in _candidates(config, split, domain)]
    return [_labels_of(f) for f in folders if os.path.isdir(_labels_of(f))]


@functools.lru_cache
def _find_class_names(folders: tuple[str, ...], ignore_index: int) -> tuple[str, ...]:
    """Takes the classes from all label maps, so that every split has the same."""
    paths = [os.path.join(folder, name) for folder in folders for name in list_images(folder, (".png",))]

    def values(path: str) -> set[int]:
        return set(np.unique(images.read_label(path)).tolist())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = set().union(*pool.map(values, paths))
    # Of 0 and 255 alone, 255 is class 1 and not ignored: these are masks.
    classes = {0, 1} if found <= {0, 255} else found - {ignore_index}
    count = max(classes) + 1 if found else 0
    logging.info("%d label classes found in %d files below %s", count, len(paths), printable(", ".join(folders)))
    return tuple(f"class_{i}" for i in range(count))


def _verdict(folder: str, name: str, *, decoding: dict[str, Any], warn: bool) -> str:
    """Says what is wrong with a file, '' for nothing."""
    path = os.path.join(folder, name)
    try:
        stat = os.stat(path)
        key = (path, stat.st_size, stat.st_mtime_ns, *decoding.values())
    except OSError:
        key = (path, *decoding.values())  # decoding says why
    if key not in _verdicts:
        try:
            images.decode(path, **decoding)
            _verdicts[key] = ""
        except DataError as error:
            _verdicts[key] = str(error)
            if warn:
                logging.warning("skipped: %s", error)
    return _verdicts[key]
