"""What the embedded data sets share: TFDS builders that draw their examples, and the directory that these lie in."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds
from absl import logging
from google.protobuf import json_format

from gan_ssl.errors import DataError

# One thread at a time prepares or opens: TFDS's bars and the log's level belong to the whole process.
_lock = threading.RLock()


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set that is drawn rather than downloaded; its configs are named by the side in pixels.

    It yields PIL images, since TFDS needs TensorFlow to encode arrays as images.
    """

    # Where TFDS would look for checksums: there are none, and looking needs a package that it does not depend on.
    code_path = None

    def _log_download_bytes(self) -> None:
        """Nothing is downloaded, and `prepare` says what happens."""

    def _log_download_done(self) -> None:
        """As above."""


def configs(sizes: Sequence[int]) -> list[tfds.core.BuilderConfig]:
    """Returns a builder config a size."""
    return [tfds.core.BuilderConfig(name=str(size), description=f"{size}x{size} pixels.") for size in sizes]


def check(builder: type[Builder], *choices: tuple[str, Any, Sequence]) -> None:
    """Checks what somebody wants of a data set.

    Args:
      builder: of the data set.
      *choices: (name, value, allowed values) each.

    Raises:
      DataError: where a value is not among the allowed ones.
    """
    for name, value, allowed in choices:
        if value not in allowed:
            raise DataError(f"{name} is {value!r}; the data set '{builder.name}' has {', '.join(map(str, allowed))}")


def prepare(builder: type[Builder], size: int, data_dir: str, splits: Sequence[str]) -> None:
    """Draws and stores the examples of a size, unless they are there.

    TFDS writes to a directory of its own and renames it at the end. Of two processes that prepare at once the second
    therefore fails to rename, finds the first one's complete directory and uses that.

    Args:
      builder: of the data set.
      size: the side in pixels.
      data_dir: the TFDS directory; '' is $TFDS_DATA_DIR or ~/tensorflow_datasets.
      splits: the names of all splits, as stored.

    Raises:
      DataError: where the directory cannot be written, or what lies there is incomplete.
    """
    with _lock:
        made, failure = make(builder, size, data_dir), ""
        place = made.data_dir
        if not os.path.exists(place):
            logging.info("Drawing the data set '%s' at %dx%d into %s (once)", builder.name, size, size, place)
            started = time.monotonic()
            try:
                with _quiet():
                    made.download_and_prepare(file_format="array_record")
                logging.info("Drew the data set '%s' in %.0f s", builder.name, time.monotonic() - started)
            except OSError as error:
                failure = error.strerror or str(error)
        if not _is_complete(builder, size, data_dir, splits):
            if failure:
                raise DataError(f"data.dir: the data set '{builder.name}' cannot be written to {place}: {failure}")
            raise DataError(_incomplete(builder, place))


def records(
    builder: type[Builder], size: int, data_dir: str, split: str, undecoded: Sequence[str]
) -> Sequence[dict[str, Any]]:
    """Opens a prepared split for random access; the features in `undecoded` stay the bytes of a file."""
    skip = {feature: tfds.decode.SkipDecoding() for feature in undecoded}
    made = make(builder, size, data_dir)
    with _quiet():
        return made.as_data_source(split, decoders=skip)  # pyright: ignore[reportCallIssue] behind a decorator


def make(builder: type[Builder], size: int, data_dir: str) -> Builder:
    """Returns a builder of one size.

    Raises:
      DataError: where a description lies on disk that cannot be read.
    """
    try:
        with _quiet():
            return builder(config=str(size), data_dir=data_dir or None)
    except (OSError, ValueError, json_format.ParseError) as error:
        raise DataError(_incomplete(builder, os.path.join(data_dir, builder.name, str(size)))) from error


def _incomplete(builder: type[Builder], place: str) -> str:
    return f"data.dir: {place} holds an incomplete data set '{builder.name}'; delete that directory"


def _is_complete(builder: type[Builder], size: int, data_dir: str, splits: Sequence[str]) -> bool:
    """Whether the description and every file that it tells of are there."""
    found = make(builder, size, data_dir).info.splits
    return all(name in found and all(map(os.path.exists, found[name].filepaths)) for name in splits)


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
