"""Sets that TensorFlow Datasets knows by name, read without TensorFlow."""

import contextlib
import difflib
import functools
import hashlib
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gan_ssl.data import folders, images
from gan_ssl.errors import DataError

# What TFDS sets call a split.
_SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}
# (fingerprint, feature) -> what a set's records hold.
_values: dict[tuple[str, str], list[Any]] = {}
_OTHERWISE = (
    "or use the set's files (data.name='folder', with trainA, trainB, testA, testB; with labels 'classes', 'csv' or "
    "'celeba')"
)


class TfdsSource:
    """One split of a set that is prepared as array_record, which allows random access."""

    class_names: tuple[str, ...] = ()
    num_classes = 0

    def __init__(self, builder: Any, split: str, decoding: dict[str, Any]):
        """See `open_tfds`."""
        import tensorflow_datasets as tfds

        self._name = f"tfds:{builder.info.full_name}:{split}"
        self._key = _image_key(builder, tfds.features.Image)
        self._decoding = decoding
        self._checksums = repr(builder.info.splits[split].to_proto())
        # Undecoded, because our own decoder knows every mode of image and names a bad one.
        self._records = builder.as_data_source(split=split, decoders={self._key: tfds.decode.SkipDecoding()})

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns an example; see `Source`."""
        name = f"{self._name}:{index}"
        file = io.BytesIO(self._records[index][self._key])
        return {"image": images.decode(file, name=name, **self._decoding).pixels, "name": name}

    def fingerprint(self) -> str:
        """Returns a hash of the set's name, version, and number and sizes of its records."""
        return hashlib.sha256(f"{self._name} {self._checksums}".encode()).hexdigest()


class LabelledTfdsSource(TfdsSource):
    """One split of a prepared set whose labels are one class an image, or a dict of yes and no.

    Attributes:
        attributes: names of the classes, or of the dict's keys.
        exclusive: the classes as one group; () for a dict.
        labels: [images, attributes] uint8 0 or 1.
    """

    def __init__(self, builder: Any, split: str, decoding: dict[str, Any]):
        """See `open_labelled_tfds`."""
        import tensorflow_datasets as tfds

        super().__init__(builder, split, decoding)
        key, names = _label_key(builder, tfds.features)
        values = self._values_of(key)
        if isinstance(builder.info.features[key], tfds.features.ClassLabel):
            # Some sets have images without a class, -1, which sets none.
            self.labels = (np.array(values)[:, None] == np.arange(len(names))).astype(np.uint8)
            self.exclusive = (names,) if len(names) > 1 else ()
        else:
            self.labels = np.array([[value[name] for name in names] for value in values], np.uint8)
            self.exclusive = ()
        self.attributes = names

    def _values_of(self, key: str) -> list[Any]:
        """Reads one feature of all records, once a process: that takes a while for a large set."""
        cached = (self.fingerprint(), key)
        if cached not in _values:
            _values[cached] = [self._records[index][key] for index in range(len(self))]
        return _values[cached]


def open_tfds(config: ConfigDict, split: str, domain: str) -> TfdsSource:
    """Opens a domain of the set that data.name 'tfds:NAME' or 'tfds:NAME/CONFIG' names, and prepares it where it can.

    Args:
        config: a config; prepared sets lie below data.dir, or where TFDS keeps them.
        split: 'train', 'validation' or 'test'.
        domain: 'a' or 'b'. The set must have splits trainA, train_a or the like.

    Returns:
        The source.

    Raises:
        DataError: an unknown name, a split that the set does not have, or a set that needs TensorFlow once.
    """
    endings = (domain.upper(), "_" + domain, "_" + domain.upper(), domain)
    return _open(TfdsSource, config, [s + ending for s in _SPLIT_NAMES[split] for ending in endings])


def open_labelled_tfds(config: ConfigDict, split: str) -> LabelledTfdsSource:
    """Opens a split of a set with labels: a class, best named `label`, or a dict `attributes` of yes and no.

    Args:
        config: as for `open_tfds`.
        split: 'train', 'validation' or 'test'.

    Returns:
        The source.

    Raises:
        DataError: as for `open_tfds`, or a set without such labels.
    """
    return _open(LabelledTfdsSource, config, _SPLIT_NAMES[split])


def _open(source: type[TfdsSource], config: ConfigDict, wanted: Sequence[str]) -> Any:
    """Opens the first of the wanted splits that the set has."""
    name = config.data.name.removeprefix("tfds:")
    builder = _prepared(name, config.data.dir) or _prepare(name, config.data.dir)
    found = list(builder.info.splits)
    for candidate in wanted:
        if candidate in found:
            return source(builder, candidate, folders.decoding(config))
    names = " or ".join(wanted[:2])
    raise DataError(f"tfds:{name}: no split {names}; the set has: {', '.join(found)}")


def _label_key(builder: Any, features: Any) -> tuple[str, tuple[str, ...]]:
    """Returns which feature the labels are, and their names."""
    known = dict(builder.info.features.items())
    classes = [key for key, feature in known.items() if isinstance(feature, features.ClassLabel)]
    dicts = {key: feature for key, feature in known.items() if isinstance(feature, features.FeaturesDict)}
    flags = [key for key, feature in dicts.items() if _are_flags(feature)]
    if classes:
        key = "label" if "label" in classes else classes[0]
        return key, tuple(known[key].names)
    if flags:
        key = "attributes" if "attributes" in flags else flags[0]
        return key, tuple(known[key].keys())
    raise DataError(
        f"tfds:{builder.info.full_name}: no labels among its features {list(known)}; allowed: a class, or a dict of "
        "yes and no"
    )


def _are_flags(feature: Any) -> bool:
    return all(inner.np_dtype == np.bool_ and inner.shape == () for inner in feature.values())


def _prepared(name: str, data_dir: str) -> Any | None:
    """Returns a builder of what lies on disk; the code that made it need not be installed."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        builder = read_only_builder.builder_from_files(name, data_dir=data_dir or None)
    except tfds.core.DatasetNotFoundError:
        return None
    if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        found = getattr(builder.info.file_format, "value", "")
        raise DataError(
            f"{builder.data_dir}: prepared as {found}; allowed: array_record, so prepare it "
            f"once with TensorFlow installed ({_recipe(name)}), {_OTHERWISE}"
        )
    return builder


@functools.lru_cache
def _prepare(name: str, data_dir: str) -> Any:
    import tensorflow_datasets as tfds

    base, _, builder_config = name.partition("/")
    try:
        # TFDS prints a banner where it misses TensorFlow; our one line says what to do.
        with contextlib.redirect_stdout(io.StringIO()):
            builder = tfds.builder_cls(base)(
                data_dir=data_dir or None,
                config=builder_config or None,
                file_format="array_record",  # pyright: ignore[reportCallIssue] TFDS takes it
            )
            builder.download_and_prepare()
        return builder
    except tfds.core.DatasetNotFoundError as error:
        known = re.findall(r"^\s*- (\S+)$", str(error), re.MULTILINE)
        nearest = difflib.get_close_matches(base, known, n=1, cutoff=0)
        hint = f"; did you mean tfds:{nearest[0]}?" if nearest else ""
        raise DataError(f"tfds:{name}: TFDS knows no such set{hint}") from None
    except ImportError as error:
        raise DataError(
            f"tfds:{name}: needs {error.name} to be prepared; do that once where TensorFlow is installed "
            f"({_recipe(name)}), {_OTHERWISE}"
        ) from None
    except Exception as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise DataError(f"tfds:{name}: cannot be prepared: {reason[0]}; mend that, {_OTHERWISE}") from None


def _recipe(name: str) -> str:
    return f"tfds build {name} --file_format=array_record"


def _image_key(builder: Any, image_type: type) -> str:
    keys = [k for k, feature in builder.info.features.items() if isinstance(feature, image_type)]
    if not keys:
        raise DataError(f"tfds:{builder.info.full_name}: no image among its features {list(builder.info.features)}")
    return "image" if "image" in keys else keys[0]
