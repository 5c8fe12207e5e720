"""Tests of the drawn portraits, their TFDS builder and their source."""

import hashlib
import itertools
import pickle
import socket

import numpy as np
import pytest

from gan_ssl.data import face_drawing, faces
from gan_ssl.data.face_drawing import draw_face, draw_labels
from gan_ssl.errors import DataError

# Change these only together with `Faces.VERSION`: they say that the bits are the same on every machine.
CHECKSUMS = {
    32: "cdb0094eb013562a2fb38da5c6d20c6ea134d015b8654deb9689319133efdd99",
    64: "b655dd38dfac98fcc72815a972a2b0c7be59647a7711ddcae4f9f143b841b2c6",
    128: "b2ee830ced3caba9c90ddae8f9282348f402cd49b7a314428896dcf87f1dd2b8",
}
FEW = {"train": 5, "validation": 2, "test": 2}
BROWN = (0, 0, 1, 0, 0)
EDITS = {"hair": (1, 0, 0, 0, 0), "smile": (0, 0, 1, 1, 0), "glasses": (0, 0, 1, 0, 1)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A directory with few portraits at 32, for tests that only read."""
    place = str(tmp_path_factory.mktemp("tfds"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(faces, "EXAMPLES", FEW)
        faces.open_faces("train", 32, place)
    return place


@pytest.fixture(scope="module")
def edited():
    """Portraits of 100 people at 64, with brown hair and otherwise plain, and with each edit."""
    wanted = {"plain": BROWN} | EDITS
    return {k: np.stack([draw_face(0, "train", i, 64, label) for i in range(100)]) for k, label in wanted.items()}


@pytest.mark.parametrize("size", face_drawing.SIZES)
def test_bits_are_the_same_everywhere(size):
    digest = hashlib.sha256()
    for split, index in itertools.product(face_drawing.SPLITS, range(10)):
        labels = draw_labels(0, split, index)
        digest.update(labels.tobytes() + draw_face(0, split, index, size, labels).tobytes())
    assert digest.hexdigest() == CHECKSUMS[size]


def test_portraits_differ_by_seed_split_and_index():
    keys = [(0, "train", 0), (1, "train", 0), (0, "test", 0), (0, "train", 1)]
    assert len({draw_face(*key, 32, BROWN).tobytes() for key in keys}) == 4


def test_a_portrait_looks_alike_at_each_size():
    small, large = (draw_face(0, "train", 3, size, BROWN).astype(float) for size in (32, 128))
    assert np.abs(large.reshape(32, 4, 32, 4, 3).mean((1, 3)) - small).mean() < 3


def test_labels():
    labels = np.stack([draw_labels(0, "train", index) for index in range(2000)])
    assert labels.dtype == np.uint8 and set(np.unique(labels)) == {0, 1}
    assert (labels[:, :3].sum(1) == 1).all()
    np.testing.assert_allclose(labels.mean(0), (0.4, 0.25, 0.35, 0.5, 0.3), atol=0.03)
    correlation = np.corrcoef(labels.T)
    assert np.abs(correlation[:3, 3:]).max() < 0.06 and abs(correlation[3, 4]) < 0.06


def test_who_it_is_does_not_depend_on_the_labels(edited):
    labels = np.stack([draw_labels(0, "train", index) for index in range(100)]).astype(float)
    wall, chest = edited["plain"][:, 2, 2], edited["plain"][:, 62, 32]
    looks = np.concatenate([wall, chest, edited["plain"].mean((1, 2))], 1).astype(float)
    correlation = np.corrcoef(labels.T, looks.T)[:5, 5:]
    assert np.abs(correlation).max() < 0.35  # 3.5 standard deviations


def test_an_edit_changes_only_its_part(edited):
    change = {name: np.abs(edited[name].astype(int) - edited["plain"]).max(-1) for name in EDITS}
    shares = {name: (where > 12).mean((1, 2)) for name, where in change.items()}
    for name, low, high in (("hair", 0.03, 0.4), ("smile", 0.005, 0.05), ("glasses", 0.015, 0.12)):
        assert low < shares[name].min() and shares[name].max() < high, name
    # Not one pixel of the upper corners and of the lower edge, noise included, save where hair is long.
    for name, where in change.items():
        assert where[:, :8, :8].max() == 0 and where[:, :8, -8:].max() == 0
        assert name == "hair" or where[:, -8:].max() == 0
    rows = {name: np.average(np.arange(64), weights=where.sum((0, 2))) for name, where in change.items()}
    assert rows["glasses"] + 8 < rows["smile"] < 44
    assert np.sum((change["smile"] > 0) & (change["glasses"] > 0)) < 0.02 * np.sum(change["glasses"] > 0)


def test_hair_colours_are_told_apart():
    drawn = np.array([[draw_face(0, "test", i, 64, (*hair, 0, 0)) for i in range(50)] for hair in np.eye(3, dtype=int)])
    hair = np.abs(drawn[0].astype(int) - drawn[1]).max(-1) > 90
    black, blond, brown = ([image[w].mean() for image, w in zip(d, hair, strict=True)] for d in drawn)
    assert max(black) + 10 < min(brown) and max(brown) + 30 < min(blond)


@pytest.mark.parametrize("labels", [(0, 0, 0, 1, 1), (1, 1, 0, 0, 0), (1, 0, 0, 2, 0), (1, 0, 0, 0)])
def test_impossible_labels(labels):
    with pytest.raises(ValueError, match="one hair colour"):
        draw_face(0, "train", 0, 32, labels)


def test_source(prepared):
    source = faces.open_faces("train", 32, prepared)
    assert len(source) == 5
    assert source.attributes == ("Black_Hair", "Blond_Hair", "Brown_Hair", "Smiling", "Eyeglasses")
    assert source.exclusive == (source.attributes[:3],)
    assert source.labels.shape == (5, 5) and source.labels.dtype == np.uint8
    for index in range(5):
        np.testing.assert_array_equal(source.labels[index], draw_labels(faces.SEED, "train", index))
        item = source[index]
        assert item["image"].shape == (32, 32, 3) and item["image"].dtype == np.uint8
        assert item["name"] == f"train_{index:04d}"
        np.testing.assert_array_equal(source.truth(index, source.labels[index]), item["image"])
    smile = source.labels[0] ^ np.array([0, 0, 0, 1, 0], np.uint8)
    assert 0 < (source.truth(0, smile) != source[0]["image"]).mean() < 0.1
    np.testing.assert_array_equal(source[np.int64(-1)]["image"], source[4]["image"])
    for read in (source.__getitem__, lambda index: source.truth(index, BROWN)):
        with pytest.raises(IndexError):
            read(5)


def test_source_pickles_small(prepared):
    source = faces.open_faces("train", 32, prepared)
    source.labels  # noqa: B018
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[2]["image"], source[2]["image"])
    np.testing.assert_array_equal(copy.labels, source.labels)
    assert len(pickle.dumps(source)) < 1000


def test_fingerprint_differs_by_what_is_read(prepared):
    train, test = (faces.open_faces(split, 32, prepared).fingerprint() for split in ("train", "test"))
    assert train != test
    assert train == faces.open_faces("train", 32, prepared).fingerprint()


def test_draws_once(prepared, monkeypatch):
    monkeypatch.setattr(face_drawing, "draw_face", None)
    assert len(faces.open_faces("validation", 32, prepared)) == 2


def test_needs_no_network(tmp_path, monkeypatch):
    def refuse(*args):
        raise AssertionError("a connection")

    monkeypatch.setattr(faces, "EXAMPLES", FEW)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert faces.open_faces("test", 64, str(tmp_path))[1]["image"].shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", 48), "^data.image_size is 48; the data set 'faces' has 32, 64, 128$"),
        (("dev", 64), "^split is 'dev'; the data set 'faces' has train, validation, test$"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        faces.open_faces(*arguments, str(tmp_path))


def test_directory_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "EXAMPLES", FEW)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"data\.dir: the data set 'faces' cannot be written to .*file"):
        faces.open_faces("train", 32, str(tmp_path / "file"))


def test_incomplete_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "EXAMPLES", FEW)
    faces.open_faces("train", 32, str(tmp_path))
    (tmp_path / "faces" / "32" / str(faces.Faces.VERSION) / "faces-test.array_record-00000-of-00001").unlink()
    with pytest.raises(DataError, match="incomplete data set 'faces'; delete that directory"):
        faces.open_faces("train", 32, str(tmp_path))
