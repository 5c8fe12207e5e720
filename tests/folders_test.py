"""Tests of gan_ssl.data.folders: what is found, in which order, and what is refused with which line."""

import os
import pickle
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import data
from gan_ssl.data import folders
from gan_ssl.errors import DataError


def save(path, array, **kwargs):
    """Saves an array, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **kwargs)
    return path


def picture(value, height=6, width=8):
    return np.full((height, width, 3), value, np.uint8)


def folder_config(root="", **fields):
    config = configs.base_config()
    with config.unlocked():
        config.data.update({"name": "folder", "dir": str(root), "image_size": (8, 8), **fields})
    return config


def refused(*parts, call, **kwargs):
    """Asserts a DataError of one line that holds the parts."""
    with pytest.raises(DataError) as error:
        call(**kwargs)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


def open_source(root, split="train", domain="a", labels=True, **fields):
    return data.open_source(folder_config(root, **fields), split, domain, labels)


def test_lists_naturally_and_ignores_what_is_hidden(tmp_path):
    for name in ("10.png", "2.PNG", "b/1.JPeg", "a b/é.tif", ".hidden.png", ".git/3.png", "notes.txt", "2.bmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert folders.list_images(tmp_path) == ["2.PNG", "2.bmp", "10.png", "a b/é.tif", "b/1.JPeg"]


@given(st.lists(st.text("ab/1029é²-", min_size=1), unique=True))
def test_natural_order_is_total(names):
    backwards = names[::-1]
    assert sorted(names, key=folders._natural) == sorted(backwards, key=folders._natural)


def test_natural_order_does_not_depend_on_the_file_system():
    names = ["é2", "f1", "é10"]
    decomposed = [unicodedata.normalize("NFD", n) for n in names]
    order = [names.index(n) for n in sorted(names, key=folders._natural)]
    assert order == [decomposed.index(n) for n in sorted(decomposed, key=folders._natural)]


def test_cyclegan_form(tmp_path):
    for i in range(3):
        save(tmp_path / f"trainA/{i}.png", picture(i))
        save(tmp_path / f"validationA/{i}.png", picture(10 + i))
    save(tmp_path / "testA/deep/x.png", picture(9))
    save(tmp_path / "testA_labels/deep/x.png", np.full((6, 8), 1, np.uint8))
    train = open_source(tmp_path)
    assert [train[i]["image"][0, 0, 0] for i in range(len(train))] == [0, 1, 2]
    assert set(train[0]) == {"image", "name"} and train.class_names == ()
    assert open_source(tmp_path, "validation")[0]["image"][0, 0, 0] == 10
    example = open_source(tmp_path, "test")[0]
    assert example["name"] == "deep/x.png" and example["label"].shape == (6, 8)
    assert "label" not in open_source(tmp_path, "test", labels=False)[0]


def test_two_folders_of_any_name(tmp_path):
    save(tmp_path / "my night/1.png", picture(1))
    save(tmp_path / "day/1.png", picture(2))
    save(tmp_path / "root/testA/1.png", picture(3))
    dirs = {"dir_a": str(tmp_path / "my night"), "dir_b": str(tmp_path / "day")}
    assert open_source("", "train", "a", **dirs)[0]["image"][0, 0, 0] == 1
    assert open_source("", "train", "b", **dirs)[0]["image"][0, 0, 0] == 2
    assert open_source(tmp_path / "root", "test", "a", **dirs)[0]["image"][0, 0, 0] == 3
    refused("data.dir", "testB", call=open_source, root="", split="test", domain="b", **dirs)
    refused("data.dir", "data.dir_a", call=open_source, root="")


def test_domains_open_alone(tmp_path):
    save(tmp_path / "testA/1.png", picture(1))
    assert len(open_source(tmp_path, "test", "a")) == 1
    refused(tmp_path / "testB", "no such folder", call=open_source, root=tmp_path, split="test", domain="b")


def test_empty_and_missing_folders_are_named(tmp_path):
    (tmp_path / "trainB").mkdir()
    (tmp_path / "trainB/notes.txt").touch()
    (tmp_path / "trainA").touch()
    refused(tmp_path / "trainB", "no image", call=open_source, root=tmp_path, domain="b")
    refused(tmp_path / "trainA", "a file", call=open_source, root=tmp_path)
    refused(tmp_path / "no", "no such folder", call=open_source, root=tmp_path / "no")


@pytest.fixture
def damaged(tmp_path):
    """4 good PNGs, one cut, one empty, and two whose extension lies."""
    rng = np.random.default_rng(0)
    for i in range(4):
        save(tmp_path / f"trainA/{i}.png", picture(i))
    noise = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    cut = save(tmp_path / "trainA/cut.png", noise)
    cut.write_bytes(cut.read_bytes()[: int(cut.stat().st_size * 0.6)])
    (tmp_path / "trainA/empty.jpg").touch()
    save(tmp_path / "trainA/a.jpg", noise, format="PNG")
    save(tmp_path / "trainA/b.jpeg", noise, format="WEBP", lossless=True)
    return tmp_path, noise


def test_damaged_files_are_named_before_step_1(damaged):
    refused(damaged[0] / "trainA/cut.png", "1 more", "skip_corrupt", call=open_source, root=damaged[0])


def test_damaged_files_are_skipped_and_counted(damaged, caplog):
    root, noise = damaged
    source = open_source(root, skip_corrupt=True)
    assert source.names == ["0.png", "1.png", "2.png", "3.png", "a.jpg", "b.jpeg"]
    for i in (4, 5):
        np.testing.assert_array_equal(source[i]["image"], noise)
    for part in ("cut.png", "empty.jpg", "skipped 2 of 8"):
        assert part in caplog.text


def test_a_huge_image_is_named_or_skipped(tmp_path):
    save(tmp_path / "trainA/1.png", picture(0))
    Image.new("1", (16000, 12000)).save(tmp_path / "trainA/huge.png")
    refused("huge.png", "16000x12000", "data.max_pixels", call=open_source, root=tmp_path)
    assert open_source(tmp_path, skip_corrupt=True).names == ["1.png"]


def test_nothing_readable_is_an_error_even_with_skipping(tmp_path):
    (tmp_path / "trainA").mkdir()
    (tmp_path / "trainA/1.png").touch()
    refused(tmp_path / "trainA", "no readable image", call=open_source, root=tmp_path, skip_corrupt=True)


def test_files_are_checked_once(tmp_path, monkeypatch):
    path = save(tmp_path / "trainA/1.png", picture(0))
    open_source(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(folders.images, "decode", lambda *_, **__: pytest.fail("decoded again"))
        open_source(tmp_path)
    path.write_bytes(b"not any more")
    refused(path, call=open_source, root=tmp_path)


def test_class_names_are_found_over_all_splits(tmp_path):
    for split, value in (("trainB", 3), ("testA", 1)):
        save(tmp_path / f"{split}/1.png", picture(0))
        save(tmp_path / f"{split}_labels/1.png", np.array([[0, value, 255]], np.uint8).repeat(3, 0))
    config = folder_config(tmp_path)
    assert data.class_names(config) == ("class_0", "class_1", "class_2", "class_3")
    assert data.open_source(config, "test", "a").num_classes == 4
    config.data.class_names = ("sky", "road")
    assert data.class_names(config) == ("sky", "road")


@pytest.mark.parametrize("high", [1, 255])
def test_masks_are_two_classes(tmp_path, high):
    square = np.zeros((6, 8), np.uint8)
    square[2:4, 2:4] = 1
    save(tmp_path / "testA/1.png", picture(0))
    save(tmp_path / "testA_labels/1.png", square * high)
    source = open_source(tmp_path, "test")
    assert source.num_classes == 2
    np.testing.assert_array_equal(source[0]["label"], square)


def test_bad_labels_are_named_when_they_are_asked_for(tmp_path):
    save(tmp_path / "testA/1.png", picture(0))
    labels = tmp_path / "testA_labels"
    labels.mkdir()
    names = {"class_names": ("a", "b", "c")}

    def read():
        return open_source(tmp_path, "test", **names)[0]

    refused(labels / "1.png", "no such file", call=read)
    save(labels / "1.png", np.zeros((8, 6), np.uint8))
    refused(labels / "1.png", "6x8", "8x6", call=read)
    save(labels / "1.png", np.full((6, 8), 3, np.uint8))
    refused(labels / "1.png", "value 3", "3 classes", call=read)
    open_source(tmp_path, "test", labels=False, **names)[0]


def test_fingerprint_is_of_the_content(tmp_path):
    path = save(tmp_path / "testA/1.bmp", picture(0))
    label = save(tmp_path / "testA_labels/1.png", np.zeros((6, 8), np.uint8))
    first = open_source(tmp_path, "test").fingerprint()
    os.utime(path, (1, 1))
    assert open_source(tmp_path, "test").fingerprint() == first
    save(label, np.full((6, 8), 1, np.uint8))
    second = open_source(tmp_path, "test").fingerprint()
    save(path, picture(1))
    assert len({first, second, open_source(tmp_path, "test").fingerprint()}) == 3


def test_sources_travel_to_workers(tmp_path):
    save(tmp_path / "testA/1.png", picture(5))
    source = pickle.loads(pickle.dumps(open_source(tmp_path, "test")))
    assert source[0]["image"][0, 0, 0] == 5
