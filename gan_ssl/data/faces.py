"""The embedded data set `faces`: drawn portraits with labels under CelebA's names, as a TFDS builder and a source.

It needs neither TensorFlow nor a network: the first use draws it into the TFDS directory, later ones read it there.
"""

import functools
import hashlib
import io
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from PIL import Image

from gan_ssl.data import embedded, face_drawing
from gan_ssl.data.face_drawing import ATTRIBUTES, EXCLUSIVE, SIZES, SPLITS

SEED = 0
EXAMPLES = {"train": 4000, "validation": 500, "test": 500}


class Faces(embedded.Builder):
    """Drawn portraits: image and attributes."""

    # Part of the path on disk: raise it whenever a bit of the drawings changes (a checksum test says so).
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = embedded.configs(SIZES)

    def _info(self) -> tfds.core.DatasetInfo:
        size = int(self.builder_config.name)  # pyright: ignore[reportOptionalMemberAccess] ours have one
        features = {
            "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
            "attributes": dict.fromkeys(ATTRIBUTES, np.bool_),  # as TFDS stores CelebA's
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Portraits, drawn from a seed: hair colour, smile and glasses are independent of all else.",
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,  # a record's place is its index
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager  # there is nothing to download
        return {split: self._generate_examples(split) for split in EXAMPLES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        size = int(self.builder_config.name)  # pyright: ignore[reportOptionalMemberAccess] ours have one
        for index in tqdm.tqdm(range(EXAMPLES[split]), f"faces {split}", leave=False, disable=not sys.stderr.isatty()):
            labels = face_drawing.draw_labels(SEED, split, index)
            image = Image.fromarray(face_drawing.draw_face(SEED, split, index, size, labels))
            yield index, {"image": image, "attributes": dict(zip(ATTRIBUTES, map(bool, labels), strict=True))}


class FacesSource:
    """The portraits of one split, by index. Opens its file on the first read, so it pickles small."""

    attributes = ATTRIBUTES
    exclusive = EXCLUSIVE

    def __init__(self, split: str, size: int, data_dir: str = ""):
        """See `open_faces`, which checks its arguments and prepares the data first."""
        self._split, self._size, self._data_dir = split, size, data_dir

    def __getstate__(self) -> dict[str, Any]:
        return {key: self.__dict__[key] for key in ("_split", "_size", "_data_dir")}

    @functools.cached_property
    def _records(self) -> Sequence[dict[str, Any]]:
        return embedded.records(Faces, self._size, self._data_dir, self._split, undecoded=("image",))

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """All labels, [n, 5] uint8 0/1 in the order of `attributes`."""
        rows = (self._records[index]["attributes"] for index in range(len(self)))
        return np.array([[row[name] for name in ATTRIBUTES] for row in rows], np.uint8)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns 'image' [size, size, 3] uint8 and 'name'."""
        index = range(len(self))[index]
        image = np.asarray(Image.open(io.BytesIO(self._records[index]["image"])))
        return {"image": image, "name": f"{self._split}_{index:04d}"}

    def truth(self, index: int, labels: Sequence[int]) -> np.ndarray:
        """Draws a portrait again with other labels and everything else as it is.

        Args:
          index: of the portrait.
          labels: 0 or 1 for each of `attributes`.

        Returns:
          [size, size, 3] uint8; with its own labels the very image.

        Raises:
          ValueError: where a label is not 0 or 1, or not exactly one names a hair colour.
        """
        return face_drawing.draw_face(SEED, self._split, range(len(self))[index], self._size, labels)

    def fingerprint(self) -> str:
        """Changes with anything that a pixel, a label or a place depends on, and is the same on every machine."""
        facts = ("faces", Faces.VERSION, SEED, self._split, self._size, len(self))
        return hashlib.sha256(repr(tuple(map(str, facts))).encode()).hexdigest()


def open_faces(split: str, size: int, data_dir: str = "", field: str = "data.image_size") -> FacesSource:
    """Opens the portraits of one split; on the first use it draws and stores all splits.

    Args:
      split: 'train' (4,000 portraits), 'validation' or 'test' (500 each).
      size: the side in pixels: 32, 64 or 128.
      data_dir: the TFDS directory; '' is $TFDS_DATA_DIR or ~/tensorflow_datasets.
      field: the config field that `size` comes from, for the error message.

    Raises:
      DataError: where split or size is none of these, or the directory cannot be written or used.
    """
    embedded.check(Faces, ("split", split, SPLITS), (field, size, SIZES))
    embedded.prepare(Faces, size, data_dir, list(EXAMPLES))
    return FacesSource(split, size, data_dir)
