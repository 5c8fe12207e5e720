"""Sets that TensorFlow Datasets knows by name, read without TensorFlow."""

import contextlib
import difflib
import functools
import hashlib
import io
import re
from typing import Any

from ml_collections import ConfigDict

from gan_ssl.data import images
from gan_ssl.errors import DataError

_OTHERWISE = "or use the set as folders (data.name='folder', with trainA, trainB, testA, testB)"


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
    name = config.data.name.removeprefix("tfds:")
    builder = _prepared(name, config.data.dir) or _prepare(name, config.data.dir)
    found = list(builder.info.splits)
    stems = ("validation", "val") if split == "validation" else (split,)
    wanted = [s + d for s in stems for d in (domain.upper(), "_" + domain, "_" + domain.upper(), domain)]
    for candidate in wanted:
        if candidate in found:
            decoding = {"max_pixels": config.data.max_pixels, "intensity_range": tuple(config.data.intensity_range)}
            return TfdsSource(builder, candidate, decoding)
    raise DataError(f"tfds:{name}: no split {wanted[0]} or {wanted[1]}; the set has: {', '.join(found)}")


def _prepared(name: str, data_dir: str) -> Any | None:
    """Returns a builder of what lies on disk; the code that made it need not be installed."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        builder = read_only_builder.builder_from_files(name, data_dir=data_dir or None)
    except tfds.core.DatasetNotFoundError:
        return None
    if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        raise DataError(
            f"{builder.data_dir}: prepared as {builder.info.file_format.value}; allowed: array_record, so prepare it "
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
                data_dir=data_dir or None, config=builder_config or None, file_format="array_record"
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
