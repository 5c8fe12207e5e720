"""Image files opened as far as their headers, so that what is too large is refused before it is decoded."""

import contextlib
import ctypes
import logging
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from gan_ssl.data.regular_files import open_regular
from gan_ssl.errors import DataError

PathOrFile = str | os.PathLike[str] | BinaryIO

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF")
_pillow_limit = threading.Lock()
# What is wrong with a file we say in one line with its name; Pillow and libtiff would print more, without the name.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
with contextlib.suppress(OSError, AttributeError):  # where libtiff is linked in, as on Windows, its symbols are hidden
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


@contextlib.contextmanager
def opened(file: PathOrFile, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """Opens an image that is not decoded yet; whatever Pillow raises then, or in the `with` block, becomes a DataError.

    Args:
        file: a path, or a binary file.
        name: what errors call it.
        max_pixels: more than that are refused by the header alone.

    Yields:
        The image, its header read.

    Raises:
        DataError: the file is missing, empty, damaged, of another format or too large; one line with the name.
    """
    try:
        is_path = isinstance(file, str | os.PathLike)
        with open_regular(file, name) if is_path else contextlib.nullcontext(file) as stream:
            _check_size(_webp_canvas(stream), name, max_pixels)
            with _open_without_limit(stream) as image:
                _check_size(image.size, name, max_pixels)
                yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise SyntaxError, struct.error and more on damaged files.
        raise DataError(f"{name}: {_reason(file, error)}") from None


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise DataError(
            f"{name}: {width}x{height} pixels; allowed: data.max_pixels = {max_pixels}, which may be raised"
        )


def _webp_canvas(stream: BinaryIO) -> tuple[int, int]:
    """Reads the size from the header of a WebP file, whose decoder takes memory for it at once; (0, 0) for others."""
    start = stream.tell()
    head = stream.read(30)
    stream.seek(start)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return 0, 0
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return bits % 2**14 + 1, (bits >> 14) % 2**14 + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width % 2**14, height % 2**14


def _open_without_limit(file: BinaryIO) -> Image.Image:
    """Reads the header. Our limit stands in for Pillow's, which is one global that warns or raises."""
    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _reason(file: PathOrFile, error: Exception) -> str:
    if isinstance(file, str | os.PathLike) and os.path.isfile(file) and not os.path.getsize(file):
        return "an empty file (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "no image by its content; allowed: PNG, JPEG, WebP, BMP, TIFF"
    return "damaged or truncated: " + " ".join(str(error).split())
