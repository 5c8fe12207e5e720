"""Tests of the drawn scenes, their TFDS builder and their source."""

import hashlib
import os
import pickle
import socket

import numpy as np
import pytest

from gan_ssl.data import embedded, scene_canvas, scene_drawing, scenes
from gan_ssl.errors import DataError

# Change these only together with `Scenes.VERSION`: they say that the bits are the same on every machine.
CHECKSUMS = {
    64: "048a5e8e24ffa73431b722abfb32168e6423754d7fe0fd41558867b264f964f6",
    128: "975ef295f9af5759bce92446273e88b1713b348b3aa0327121a4b10ced10d4fd",
    256: "e9b12c75f605e4d5d07090bb8d4bc827b18d09838f912ab22dba22962ad699fd",
}
# Shares of pixels by night and by day, in per cent, that the drawings aim at, in the order of the class names.
SHARES = {"a": (26, 24, 31, 14, 2, 1.3, 0.3, 1.5), "b": (35, 8, 30, 15, 7, 3.9, 0.8, 1.6)}


@pytest.fixture
def few(monkeypatch):
    """Scenes enough to test with."""
    monkeypatch.setattr(scenes, "EXAMPLES", {"train": 4, "validation": 2, "test": 2})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A directory with few scenes at 64, for tests that only read."""
    place = str(tmp_path_factory.mktemp("tfds"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(scenes, "EXAMPLES", {"train": 4, "validation": 2, "test": 2})
        scenes.open_scenes("train", "a", 64, place)
    return place


@pytest.fixture(scope="module")
def drawn():
    """100 scenes a domain."""
    return {d: [scene_drawing.draw_scene(0, "train", d, index, 64) for index in range(100)] for d in "ab"}


@pytest.mark.parametrize("size", scene_drawing.SIZES)
def test_bits_are_the_same_everywhere(size):
    digest = hashlib.sha256()
    for split, domain in (("train", "a"), ("train", "b"), ("test", "a"), ("validation", "b")):
        for index in range(4):
            scene = scene_drawing.draw_scene(0, split, domain, index, size)
            for part in ("image", "label", "truth"):
                digest.update(scene[part].tobytes())
    assert digest.hexdigest() == CHECKSUMS[size]


def test_scenes_differ_by_seed_split_domain_and_index():
    first = ("train", "a", 0)
    others = [(1, *first), (0, "test", "a", 0), (0, "train", "b", 0), (0, "train", "a", 1)]
    labels = {scene_drawing.draw_scene(*key, 64)["label"].tobytes() for key in [(0, *first), *others]}
    assert len(labels) == 5


@pytest.mark.parametrize("domain", "ab")
def test_a_scene_looks_alike_at_each_size(domain):
    small, large = (scene_drawing.draw_scene(0, "train", domain, 3, size) for size in (64, 256))
    assert np.mean(small["label"] == large["label"][1::4, 1::4]) > 0.95
    day = "truth" if domain == "a" else "image"
    shrunk = large[day].reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(shrunk - small[day]).mean() < 5


def test_shares_of_the_classes_differ_between_night_and_day_as_they_should(drawn):
    shares = {
        domain: np.bincount(np.concatenate([scene["label"].ravel() for scene in drawn[domain]]), minlength=8)
        for domain in "ab"
    }
    night, day = (100 * shares[domain] / shares[domain].sum() for domain in "ab")
    assert len(night) == len(scene_drawing.CLASS_NAMES) == len(scene_drawing.PALETTE)
    for measured, aim in ((night, SHARES["a"]), (day, SHARES["b"])):
        np.testing.assert_allclose(measured, aim, rtol=0.4, atol=0.4)
    more_by_day = [scene_drawing.CLASS_NAMES.index(name) for name in ("sky", "tree", "car", "pedestrian")]
    assert (day[more_by_day] > night[more_by_day]).all()
    assert night[1] > 2 * day[1]


def test_lights(drawn):
    for domain, night, day in (("a", "image", "truth"), ("b", "truth", "image")):
        dark, bright = (np.stack([scene[part] for scene in drawn[domain]]).astype(float) for part in (night, day))
        sky = np.stack([scene["label"] for scene in drawn[domain]]) == scene_drawing.SKY
        assert 0.2 < dark.mean() / bright.mean() < 0.5
        # Lamps shine into the sky here and there, so take the median.
        assert np.median(dark[sky]) < 25 and bright[sky].mean() > 150
        assert (bright[sky][:, 2] > bright[sky][:, 0]).mean() > 0.9


def test_noise_by_night():
    canvas = scene_canvas.Canvas(128)
    canvas.box(0, 0, 1024, 1024, (120, 120, 120), scene_drawing.ROAD)
    image = canvas.night(scene_canvas.Dice(0, 0), 512)
    assert image.std((0, 1)) / 255 == pytest.approx(0.025, abs=0.001)
    assert image.mean((0, 1)).argmax() == 2


def test_dice_are_within_bounds_and_even():
    dice = scene_canvas.Dice(3, 5)
    counts = np.bincount([dice.between(2, 5) for _ in range(2000)], minlength=6)
    assert counts[:2].sum() == 0 and counts[2:].min() > 420


def test_source(prepared):
    source = scenes.open_scenes("train", "b", 64, prepared)
    assert len(source) == 4 and source.class_names[-1] == "lamp" and source.num_classes == 8
    for index in range(4):
        scene = scene_drawing.draw_scene(scenes.SEED, "train", "b", index, 64)
        item = source[index]
        for part in scenes.PARTS:
            np.testing.assert_array_equal(item[part], scene[part])
            assert item[part].dtype == np.uint8
        assert item["name"] == f"train_b_{index:04d}"
    np.testing.assert_array_equal(source[np.int64(-1)]["image"], source[3]["image"])
    with pytest.raises(IndexError):
        source[4]
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[2]["truth"], source[2]["truth"])
    assert len(pickle.dumps(source)) < 1000
    assert set(scenes.open_scenes("train", "b", 64, prepared, ("image",))[0]) == {"image", "name"}


def test_fingerprint_differs_by_what_is_read(prepared):
    sources = [scenes.open_scenes(split, domain, 64, prepared) for split in ("train", "test") for domain in "ab"]
    assert len({source.fingerprint() for source in sources}) == 4
    assert sources[0].fingerprint() == scenes.open_scenes("train", "a", 64, prepared).fingerprint()


def test_default_directory_is_that_of_tfds(tmp_path, few, monkeypatch):
    monkeypatch.setattr(scenes.tfds.core.constants, "DATA_DIR", str(tmp_path))  # TFDS reads $TFDS_DATA_DIR once
    scenes.open_scenes("test", "a", 64)
    assert (tmp_path / "scenes" / "64" / str(scenes.Scenes.VERSION)).is_dir()


def test_needs_no_network(tmp_path, few, monkeypatch):
    def refuse(*args):
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert scenes.open_scenes("test", "a", 128, str(tmp_path))[1]["image"].shape == (128, 128, 3)


def test_draws_once(prepared, monkeypatch):
    monkeypatch.setattr(scene_drawing, "draw_scene", None)
    assert len(scenes.open_scenes("validation", "b", 64, prepared)) == 2


def test_another_process_prepares_meanwhile(tmp_path, few, monkeypatch):
    draw_scene, started = scene_drawing.draw_scene, []

    def draw(*args):
        if not started:  # the other one begins after us and ends before us
            started.append(True)
            embedded.make(scenes.Scenes, 64, str(tmp_path)).download_and_prepare(file_format="array_record")
        return draw_scene(*args)

    monkeypatch.setattr(scene_drawing, "draw_scene", draw)
    assert len(scenes.open_scenes("train", "a", 64, str(tmp_path))) == 4
    assert started and os.listdir(tmp_path / "scenes" / "64") == [str(scenes.Scenes.VERSION)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "a", 96), "data.image_size is 96; .* 64, 128, 256"),
        (("dev", "a", 64), "split is 'dev'; .* train, validation, test"),
        (("train", "c", 64), "domain is 'c'; .* a, b"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        scenes.open_scenes(*arguments, str(tmp_path))


def test_directory_that_cannot_be_written(tmp_path, few):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"data\.dir: the data set 'scenes' cannot be written to .*file"):
        scenes.open_scenes("train", "a", 64, str(tmp_path / "file"))


@pytest.mark.parametrize("damage", ["empty", "unreadable", "file missing"])
def test_incomplete_directory(tmp_path, few, damage):
    place = tmp_path / "scenes" / "64" / str(scenes.Scenes.VERSION)
    if damage == "empty":
        place.mkdir(parents=True)
    else:
        scenes.open_scenes("train", "a", 64, str(tmp_path))
        name = "dataset_info.json" if damage == "unreadable" else "scenes-test_b.array_record-00000-of-00001"
        (place / name).unlink()
        if damage == "unreadable":
            (place / name).write_text("{")
    with pytest.raises(DataError, match="incomplete data set 'scenes'; delete that directory"):
        scenes.open_scenes("train", "a", 64, str(tmp_path))
