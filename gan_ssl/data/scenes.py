"""The embedded data set `scenes`: drawn driving scenes by night (`a`) and by day (`b`), as a TFDS builder and a source.

It needs neither TensorFlow nor a network: the first use draws it into the TFDS directory, later ones read it there.
"""

import contextlib
import hashlib
import io
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from absl import logging
from google.protobuf import json_format
from PIL import Image

from gan_ssl.data import scene_drawing
from gan_ssl.errors import DataError

SEED = 0
# Scenes in each domain of a split.
EXAMPLES = {"train": 500, "validation": 100, "test": 100}
PARTS = ("image", "label", "truth")

# One thread at a time prepares or opens: TFDS's bars and the log's level belong to the whole process.
_lock = threading.RLock()


class Scenes(tfds.core.GeneratorBasedBuilder):
    """Drawn driving scenes: image, label map and the very same scene in the other light."""

    # Part of the path on disk: raise it whenever a bit of the drawings changes (a checksum test says so).
    VERSION = tfds.core.Version("1.0.0")
    # Where TFDS would look for checksums: there are none, and looking needs a package that it does not depend on.
    code_path = None
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=str(size), description=f"{size}x{size} pixels.") for size in scene_drawing.SIZES
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        size = int(self.builder_config.name)
        features = {
            "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
            "label": tfds.features.Image(shape=(size, size, 1), encoding_format="png"),
            "truth": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Driving scenes, drawn from a seed: domain a by night, domain b by day.",
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,  # a record's place is its index
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager  # there is nothing to download
        pairs = [(split, domain) for split in EXAMPLES for domain in scene_drawing.DOMAINS]
        return {f"{split}_{domain}": self._generate_examples(split, domain) for split, domain in pairs}

    def _generate_examples(self, split: str, domain: str) -> Iterator[tuple[int, dict[str, Image.Image]]]:
        size = int(self.builder_config.name)
        indices = range(EXAMPLES[split])
        # PIL images, since TFDS needs TensorFlow to encode arrays.
        for index in tqdm.tqdm(indices, f"scenes {split}_{domain}", leave=False, disable=not sys.stderr.isatty()):
            scene = scene_drawing.draw_scene(SEED, split, domain, index, size)
            yield index, {part: Image.fromarray(scene[part]) for part in PARTS}

    def _log_download_bytes(self) -> None:
        """Nothing is downloaded, and `open_scenes` says what happens."""

    def _log_download_done(self) -> None:
        """As above."""


class ScenesSource:
    """The scenes of one domain of one split, by index. Opens its file on the first read, so it pickles small."""

    class_names = scene_drawing.CLASS_NAMES
    num_classes = len(scene_drawing.CLASS_NAMES)

    def __init__(self, split: str, domain: str, size: int, data_dir: str = "", parts: Sequence[str] = PARTS):
        """See `open_scenes`, which checks its arguments and prepares the data first."""
        self._split, self._domain, self._size, self._data_dir = split, domain, size, data_dir
        self._parts = tuple(parts)
        self._records = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_records": None}

    def _open(self) -> Sequence[dict[str, bytes]]:
        if self._records is None:
            # Each part is decoded here, and only where it is asked for: a third of the time for training.
            skip = {part: tfds.decode.SkipDecoding() for part in PARTS}
            builder = _builder(self._size, self._data_dir)
            with _quiet():
                self._records = builder.as_data_source(f"{self._split}_{self._domain}", decoders=skip)
        return self._records

    def __len__(self) -> int:
        return len(self._open())

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns 'image' [H, W, 3], 'label' [H, W], 'truth' [H, W, 3], all uint8, as far as asked for, and 'name'."""
        index = range(len(self))[index]
        record = self._open()[index]
        parts = {part: np.asarray(Image.open(io.BytesIO(record[part]))) for part in self._parts}
        return parts | {"name": f"{self._split}_{self._domain}_{index:04d}"}

    def fingerprint(self) -> str:
        """Changes with anything that a pixel or a place depends on, and is the same on every machine."""
        facts = ("scenes", Scenes.VERSION, SEED, self._split, self._domain, self._size, len(self))
        return hashlib.sha256(repr(tuple(map(str, facts))).encode()).hexdigest()


def open_scenes(
    split: str, domain: str, size: int, data_dir: str = "", parts: Sequence[str] = PARTS, field: str = "data.image_size"
) -> ScenesSource:
    """Opens the scenes of one domain of one split; on the first use it draws and stores them.

    Args:
      split: 'train', 'validation' or 'test'.
      domain: 'a' (night) or 'b' (day).
      size: the side in pixels: 64, 128 or 256.
      data_dir: the TFDS directory; '' is $TFDS_DATA_DIR or ~/tensorflow_datasets.
      parts: what to decode, of 'image', 'label' and 'truth': each takes as long as the others.
      field: the config field that `size` comes from, for the error message.

    Raises:
      DataError: where split, domain or size is none of these, or the directory cannot be written or used.
    """
    for name, value, allowed in (
        ("split", split, scene_drawing.SPLITS),
        ("domain", domain, scene_drawing.DOMAINS),
        (field, size, scene_drawing.SIZES),
    ):
        if value not in allowed:
            raise DataError(f"{name} is {value!r}; the data set 'scenes' has {', '.join(map(str, allowed))}")
    with _lock:
        _prepare(size, data_dir)
    return ScenesSource(split, domain, size, data_dir, parts)


def _builder(size: int, data_dir: str) -> Scenes:
    try:
        with _quiet():
            return Scenes(config=str(size), data_dir=data_dir or None)
    except (OSError, ValueError, json_format.ParseError) as error:  # a description on disk that cannot be read
        raise DataError(_incomplete(os.path.join(data_dir, "scenes", str(size)))) from error


def _incomplete(place: str) -> str:
    return f"data.dir: {place} holds an incomplete data set 'scenes'; delete that directory"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back the bars and the info lines of TFDS, of which there are dozens."""
    with _lock:
        verbosity = logging.get_verbosity()
        logging.set_verbosity(min(verbosity, logging.WARNING))
        tfds.disable_progress_bar()
        try:
            yield
        finally:
            tfds.enable_progress_bar()
            logging.set_verbosity(verbosity)


def _prepare(size: int, data_dir: str) -> None:
    """Draws and stores the scenes of a size, unless they are there.

    TFDS writes to a directory of its own and renames it at the end. Of two processes that prepare at once the second
    therefore fails to rename, finds the first one's complete directory and uses that.
    """
    builder, failure = _builder(size, data_dir), ""
    place = builder.data_dir
    if not os.path.exists(place):
        logging.info("Drawing the data set 'scenes' at %dx%d into %s (once)", size, size, place)
        started = time.monotonic()
        try:
            with _quiet():
                builder.download_and_prepare(file_format="array_record")
            logging.info("Drew the data set 'scenes' in %.0f s", time.monotonic() - started)
        except OSError as error:
            failure = error.strerror or str(error)
    if not _is_complete(size, data_dir):
        if failure:
            raise DataError(f"data.dir: the data set 'scenes' cannot be written to {place}: {failure}")
        raise DataError(_incomplete(place))


def _is_complete(size: int, data_dir: str) -> bool:
    """Whether the description and every file that it tells of are there."""
    splits = _builder(size, data_dir).info.splits
    names = [f"{split}_{domain}" for split in EXAMPLES for domain in scene_drawing.DOMAINS]
    return all(name in splits and all(map(os.path.exists, splits[name].filepaths)) for name in names)
