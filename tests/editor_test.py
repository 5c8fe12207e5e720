"""Editing pictures of any size: labels, reading them, the launcher's options."""

import jax
import numpy as np
import pytest
from PIL import Image

from gan_ssl import errors, inference
from gan_ssl.config import validate
from gan_ssl.inference import editor as editors
from gan_ssl.inference import translate_files as files
from gan_ssl.methods import match_gan
from gan_ssl.training import checkpoints
from tests import tiny

NAMES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Smiling", "Eyeglasses")
BLACK, BROWN_SMILING = (1, 0, 0, 0, 0), (0, 0, 1, 1, 0)


def _params(config):
    """Random parameters of both networks."""
    state = jax.eval_shape(lambda key: match_gan.create_state(key, config), jax.random.key(0))
    rng = np.random.default_rng(0)
    draw = lambda leaf: rng.normal(0, 0.1, leaf.shape).astype(np.float32)
    return {player: jax.tree.map(draw, getattr(state, player).params) for player in ("generator", "discriminator")}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    config = validate(tiny.faces_config())
    path = str(tmp_path_factory.mktemp("run") / "workdir")
    checkpoints.save_weights(path, config, _params(config))
    return path


@pytest.fixture(scope="module")
def editor(workdir):
    return inference.load(workdir)


@pytest.fixture
def echo(monkeypatch):
    """An editor whose translation is its input, the green channel replaced by the labels as a number of two digits."""

    def translate(params, images, labels):
        digits = labels @ np.array([0, 10, 20, 1, 2], np.float32) / 127.5 - 1
        return images.at[..., 1].set(digits[:, None, None] * np.ones((1, *images.shape[1:3]), np.float32))

    monkeypatch.setattr(match_gan, "make_translate", lambda config: translate)
    config = validate(tiny.faces_config(data__center_crop=16, data__intensity_range=()))
    editor = inference.Editor(checkpoints.Loaded(config, 0, _params(config)))
    monkeypatch.setattr(inference, "load", lambda *args: editor)
    return editor


def _picture(height, width, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype=dtype)


def _digits(picture):
    assert np.ptp(picture[..., 1]) == 0
    return int(picture[0, 0, 1])


def _read_as(monkeypatch, editor, label):
    monkeypatch.setattr(editor, "read_labels", lambda images: np.tile(np.array(label, np.uint8), (len(images), 1)))


def test_the_run_says_what_loads_it(editor):
    assert isinstance(editor, inference.Editor)
    assert editor.label_space.attributes == NAMES and editor.step == 0


def test_labels_are_rows_or_one_for_all(echo):
    batch = np.stack([_picture(9, 12, seed=i) for i in range(3)])
    assert [_digits(x) for x in echo.translate(batch, BROWN_SMILING)] == [21] * 3
    assert [_digits(x) for x in echo.translate(batch, [BLACK, BROWN_SMILING, BLACK])] == [0, 21, 0]
    assert [_digits(x) for x in echo.translate(list(batch), np.array([BLACK] * 3, bool))] == [0] * 3
    assert _digits(echo.translate(batch[0], np.array(BROWN_SMILING, np.float32))) == 21
    assert echo.translate(batch[:0], BLACK).shape == (0, 9, 12, 3) and echo.translate([], BLACK) == []
    mixed = [_picture(9, 12), _picture(40, 7, np.uint16), _picture(9, 12)[..., 0]]
    made = echo.translate(mixed, [BLACK, BROWN_SMILING, BLACK])
    assert [(x.shape, x.dtype) for x in made] == [((9, 12, 3), "u1"), ((40, 7, 3), "u2"), ((9, 12, 3), "u1")]
    assert _digits(made[1]) == 21 * 257 and echo.num_programs == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((1, 1, 0, 0, 0), "Black_Hair and Blond_Hair .*exactly one"),
        ((0, 0, 0, 1, 0), "none of Black_Hair, Blond_Hair, Brown_Hair.*exactly one"),
        ((2, 0, 0, 0, 0), "allowed: 0 or 1"),
        ((0.5, 0, 0, 0, 0), "allowed: 0 or 1"),
        ((1, 0, 0), r"shape \(3,\); allowed: \(5,\) or \(2, 5\)"),
        ([BLACK] * 3, r"shape \(3, 5\)"),
    ],
)
def test_labels_that_no_picture_has_are_named(echo, labels, message):
    with pytest.raises(errors.DataError, match=message):
        echo.translate([_picture(8, 8)] * 2, labels)


def test_edits_keep_what_is_not_set(echo, monkeypatch):
    pictures = [_picture(8, 8), _picture(20, 8)]
    edit = lambda changes, labels: [_digits(x) for x in echo.edit(pictures, changes, labels)]
    assert edit({"Eyeglasses": 1}, [BLACK, BROWN_SMILING]) == [2, 23]
    assert edit({"Blond_Hair": 1, "Smiling": 0}, [BLACK, BROWN_SMILING]) == [10, 10]
    assert edit({}, BROWN_SMILING) == [21, 21]
    _read_as(monkeypatch, echo, BROWN_SMILING)
    assert edit({"Eyeglasses": 1}, None) == [23, 23]
    assert edit({"Black_Hair": 0}, None) == [21, 21]
    with pytest.raises(errors.DataError, match="Brown_Hair cleared.*another of Black_Hair, Blond_Hair, Brown_Hair"):
        edit({"Brown_Hair": 0}, None)


def test_edits_of_one_picture_have_captions(echo, monkeypatch):
    picture = _picture(8, 12)
    _read_as(monkeypatch, echo, BLACK)
    made = echo.edits(picture)
    np.testing.assert_array_equal(made.pop("input"), picture)
    assert list(made) == [*NAMES[:3], "Smiling flipped", "Eyeglasses flipped"]
    assert [_digits(x) for x in made.values()] == [0, 10, 20, 1, 2]
    made = echo.edits(picture, {"Smiling": 1}, BROWN_SMILING)
    assert [_digits(made[n]) for n in ("Blond_Hair", "Smiling flipped")] == [11, 20]


def test_labels_are_read_from_what_training_would_see(echo, monkeypatch):
    seen = []
    monkeypatch.setattr(echo, "_read_fn", lambda params, x: seen.append(x[0]) or np.array([BROWN_SMILING], np.float32))
    picture = _picture(40, 30)
    read = echo.read_labels([picture, picture[12:28, 7:23], picture[:10]])
    assert read.dtype == np.uint8 and read.tolist() == [list(BROWN_SMILING)] * 3
    assert all(x.shape == (16, 16, 3) and x.dtype == np.float32 and np.abs(x).max() <= 1 for x in seen)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert echo.read_labels(picture).shape == (1, 5) and echo.read_labels([]).shape == (0, 5)


def test_reading_agrees_with_the_head_and_with_batches(workdir, editor):
    images = np.stack([_picture(16, 16, seed=i) for i in range(5)])
    net = match_gan.create_networks(editor.config).discriminator
    logits = np.asarray(net.apply({"params": checkpoints.load(workdir).params["discriminator"]}, images / 127.5 - 1)[1])
    read = editor.read_labels(images)
    np.testing.assert_array_equal(read[:, :3], np.eye(3)[logits[:, :3].argmax(1)])
    np.testing.assert_array_equal(read[:, 3:], logits[:, 3:] > 0)
    np.testing.assert_array_equal(inference.load(workdir, batch_size=4).read_labels(images), read)


def test_alone_twice_and_in_a_batch(workdir, editor):
    batched = inference.load(workdir, batch_size=4)
    images, labels = np.stack([_picture(30, 22, seed=i) for i in range(4)]), [BLACK, BROWN_SMILING] * 2
    alone = editor.translate(images[0], BLACK)
    np.testing.assert_array_equal(alone, editor.translate(images[0], BLACK))
    assert np.abs(alone.astype(int) - batched.translate(images, labels)[0].astype(int)).max() <= 1
    assert not np.array_equal(alone, editor.translate(images[0], BROWN_SMILING))
    assert editor.num_programs == 1, "labels compile nothing"


def test_a_head_that_was_never_trained_is_not_read(workdir):
    loaded = checkpoints.load(workdir)
    loaded.params["discriminator"]["label"]["kernel"] = 0 * loaded.params["discriminator"]["label"]["kernel"]
    editor = inference.Editor(loaded)
    picture, everything = _picture(16, 16), {"Blond_Hair": 1, "Smiling": 0, "Eyeglasses": 1}
    with pytest.raises(errors.DataError, match="reads no labels.* set every attribute, Black_Hair"):
        editor.edit(picture, {"Blond_Hair": 1, "Smiling": 0})
    np.testing.assert_array_equal(editor.edit(picture, everything), editor.translate(picture, (0, 1, 0, 0, 1)))
    assert len(editor.edits(picture, everything)) == 6


def _launch(source, output, **options):
    return files.translate_files("unused", str(source), str(output), **options)


def test_set_keeps_the_look_of_the_files(echo, tmp_path, monkeypatch):
    _read_as(monkeypatch, echo, BLACK)
    alpha = _picture(8, 12)[..., 0]
    Image.fromarray(np.dstack([_picture(8, 12), alpha])).save(tmp_path / "x.png")
    (out,) = _launch(tmp_path / "x.png", tmp_path / "out", set=["Blond_Hair=1", "Smiling=1"], grid=None)
    with Image.open(out) as image:
        assert image.mode == "RGBA" and image.size == (12, 8) and _digits(np.asarray(image)) == 11
        np.testing.assert_array_equal(np.asarray(image)[..., 3], alpha)


def test_grids_have_all_edits_side_by_side(echo, tmp_path, monkeypatch):
    _read_as(monkeypatch, echo, BLACK)
    for name, mode in (("grey", "L"), ("colour", "RGBA")):
        Image.fromarray(_picture(32, 48)).convert(mode).save(tmp_path / f"{name}.png")
    written = _launch(tmp_path, tmp_path / "out", grid=True, set=["Smiling=1"])
    assert sorted(p.name for p in written) == ["colour.png", "grey.png"]
    for path in written:
        with Image.open(path) as image:
            assert image.mode == "RGB" and image.width > 6 * 96 and image.height < 2 * 96


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--set=NAME=0 or 1, or --grid.*Black_Hair, Blond_Hair"),
        ({"grid": False}, "--set=NAME=0 or 1, or --grid"),
        ({"set": ["Blond=1"]}, "'Blond'; did you mean 'Blond_Hair'"),
        ({"set": ["Smiling"]}, "--set is 'Smiling'; allowed: NAME=0 or NAME=1"),
        ({"set": ["Smiling=2"]}, "--set is 'Smiling=2'"),
        ({"set": ["Smiling=1", "Smiling=0"]}, "--set gives Smiling twice"),
        ({"set": ["Black_Hair=0"]}, "Black_Hair cleared.*another of Black_Hair, Blond_Hair, Brown_Hair"),
        ({"set": ["Black_Hair=1", "Blond_Hair=1"]}, "Black_Hair and Blond_Hair set together"),
        ({"direction": "a2b"}, "--direction is no option of match_gan; allowed: --set, --grid"),
    ],
)
def test_bad_options_are_one_line_before_anything_is_written(echo, tmp_path, options, message):
    Image.fromarray(_picture(8, 8)).save(tmp_path / "x.png")
    with pytest.raises(errors.DataError, match=message) as caught:
        _launch(tmp_path / "x.png", tmp_path / "out", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_changes_clear_a_member_where_another_is_set(echo):
    assert editors.parse_changes(["Black_Hair=0", "Blond_Hair=1"]) == {"Black_Hair": 0, "Blond_Hair": 1}
    echo.with_options(set=["Black_Hair=0", "Blond_Hair=1"])
