"""Arrays and files through a tiny generator."""

import gc
import os

import jax
import numpy as np
import pytest
from PIL import Image

from gan_ssl import data, errors, inference
from gan_ssl.inference import any_size
from gan_ssl.inference import translate_files as files
from gan_ssl.methods import op_gan
from gan_ssl.training import checkpoints
from tests import tiny

_BOTH = ("a2b", "b2a")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    config = tiny.config()
    state = jax.jit(lambda key: op_gan.create_state(key, config))(jax.random.key(0))
    path = str(tmp_path_factory.mktemp("run") / "workdir")
    params = {"generator": state.generator.params, "discriminator": state.discriminator.params}
    checkpoints.save_weights(path, config, params)
    return path


@pytest.fixture
def echo(workdir, monkeypatch):
    """A translator whose translation is its input."""
    config = tiny.config()
    monkeypatch.setattr(op_gan, "make_translate", lambda config: lambda params, images, direction: images + 0)
    translator = inference.Translator(checkpoints.Loaded(config, 0, {"generator": {d: np.zeros(1) for d in _BOTH}}))
    monkeypatch.setattr(inference, "load", lambda *args: translator)
    return translator


def _picture(height, width, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype=dtype)


def _open(path):
    with Image.open(path) as image:
        image.load()
    return image


def _translate(source, output, **kwargs):
    return files.translate_files("unused", str(source), str(output), **kwargs)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 16)])
def test_shapes_types_and_values(echo, dtype, size):
    picture = _picture(*size, dtype)
    out = echo.translate(picture)
    assert out.dtype == dtype and np.abs(out.astype(int) - picture.astype(int)).max() <= dtype().itemsize - 1
    grey = echo.translate(picture[..., 0])
    assert grey.shape == (*size, 3)
    listed = echo.translate([picture, picture[..., 0]])
    np.testing.assert_array_equal(listed[1], grey)
    assert echo.translate(np.stack([picture] * 3)).shape == (3, *size, 3)
    assert echo.translate(np.zeros((0, 4, 4, 3), np.uint8)).shape == (0, 4, 4, 3)


@pytest.mark.parametrize(
    "images",
    [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), [np.zeros((4, 4, 4), np.uint8)], np.zeros(3, np.uint8)],
)
def test_other_arrays_are_named(echo, images):
    with pytest.raises(errors.DataError, match="a picture has shape"):
        echo.translate(images)


@pytest.mark.parametrize("kwargs", [{"multiple": 6}, {"multiple": 0}, {"batch_size": 0}])
def test_bad_options_are_named(workdir, kwargs):
    with pytest.raises(errors.ConfigError, match=next(iter(kwargs))):
        inference.load(workdir, **kwargs)


def test_alone_twice_and_in_a_batch(workdir):
    single, batched = inference.load(workdir), inference.load(workdir, batch_size=4)
    images = np.stack([_picture(30, 22, seed=i) for i in range(4)])
    alone = single.translate(images[0])
    np.testing.assert_array_equal(alone, single.translate(images[0]))
    assert np.abs(alone.astype(int) - batched.translate(images)[0].astype(int)).max() <= 1
    np.testing.assert_array_equal(batched.translate(images[0]), batched.translate(images)[0])
    assert not np.array_equal(alone, single.translate(images[0], "b2a"))


def test_many_sizes_compile_few_programs_and_leave_nothing(workdir):
    translator = inference.load(workdir)
    images = [_picture(side, side) for side in range(33, 63)]
    live = []
    for _ in range(2):
        sizes = [x.shape[:2] for x in translator.translate(images)]
        assert sizes == [x.shape[:2] for x in images]
        gc.collect()
        live.append(len(jax.live_arrays()))
    assert translator.num_programs == 1 and live[0] == live[1]


def test_programs_are_bounded(echo, monkeypatch):
    monkeypatch.setattr(any_size, "_MOST_PROGRAMS", 2)
    for side in (10, 40, 80, 10):
        echo.translate(_picture(side, 8))
    assert len(echo._programs) == 2 and echo.num_programs == 4


def test_folder_keeps_tree_stems_and_sizes(echo, tmp_path):
    source, out = tmp_path / "in put", tmp_path / "out"
    (source / "Straße" / "夜").mkdir(parents=True)
    Image.fromarray(_picture(9, 12)).save(source / "x.png")
    Image.fromarray(_picture(20, 7)).save(source / "x.jpg")
    Image.fromarray(_picture(8, 8)).save(source / "Straße" / "夜" / "a.b c.BMP")
    (source / "notes.txt").write_text("no image")
    (tmp_path / "linked").mkdir()
    (source / "linked").symlink_to(tmp_path / "linked")
    written = _translate(source, out)
    found = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert found == sorted(["x.png", "x.jpg.png", "Straße/夜/a.b c.png"]) and len(written) == 3
    assert _open(out / "x.jpg.png").size == (7, 20)
    np.testing.assert_array_equal(np.asarray(_open(out / "x.png")), _picture(9, 12))


def test_exif_rotation_is_applied_once(echo, tmp_path):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = pixels[:, 20:, 2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "r.jpg", exif=exif, quality=95)
    (out,) = _translate(tmp_path / "r.jpg", tmp_path / "out")
    image = _open(out)
    assert image.size == (20, 40) and not image.getexif().get(0x0112)
    assert np.asarray(image)[5, 10].argmax() == 0 and np.asarray(image)[35, 10].argmax() == 2


def test_modes_come_back(echo, tmp_path):
    grey = _picture(8, 8)[..., 0]
    deep = (np.arange(64, dtype=np.uint16)[None] * 1024).repeat(64, axis=0)
    alpha = _picture(8, 8, seed=1)[..., 0]
    images = {
        "L": Image.fromarray(grey),
        "I;16": Image.fromarray(deep),
        "RGBA": Image.fromarray(np.dstack([_picture(8, 8), alpha])),
        "LA": Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]),
    }
    for mode, image in images.items():
        image.save(tmp_path / f"{mode}.png")
        (out,) = _translate(tmp_path / f"{mode}.png", tmp_path / "out")
        back = _open(out)
        assert back.mode == mode
        if mode == "I;16":
            assert np.abs(np.asarray(back).astype(int) - deep).max() <= 1
        if mode.endswith("A"):
            np.testing.assert_array_equal(np.asarray(back)[..., -1], alpha)


def test_sixteen_bits_return_in_the_units_of_the_file():
    decoded = data.Decoded(np.zeros((1, 2, 3), np.uint16), None, True)
    pixels = np.array([0, 65535], np.uint16).reshape(1, 2, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(np.asarray(files.as_input(pixels, decoded, (100, 1100))), [[100, 1100]])
    np.testing.assert_array_equal(np.asarray(files.as_input(pixels, decoded, (-5, 5))), [[0, 65535]])


def test_a_coloured_translation_of_grey_stays_coloured():
    decoded = data.Decoded(np.zeros((4, 4, 3), np.uint8), None, True)
    assert files.as_input(_picture(4, 4), decoded).mode == "RGB"


def test_unreadable_files_are_listed_and_the_rest_is_done(echo, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "bad.png").write_bytes(b"\x89PNG nothing")
    (source / "empty.jpg").touch()
    Image.fromarray(_picture(8, 8)).save(source / "good.png")
    with pytest.raises(errors.DataError, match="2 of 3 images were not translated; the first: .*bad.png"):
        _translate(source, out)
    assert os.listdir(out) == ["good.png"]


def test_output_inside_input_is_not_translated_again(echo, tmp_path):
    Image.fromarray(_picture(8, 8)).save(tmp_path / "x.png")
    for _ in range(2):
        assert [p.name for p in _translate(tmp_path, tmp_path / "out")] == ["x.png"]


def test_inputs_are_never_replaced(echo, tmp_path):
    inner = tmp_path / "inner" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        Image.fromarray(_picture(8, 8)).save(folder / "x.png")
    before = (inner / "x.png").read_bytes()
    for source, output, message in (
        (inner / "x.png", inner, "replace an input"),
        (inner, inner, "input itself"),
        (inner.parent, tmp_path, "replace an input"),
    ):
        with pytest.raises(errors.DataError, match=message):
            _translate(source, output)
    assert (inner / "x.png").read_bytes() == before and not (tmp_path / "x.png").exists()


def test_links_do_not_lead_out_of_the_output(echo, tmp_path):
    source, out, elsewhere = tmp_path / "in", tmp_path / "out", tmp_path / "elsewhere"
    (source / "sub").mkdir(parents=True)
    Image.fromarray(_picture(8, 8)).save(source / "sub" / "x.png")
    out.mkdir()
    elsewhere.mkdir()
    (out / "sub").symlink_to(elsewhere)
    with pytest.raises(errors.DataError, match="outside --output"):
        _translate(source, out)
    assert not os.listdir(elsewhere)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "a2c"}, "direction is 'a2c'; allowed: a2b, b2a"),
        ({"set": ["Smiling=1"]}, "--set is no option of op_gan; allowed: --direction"),
        ({"grid": True}, "--grid is no option"),
        ({"source": "missing"}, "no such file or folder"),
        ({"source": "empty"}, "no image in this folder"),
        ({"output": "file"}, "is a file"),
        ({"output": "file/below"}, "cannot be written|is a file"),
    ],
)
def test_bad_arguments_are_one_line(echo, tmp_path, change, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    Image.fromarray(_picture(8, 8)).save(tmp_path / "x.png")
    arguments = {"source": "x.png", "output": "out"} | change
    arguments |= {k: str(tmp_path / arguments[k]) for k in ("source", "output")}
    with pytest.raises(errors.DataError, match=message) as caught:
        files.translate_files("unused", **arguments)
    assert "\n" not in str(caught.value)


def test_missing_runs_are_named(tmp_path):
    for workdir in ("", str(tmp_path), str(tmp_path / "missing")):
        with pytest.raises(errors.CheckpointError):
            inference.load(workdir)


def test_a_read_only_run_translates(workdir, tmp_path):
    Image.fromarray(_picture(30, 22)).save(tmp_path / "x.png")
    listing = sorted(str(p) for p in os.scandir(workdir))
    os.chmod(workdir, 0o500)
    try:
        (out,) = files.translate_files(workdir, str(tmp_path / "x.png"), str(tmp_path / "out"), direction="b2a")
    finally:
        os.chmod(workdir, 0o700)
    expected = inference.load(workdir).translate(_picture(30, 22), "b2a")
    np.testing.assert_array_equal(np.asarray(_open(out)), expected)
    assert sorted(str(p) for p in os.scandir(workdir)) == listing
