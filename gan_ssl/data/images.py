"""Image and label files in, arrays out. Files are read by their content, never by their extension."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from gan_ssl.data.image_headers import PathOrFile, opened
from gan_ssl.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 64 * 2**20
# What Pillow calls stored integers of more than 8 bits, with the full range of the type.
_FULL_RANGES = {
    "I;12": (0, 4095),
    "I;16": (0, 65535),
    "I;16B": (0, 65535),
    "I;16S": (-32768, 32767),
    "I;16BS": (-32768, 32767),
}
# Pillow stretches grey of 2 and 4 bits to 0..255; class indices need that undone.
_STRETCHED = {"L;2": 85, "L;4": 17}
# Rows that are computed at once take about this many pixels, so that a large image needs no large temporary arrays.
_BAND_PIXELS = 2**20


@dataclasses.dataclass(frozen=True)
class Decoded:
    """One image as the networks take it, and what output needs to look like its input again.

    Attributes:
        pixels: [height, width, 3] uint8, or uint16 where the file holds more than 8 bits.
        alpha: [height, width] uint8, or None where the file has none.
        grey: whether the file holds grey alone.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    grey: bool


def decode(
    file: PathOrFile,
    *,
    max_pixels: int = MAX_PIXELS,
    intensity_range: Sequence[float] = (),
    name: str | None = None,
) -> Decoded:
    """Decodes an image fully, as a viewer would show it.

    EXIF orientation is applied. Grey is repeated over three channels, palettes are expanded, CMYK and YCbCr become
    RGB (colour profiles are ignored), and transparent pixels are composited over white. Integers of 12 and 16 bits
    keep their precision in uint16; Pillow itself reduces 16-bit colour to 8 bits. Of several frames the first counts.

    Args:
        file: a path, or a binary file.
        max_pixels: more than that are refused before they are decoded.
        intensity_range: (low, high), the stored values of 16-bit, 32-bit and float images that become 0 and 65535.
            () is the full range of the type, which 32-bit and float images do not have.
        name: what errors call the image; the path by default.

    Returns:
        The image.

    Raises:
        DataError: the file is missing, empty, damaged, truncated, of another format, too large, or holds values outside
            the range; one line with the path.
    """
    name = str(file) if name is None else name
    with opened(file, name, max_pixels) as image:
        raw_mode = _raw_mode(image)
        _load(image)
        if image.mode.startswith("I") or image.mode == "F":
            grey = _to_uint16(np.asarray(image), raw_mode, intensity_range, name)
            return Decoded(_repeat(grey), None, True)
        return _from_8_bits(image, raw_mode)


def read_label(
    file: PathOrFile,
    *,
    num_classes: int | None = None,
    ignore_index: int = 255,
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads a map of class indices: 8-bit grey or palette, whose colours are ignored, in displayed orientation.

    With two classes, a map that holds 0 and 255 alone is a mask of 0 and 1. There 255 next to 1 is an error, because
    it could mean either class 1 or ignored.

    Args:
        file: a path, or a binary file.
        num_classes: classes that exist; None accepts every index.
        ignore_index: the value of pixels without a class.
        size: (height, width) of the image as displayed; None accepts any.
        max_pixels: more than that are refused before they are decoded.

    Returns:
        [height, width] uint8.

    Raises:
        DataError: the file cannot be read, is lossy or no 8-bit index map, has another size, or holds a value that is
            neither a class nor `ignore_index`; one line with the path and the value.
    """
    name = str(file)
    with opened(file, name, max_pixels) as image:
        if image.mode not in ("1", "L", "P") or image.format in ("JPEG", "MPO"):
            raise DataError(
                f"{name}: a label of mode {image.mode} ({image.format}); allowed: class indices in 8-bit grey or "
                "palette, saved without loss, as PNG"
            )
        stretched = _STRETCHED.get(_raw_mode(image), 1)
        _load(image)
        label = np.asarray(image).astype(np.uint8) // stretched
    if size is not None and label.shape != tuple(size):
        raise DataError(
            f"{name}: the label is {label.shape[1]}x{label.shape[0]} pixels and its image {size[1]}x{size[0]}; "
            "allowed: the same size"
        )
    return label if num_classes is None else _check_classes(label, num_classes, ignore_index, name)


def normalise(images: Any) -> Any:
    """Scales stored pixels to [-1, 1], on the host or the device; floats, which are there already, pass.

    Args:
        images: uint8, uint16 or float32, NumPy or JAX, of any shape.

    Returns:
        The same shape and kind in float32.
    """
    if np.issubdtype(images.dtype, np.floating):
        return images
    return images.astype(np.float32) / (np.iinfo(images.dtype).max / 2) - 1


def to_bits(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Returns uint8 or uint16 pixels with 8 or 16 bits: 255 and 65535 are the same white."""
    if bits == 8 and pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if bits == 16 and pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * 257
    return pixels


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes by bicubic interpolation, which averages where it shrinks.

    Args:
        pixels: [height, width, 3] uint8 or uint16.
        size: (height, width) wanted; the aspect may change.

    Returns:
        [*size, 3] of the same type.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    width_height = (size[1], size[0])
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).resize(width_height, Image.Resampling.BICUBIC))
    # Pillow resizes no 16-bit colour; the bicubic kernel overshoots at edges, hence the clip.
    channels = [Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(pixels.shape[-1])]
    resized = np.stack([np.asarray(c.resize(width_height, Image.Resampling.BICUBIC)) for c in channels], axis=-1)
    return np.clip(np.round(resized), 0, 65535).astype(np.uint16)


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a [height, width] uint8 map of class indices to (height, width), by the nearest pixel."""
    if label.shape == tuple(size):
        return label
    return np.asarray(Image.fromarray(label).resize((size[1], size[0]), Image.Resampling.NEAREST))


def _raw_mode(image: Image.Image) -> str:
    """The layout of the stored pixels, which Pillow knows until they are decoded."""
    tile = getattr(image, "tile", None)
    if not tile:
        return image.mode
    args = tile[0][3]
    return str(args if isinstance(args, str) else args[0] if args else image.mode)


def _load(image: Image.Image) -> None:
    image.load()
    # A damaged EXIF block says nothing about the pixels.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _repeat(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def _from_8_bits(image: Image.Image, raw_mode: str) -> Decoded:
    transparent = image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info
    array = np.asarray(image.convert("RGBA" if transparent else "RGB"))
    pixels, alpha = array[..., :3], None
    grey = image.mode in ("1", "L", "LA") or raw_mode.startswith("LA")
    if image.mode in ("P", "PA"):
        grey = bool((pixels == pixels[..., :1]).all())
    if transparent:
        alpha, pixels = array[..., 3], np.empty(array.shape[:2] + (3,), np.uint8)
        for rows in _bands(array.shape):
            weight = alpha[rows, :, None].astype(np.uint32)
            pixels[rows] = (array[rows, :, :3] * weight + 255 * (255 - weight) + 127) // 255
    return Decoded(pixels, alpha, grey)


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // shape[1])
    return (slice(top, top + rows) for top in range(0, shape[0], rows))


def _to_uint16(values: np.ndarray, raw_mode: str, intensity_range: Sequence[float], name: str) -> np.ndarray:
    limits = intensity_range or _FULL_RANGES.get(raw_mode)
    if limits is None:
        raise DataError(
            f"{name}: {raw_mode} pixels from {values.min()} to {values.max()} have no full range; "
            "set data.intensity_range = (low, high)"
        )
    low, high = limits
    if not (values.min() >= low and values.max() <= high):  # NaN fails too.
        raise DataError(
            f"{name}: values from {values.min()} to {values.max()}; allowed: data.intensity_range = ({low}, {high})"
        )
    if (low, high) == (0, 65535) and values.dtype == np.uint16:
        return values
    scaled = np.empty(values.shape, np.uint16)
    for rows in _bands(values.shape):
        scaled[rows] = np.round((values[rows].astype(np.float64) - low) * (65535 / (high - low)))
    return scaled


def _check_classes(label: np.ndarray, num_classes: int, ignore_index: int, name: str) -> np.ndarray:
    values = set(np.unique(label).tolist())
    if num_classes == 2:
        values -= {ignore_index} - {255}
        if values <= {0, 255}:
            return np.where(label == 255, 1, label).astype(np.uint8)
        if 255 in values and values <= {0, 1, 255}:
            raise DataError(f"{name}: values 1 and 255 in a label of two classes; allowed: 0 and 1, or 0 and 255")
    else:
        values -= {ignore_index}
    strange = sorted(v for v in values if v >= num_classes)
    if strange:
        raise DataError(
            f"{name}: value {strange[0]} in a label of {num_classes} classes; allowed: 0 to {num_classes - 1} and "
            f"data.ignore_index = {ignore_index}"
        )
    return label
