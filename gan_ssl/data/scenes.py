"""The embedded data set `scenes`: drawn driving scenes by night (`a`) and by day (`b`), as a TFDS builder and a source.

It needs neither TensorFlow nor a network: the first use draws it into the TFDS directory, later ones read it there.
"""

import hashlib
import io
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from PIL import Image

from gan_ssl.data import embedded, scene_drawing

SEED = 0
# Scenes in each domain of a split.
EXAMPLES = {"train": 500, "validation": 100, "test": 100}
PARTS = ("image", "label", "truth")
_STORED = [(split, domain) for split in EXAMPLES for domain in scene_drawing.DOMAINS]


class Scenes(embedded.Builder):
    """Drawn driving scenes: image, label map and the very same scene in the other light."""

    # Part of the path on disk: raise it whenever a bit of the drawings changes (a checksum test says so).
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = embedded.configs(scene_drawing.SIZES)

    def _info(self) -> tfds.core.DatasetInfo:
        size = int(self.builder_config.name)  # pyright: ignore[reportOptionalMemberAccess] ours have one
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
        return {f"{split}_{domain}": self._generate_examples(split, domain) for split, domain in _STORED}

    def _generate_examples(self, split: str, domain: str) -> Iterator[tuple[int, dict[str, Image.Image]]]:
        size = int(self.builder_config.name)  # pyright: ignore[reportOptionalMemberAccess] ours have one
        indices = range(EXAMPLES[split])
        for index in tqdm.tqdm(indices, f"scenes {split}_{domain}", leave=False, disable=not sys.stderr.isatty()):
            scene = scene_drawing.draw_scene(SEED, split, domain, index, size)
            yield index, {part: Image.fromarray(scene[part]) for part in PARTS}


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
            split = f"{self._split}_{self._domain}"
            self._records = embedded.records(Scenes, self._size, self._data_dir, split, undecoded=PARTS)
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
    embedded.check(
        Scenes,
        ("split", split, scene_drawing.SPLITS),
        ("domain", domain, scene_drawing.DOMAINS),
        (field, size, scene_drawing.SIZES),
    )
    embedded.prepare(Scenes, size, data_dir, [f"{split}_{domain}" for split, domain in _STORED])
    return ScenesSource(split, domain, size, data_dir, parts)
