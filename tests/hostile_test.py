"""Files that mean harm, or that nobody thought of: traps, bombs, pipes, odd names and tables."""

import ast
import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest

from gan_ssl import errors, plots
from gan_ssl.data import attribute_files, folders, images, label_space, regular_files
from gan_ssl.interop import weight_files
from tests import hostile
from tests.conftest import ROOT
from tests.hostile import no_test_hangs  # noqa: F401  used by itself

_SOURCES = sorted([*(ROOT / "gan_ssl").rglob("*.py"), *(ROOT / "launch").glob("*.py")])


# Every error type in one place; nothing that runs what a file brings.


def test_errors_are_defined_in_one_place():
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and path.name != "errors.py":
                bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                assert not [b for b in bases if b.endswith(("Error", "Exception", "Warning", "Interrupted"))], path
    for kind in vars(errors).values():
        if isinstance(kind, type):
            assert issubclass(kind, errors.GanSslError) and kind.exit_code in (2, 75) and kind.__doc__


def test_nothing_unpickles():
    for path in _SOURCES:
        for call in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)):
            name, given = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert not name.startswith(("pickle.load", "dill.", "joblib.", "yaml.", "marshal.", "shelve.")), path
            assert name not in ("eval", "exec", "os.system", "np.loadtxt"), path
            if name == "torch.load":
                assert given["weights_only"] == "True", path
            if name.endswith((".read_array", "np.load")):
                assert given["allow_pickle"] == "False", path


# Bombs: refused by what their headers say.


def _png(width, height, *chunks):
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*c) for c in chunks) + chunk(b"IEND", b"")


def _webp(kind, body):
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


def _tiff(width, height):
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 9)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    return b"II*\0" + struct.pack("<I", 8) + ifd + b"\0" * 4


def _bmp(width, height):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 1, 1, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


_HUGE = {
    "png": _png(2**31 - 1, 2**31 - 1, (b"IDAT", zlib.compress(b"\0"))),
    "tiff": _tiff(2**31, 2**31),
    "bmp": _bmp(2**30, 2**30),
    "webp VP8X": _webp(b"VP8X", b"\x02\0\0\0" + b"\xff\xff\xff" + b"\xfe\0\0" + b"\0" * 20),
    "webp VP8L": _webp(b"VP8L", b"\x2f" + struct.pack("<I", 16383 | 16383 << 14) + b"\0" * 20),
    "webp VP8": _webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383) + b"\0" * 20),
    "jpeg": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03\x11\0\xff\xda\0\x0c\x03"
    + b"\0" * 64,
}


@pytest.mark.parametrize("form", sorted(_HUGE))
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch, form):
    def too_late(*args, **kwargs):
        raise AssertionError("the decoder is made")

    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", too_late)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", too_late)
    path = tmp_path / "x.png"
    path.write_bytes(_HUGE[form])
    for read in (images.decode, images.read_label):
        hostile.refused(lambda read=read: read(path), path, "data.max_pixels")


def test_text_and_profiles_of_a_png_do_not_unpack_to_gigabytes(tmp_path):
    bomb = zlib.compress(bytes(2**26), 9)
    for kind in (b"zTXt", b"iTXt", b"iCCP"):
        body = b"x\0" + {b"iTXt": b"\1\0\0\0"}.get(kind, b"\0") + bomb
        path = tmp_path / "x.png"
        path.write_bytes(_png(1, 1, (kind, body), (b"IDAT", zlib.compress(b"\0\1\2\3"))))
        try:  # Pillow leaves out what is too large, or refuses the file
            assert images.decode(path).pixels.tolist() == [[[1, 2, 3]]]
        except errors.DataError as error:
            assert str(path) in str(error)


def test_a_large_image_needs_no_large_temporary_arrays(monkeypatch, tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (37, 11, 4), dtype=np.uint8)
    deep = rgba[..., 0].astype(np.float32)
    paths = hostile.save(tmp_path / "x.png", rgba), hostile.save(tmp_path / "y.tif", deep)
    whole = [images.decode(path, intensity_range=(0, 300)).pixels for path in paths]
    monkeypatch.setattr(images, "_BAND_PIXELS", 50)
    for path, pixels in zip(paths, whole, strict=True):
        np.testing.assert_array_equal(images.decode(path, intensity_range=(0, 300)).pixels, pixels)


def test_arrays_that_declare_more_than_they_have(tmp_path):
    def npz(shape, body=b""):
        npy, path = io.BytesIO(), tmp_path / "x.npz"
        np.lib.format.write_array_header_1_0(npy, {"descr": "<f4", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", npy.getvalue() + body)
        return path

    for shape in ((2**40,), (2**20, 2**20), (0, 2**62), (2**62, 4)):
        path = npz(shape, b"1234")
        hostile.refused(lambda path=path: weight_files.read(path), path, "w has 4 bytes", kind=errors.WeightsError)
    np.testing.assert_array_equal(weight_files.read(npz((1,), b"\0\0\0\0"))["w"], [0])
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 2**40) + b'{"x":1}')
    hostile.refused(lambda: weight_files.read(path), path, kind=errors.WeightsError)


# What is no file, and what has odd names.


def test_pipes_devices_and_odd_names_are_named(tmp_path, caplog):
    names = hostile.odd_entries(tmp_path / "in")
    hostile.save(tmp_path / "in" / "folder.png" / "good.png")
    (tmp_path / "in" / "hollow.png").mkdir()
    listed = folders.list_images(tmp_path / "in")
    assert "folder.png/good.png" in listed and len(listed) == len(names) + 1
    decoding = {"max_pixels": 2**20, "intensity_range": ()}
    check = lambda: folders.verify(str(tmp_path / "in"), listed, decoding, False)
    hostile.refused(check, "broken.png: no such file", "and 6 more", "circle.png, device.png, empty.png")
    with caplog.at_level("WARNING"):
        assert folders.verify(str(tmp_path / "in"), listed, {**decoding, "max_pixels": 99}, True)
    said = [record.getMessage() for record in caplog.records]
    assert all(line.isprintable() for line in said)
    for name in names:
        assert any(f"{name}.png: " in line for line in said), (name, said)


def test_every_reader_refuses_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    readers = [images.decode, images.read_label, attribute_files.read_list, attribute_files.read_csv]
    readers += [attribute_files.read_partition, attribute_files.read_table, folders.file_digest]
    for name, why in (("pipe", "a pipe"), ("device", "a pipe or a device"), ("folder", "a folder"), ("no", "o such")):
        for read in readers:
            hostile.refused(lambda read=read, name=name: read(str(tmp_path / name)), tmp_path / name, why)
    for name in ("nul\0.png", "lone\ud800.png"):
        for read in readers:
            hostile.refused(lambda read=read, name=name: read(str(tmp_path / name)), "no name of a file")
    for name in ("pipe", "device", "folder"):
        (tmp_path / f"{name}.npz").symlink_to(name)
        path = tmp_path / f"{name}.npz"
        hostile.refused(lambda path=path: weight_files.read(path), path, kind=errors.WeightsError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path):
    path = hostile.save(tmp_path / "in" / "x.png")
    path.chmod(0)
    hostile.refused(lambda: images.decode(path), path, "ermission denied")
    (tmp_path / "in").chmod(0)
    try:
        hostile.refused(lambda: folders.list_images(tmp_path / "in"), tmp_path / "in", "ermission denied")
    finally:
        (tmp_path / "in").chmod(0o700)


def test_what_becomes_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.touch()
    before = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(regular_files.os, "stat", lambda path: before)
    with regular_files.open_regular(path) as file:
        assert file.read() == b""


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "file,é\n1.png,1\n".encode("latin-1"), "is not UTF-8"),
        ("a.csv", "file,a\n1.png,1\n".encode("utf-16"), "is not UTF-8"),
        ("a.csv", b"file,a\n1.png," + b"1" * 10**7, "a.csv:2: field larger than"),
        ("a.csv", b'file,a\n"' + b"x,1\n" * 10**6, "a.csv:"),
        ("a.csv", b"file,a\n1.png," + b"7" * 10**5, "allowed: -1 and 1, or 0 and 1"),
        ("a.csv", b"file,a\0b\n1.png,1\n", "'a\\x00b' that cannot be printed"),
        ("a.csv", b'file,"a\nb"\n1.png,1\n', "'a\\nb' that cannot be printed"),
        ("a.csv", b'file,a\n"1\n\x1b[2J.png",1\n"1\n\x1b[2J.png",1\n', "1\\n\\x1b[2J.png again"),
        ("a.txt", b"9" * 5000 + b"\na b\n1.jpg 0 1\n", "the first line says 999999999999999999"),
        ("a.txt", "٣\na b\n1.jpg 0 1\n".encode(), "the first line says ٣ images, 1 are listed"),
        ("a.txt", " ".join(map(str, range(2 * 10**5))).encode() + b" 7", "attribute '7' twice"),
        ("a.txt", b"a b\n1.jpg 0 nan\n", "'nan'; allowed"),
        ("a.txt", b"", "no line with the names"),
    ],
)
def test_tables_that_nobody_meant(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    hostile.refused(lambda: attribute_files.read_table(str(path)), path, says)


def test_a_name_in_a_caption_is_one_line():
    hostile.refused(lambda: label_space.LabelSpace(("a\nb",)), "'a\\nb' cannot be printed")
    assert plots.image_grid({"夜 é": hostile.PICTURE[None]}).size
