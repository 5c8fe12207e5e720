"""What every data set gives: random access to the images of one domain of one split."""

from typing import Any, Protocol

from ml_collections import ConfigDict

from gan_ssl.data import folders, scene_drawing, tfds_names
from gan_ssl.errors import ConfigError

SPLITS = ("train", "validation", "test")
DOMAINS = ("a", "b")


class Source(Protocol):
    """One domain of one split; picklable, so that loader processes can have it.

    Attributes:
        class_names: names of the label classes by index; () without labels.
        num_classes: their number.
    """

    class_names: tuple[str, ...]
    num_classes: int

    def __len__(self) -> int:
        """Returns the number of images."""
        ...

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns an example.

        'image' is [height, width, 3] uint8 or uint16 and 'name' a str. Where known: 'label' [height, width] uint8 class
        indices, and 'truth' [height, width, 3] uint8, the same scene in the other domain.
        """
        ...

    def fingerprint(self) -> str:
        """Returns a hash that changes when the data does."""
        ...


def open_source(config: ConfigDict, split: str, domain: str, labels: bool = True) -> Source:
    """Opens one domain of one split of `config.data`; nothing else needs to exist.

    Args:
        config: a validated config.
        split: 'train', 'validation' or 'test'.
        domain: 'a' or 'b'.
        labels: whether label maps and true translations are wanted, where there are any. Training without labels never
            reads one.

    Returns:
        The source, with every image checked.

    Raises:
        DataError: a folder is missing or empty, or an image cannot be used; one line with the path.
    """
    if split not in SPLITS or domain not in DOMAINS:
        raise ValueError(f"split {split!r}, domain {domain!r}; allowed: {SPLITS}, {DOMAINS}")
    data = config.data
    if data.name == "scenes":
        from gan_ssl.data import scenes

        parts = scenes.PARTS if labels else ("image",)
        side = smallest_drawing(scene_drawing.SIZES, config)
        return scenes.open_scenes(split, domain, side, data_dir=data.dir, parts=parts)  # pyright: ignore[reportReturnType] constants
    if data.name == "folder":
        return folders.open_folder(config, split, domain, labels)  # pyright: ignore[reportReturnType] cached names
    if data.name.startswith("tfds:"):
        return tfds_names.open_tfds(config, split, domain)
    raise ConfigError(f"config.data.name is {data.name!r}; allowed: scenes, folder, tfds:NAME")


def class_names(config: ConfigDict) -> tuple[str, ...]:
    """Returns the names of the label classes: the config's, or those that the data set has; () without labels."""
    if config.data.class_names:
        return tuple(config.data.class_names)
    if config.data.name == "scenes":
        return scene_drawing.CLASS_NAMES
    return folders.class_names(config) if config.data.name == "folder" else ()


def load_size(config: ConfigDict) -> tuple[int, int]:
    """Returns the (height, width) that images are resized to before the crop."""
    return tuple(config.data.load_size if any(config.data.load_size) else config.data.image_size)


def smallest_drawing(sizes: tuple[int, ...], config: ConfigDict) -> int:
    """Returns the smallest of the sizes that an embedded set is drawn in which need not be enlarged, or the largest."""
    return next((s for s in sizes if s >= max(load_size(config))), sizes[-1])
