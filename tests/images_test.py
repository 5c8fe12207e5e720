"""Tests of gan_ssl.data.images: pixel values of every mode, and one line for every bad file."""

import io
import struct
import threading
import zlib

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image

from gan_ssl.data import images
from gan_ssl.errors import DataError

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
GREY = RGB[..., 0]


def save(path, image, **kwargs):
    """Saves an array or PIL image, by the format given or the extension."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path, **kwargs)
    return path


def png(rows, width, bits, color_type):
    """A PNG of raw rows, for what Pillow cannot write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, color_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b""))


def one_line(error, *parts):
    """Asserts that an error is one line that holds the parts."""
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_keep_colour(tmp_path, extension):
    path = save(tmp_path / f"x.{extension}", RGB, **({"lossless": True} if extension == "webp" else {}))
    decoded = images.decode(path)
    np.testing.assert_array_equal(decoded.pixels, RGB)
    assert decoded.pixels.dtype == np.uint8 and decoded.alpha is None and not decoded.grey


def test_jpeg_is_near(tmp_path):
    decoded = images.decode(save(tmp_path / "x.JPG", np.full((16, 16, 3), (200, 30, 90), np.uint8), quality=95))
    assert np.abs(decoded.pixels.astype(int) - (200, 30, 90)).max() <= 3


@pytest.mark.parametrize("extension", ["png", "tif", "bmp"])
def test_grey_repeats(tmp_path, extension):
    decoded = images.decode(save(tmp_path / f"x.{extension}", GREY))
    np.testing.assert_array_equal(decoded.pixels, np.stack([GREY] * 3, -1))
    assert decoded.grey


def test_one_bit_is_black_and_white(tmp_path):
    decoded = images.decode(save(tmp_path / "x.png", Image.fromarray(GREY > 60)))
    np.testing.assert_array_equal(decoded.pixels[..., 1], np.where(GREY > 60, 255, 0))
    assert decoded.grey


def test_palette_expands_and_grey_palette_is_grey(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    decoded = images.decode(save(tmp_path / "x.png", image))
    np.testing.assert_array_equal(decoded.pixels[0], [[10, 20, 30], [40, 50, 60]])
    assert not decoded.grey
    image.putpalette([7, 7, 7, 8, 8, 8, 9, 9, 9])
    assert images.decode(save(tmp_path / "y.png", image)).grey


def test_palette_with_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    decoded = images.decode(save(tmp_path / "x.png", image, transparency=b"\0\xff"))
    np.testing.assert_array_equal(decoded.pixels[0], [[255, 255, 255], [40, 50, 60]])
    np.testing.assert_array_equal(decoded.alpha, [[0, 255]])


def test_alpha_composites_over_white(tmp_path):
    rgba = np.array([[[100, 0, 200, 255], [100, 0, 200, 0], [100, 0, 200, 51]]], np.uint8)
    decoded = images.decode(save(tmp_path / "x.png", rgba))
    np.testing.assert_array_equal(decoded.pixels[0], [[100, 0, 200], [255, 255, 255], [224, 204, 244]])
    np.testing.assert_array_equal(decoded.alpha, rgba[..., 3])
    assert not decoded.grey


def test_grey_alpha_is_grey(tmp_path):
    decoded = images.decode(save(tmp_path / "x.png", Image.fromarray(RGB[..., :2])))
    assert decoded.grey and (decoded.pixels == decoded.pixels[..., :1]).all()
    np.testing.assert_array_equal(decoded.alpha, RGB[..., 1])


@pytest.mark.parametrize("extension", ["tif", "jpg"])
def test_cmyk_becomes_rgb(tmp_path, extension):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    decoded = images.decode(save(tmp_path / f"x.{extension}", image))
    assert np.abs(decoded.pixels.astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_16_bits_keep_their_precision(tmp_path, extension):
    columns = np.tile((np.arange(64) * 1024).astype(np.uint16), (64, 1))
    decoded = images.decode(save(tmp_path / f"x.{extension}", columns))
    assert decoded.pixels.dtype == np.uint16 and decoded.grey
    values = images.normalise(decoded.pixels)
    assert values.min() == -1.0
    assert round(float(values.max()), 4) == 0.9688
    assert len(np.unique(values)) == 64
    np.testing.assert_allclose(images.normalise(jnp.asarray(decoded.pixels)), values, atol=1e-7)


def test_16_bit_colour_is_reduced_by_pillow():
    decoded = images.decode(png([b"\x12\x34" * 9] * 2, 3, 16, 2), name="x.png")
    np.testing.assert_array_equal(decoded.pixels, np.full((2, 3, 3), 0x12))
    assert images.decode(png([b"\x12\x34" * 6] * 2, 3, 16, 4), name="x.png").grey


def test_intensity_range_scales_and_never_clips(tmp_path):
    path = save(tmp_path / "x.png", np.array([[100, 600, 1100]], np.uint16))
    np.testing.assert_array_equal(images.decode(path, intensity_range=(100, 1100)).pixels[..., 0], [[0, 32768, 65535]])
    with pytest.raises(DataError) as error:
        images.decode(path, intensity_range=(0, 1000))
    one_line(error, path, 1100, "data.intensity_range")


def test_float_needs_a_range(tmp_path):
    path = save(tmp_path / "x.tif", np.array([[-1.0, 0.0, 1.0]], np.float32))
    with pytest.raises(DataError) as error:
        images.decode(path)
    one_line(error, path, "data.intensity_range")
    np.testing.assert_array_equal(images.decode(path, intensity_range=(-1, 1)).pixels[..., 2], [[0, 32768, 65535]])
    save(path, np.array([[np.nan, 0.0]], np.float32))
    with pytest.raises(DataError, match="nan"):
        images.decode(path, intensity_range=(-1, 1))


def test_32_bit_integers_need_a_range(tmp_path):
    path = save(tmp_path / "x.tif", np.array([[-1000, 3000]], np.int32))
    with pytest.raises(DataError, match="intensity_range"):
        images.decode(path)
    np.testing.assert_array_equal(images.decode(path, intensity_range=(-1000, 3000)).pixels[..., 0], [[0, 65535]])


def test_exif_orientation_of_image_and_label(tmp_path):
    array = np.zeros((20, 40, 3), np.uint8)
    array[:, :20, 0], array[:, 20:, 2] = 255, 255
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("x.jpg", "x.tif", "x.png", "x.webp"):
        pixels = images.decode(save(tmp_path / name, array, exif=exif)).pixels
        assert pixels.shape == (40, 20, 3)
        assert pixels[:18, :, 0].min() > 200 and pixels[22:, :, 2].min() > 200
    mask = np.repeat(np.array([1, 0], np.uint8), 20)[:, None].repeat(20, 1)
    label = images.read_label(save(tmp_path / "label.png", mask), num_classes=2, size=(40, 20))
    np.testing.assert_array_equal(label[:18], pixels[:18, :, 0] > 200)


def test_damaged_exif_is_no_reason_to_refuse(tmp_path):
    path = save(tmp_path / "x.png", RGB, exif=b"Exif\0\0MM\0*\0\0")
    np.testing.assert_array_equal(images.decode(path).pixels, RGB)


def test_content_decides_not_extension(tmp_path):
    a, b = save(tmp_path / "a.jpg", RGB, format="PNG"), save(tmp_path / "b.jpeg", RGB, format="WEBP", lossless=True)
    np.testing.assert_array_equal(images.decode(a).pixels, RGB)
    np.testing.assert_array_equal(images.decode(b).pixels, RGB)


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "bmp", "tif"])
def test_truncated_is_an_error_never_black(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"x.{extension}", noise)
    for share in (0.6, 0.95):
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(DataError) as error:
            images.decode(path)
        one_line(error, path)


def test_other_bad_files(tmp_path):
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.png"
    empty.touch()
    text.write_text("no image")
    for path, why in ((empty, "0 bytes"), (text, "PNG, JPEG"), (tmp_path / "no.png", "no such file"), (tmp_path, "")):
        with pytest.raises(DataError) as error:
            images.decode(path)
        one_line(error, path, why)


def test_huge_image_is_refused_from_its_header(tmp_path):
    path = save(tmp_path / "huge.png", Image.new("1", (16000, 12000)))
    limit = Image.MAX_IMAGE_PIXELS
    for read in (images.decode, images.read_label):
        with pytest.raises(DataError) as error:
            read(path)
        one_line(error, path, "16000x12000", "data.max_pixels")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_our_limit_stands_in_for_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    path, results = save(tmp_path / "x.png", RGB), []
    threads = [threading.Thread(target=lambda: results.append(images.decode(path, max_pixels=24))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and Image.MAX_IMAGE_PIXELS == 4


def test_label_of_palette_and_few_bits_keeps_indices(tmp_path):
    index = np.array([[0, 1, 2], [3, 2, 1]], np.uint8)
    palette = Image.fromarray(index).convert("P")
    palette.putpalette([128, 0, 0, 9, 9, 9, 0, 0, 128, 1, 2, 3])
    np.testing.assert_array_equal(images.read_label(save(tmp_path / "p.png", palette), num_classes=4), index)
    np.testing.assert_array_equal(images.read_label(save(tmp_path / "l.png", index), num_classes=4), index)
    np.testing.assert_array_equal(images.read_label(save(tmp_path / "b.png", Image.fromarray(index > 1))), index > 1)
    np.testing.assert_array_equal(images.read_label(png([b"\x3b"], 2, 4, 0), num_classes=12), [[3, 11]])


@pytest.mark.parametrize("masks", [(0, 1), (0, 255)])
def test_binary_masks_are_0_1(tmp_path, masks):
    square = np.zeros((4, 4), np.uint8)
    square[1:3, 1:3] = 1
    path = save(tmp_path / "m.png", np.array(masks, np.uint8)[square])
    np.testing.assert_array_equal(images.read_label(path, num_classes=2), square)


@pytest.mark.parametrize(
    "values,classes,ignore,named",
    [((0, 255, 7), 2, 255, 7), ((0, 1, 255), 2, 255, 255), ((0, 1, 2), 2, 9, 2), ((0, 11, 12), 11, 11, 12)],
)
def test_strange_class_is_named(tmp_path, values, classes, ignore, named):
    path = save(tmp_path / "m.png", np.array([values], np.uint8))
    with pytest.raises(DataError) as error:
        images.read_label(path, num_classes=classes, ignore_index=ignore)
    one_line(error, path, named)


def test_ignored_pixels_stay(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 9, 255]], np.uint8))
    np.testing.assert_array_equal(images.read_label(path, num_classes=2, ignore_index=9), [[0, 9, 1]])
    path = save(tmp_path / "m.png", np.array([[0, 2, 255]], np.uint8))
    np.testing.assert_array_equal(images.read_label(path, num_classes=3), [[0, 2, 255]])


def test_label_must_fit(tmp_path):
    label = save(tmp_path / "m.png", GREY)
    with pytest.raises(DataError) as error:
        images.read_label(label, size=(6, 4))
    one_line(error, label, "6x4", "4x6")
    for path in (
        save(tmp_path / "rgb.png", RGB),
        save(tmp_path / "deep.png", GREY.astype(np.uint16)),
        save(tmp_path / "lossy.png", GREY, format="JPEG"),
    ):
        with pytest.raises(DataError) as error:
            images.read_label(path)
        one_line(error, path, "class indices")


@settings(max_examples=30, deadline=None)
@given(st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_depths_are_inverse(pixels):
    deep = images.to_bits(pixels, 16)
    assert deep.dtype == np.uint16
    np.testing.assert_array_equal(images.to_bits(deep, 8), pixels)
    np.testing.assert_allclose(images.normalise(deep), images.normalise(pixels), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 255))
def test_resize_keeps_constants(height, width, dtype, value):
    pixels = np.full((7, 11, 3), value, dtype)
    resized = images.resize(pixels, (height, width))
    assert resized.shape == (height, width, 3) and resized.dtype == dtype
    np.testing.assert_array_equal(resized, value)


def test_resize_averages_and_labels_do_not():
    board = (np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)
    assert np.abs(images.resize(np.stack([board] * 3, -1), (4, 4)).astype(int) - 127).max() <= 2
    assert set(np.unique(images.resize_label(board, (5, 7)))) <= {0, 255}
    deep = images.resize(np.stack([board.astype(np.uint16) * 257] * 3, -1), (32, 32))
    assert deep.min() == 0 and deep.max() == 65535  # the kernel's overshoot does not wrap round
