"""Tests of gan_ssl.data.pipeline: one global order, whatever loads it."""

import logging
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import data
from gan_ssl.data import loading, pipeline
from gan_ssl.errors import ConfigError, DataError


def fill(folder, count, first=0, size=(12, 16)):
    """Writes pictures whose pixels tell which one it is, and where in it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.indices(size)
    for i in range(count):
        pixels = np.stack([np.full(size, first + i), rows * 10, columns * 10], -1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def folder_config(root, batch_size=1, **fields):
    config = configs.base_config()
    with config.unlocked():
        config.batch_size = batch_size
        config.data.update({"name": "folder", "dir": str(root), "image_size": (8, 12), "load_size": (12, 16), **fields})
    return config


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / "trainA", 5)
    fill(tmp_path / "trainB", 3, first=100)
    return tmp_path


def batches(config, count, **kwargs):
    with data.make_stream(config, **{"shard": (0, 1), **kwargs}) as stream:
        return [next(stream) for _ in range(count)]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_batches(root):
    config = folder_config(root, batch_size=4)
    for batch in batches(config, 3):
        assert batch.keys() == {"a", "b"}
        for key in "ab":
            assert batch[key].shape == (4, 8, 12, 3) and batch[key].dtype == np.uint8
            assert type(batch[key]) is np.ndarray
        assert batch["a"][..., 0].max() < 5 and batch["b"][..., 0].min() >= 100


def test_each_pass_shows_every_image_once_in_another_order(root):
    shown = [int(b["a"][0, 0, 0, 0]) for b in batches(folder_config(root), 40)]
    passes = [tuple(shown[i : i + 5]) for i in range(0, 40, 5)]
    assert all(sorted(p) == [0, 1, 2, 3, 4] for p in passes)
    assert len(set(passes)) > 4


def test_pairs_change_from_pass_to_pass(root):
    fill(root / "trainB", 5, first=100)
    pairs = [(int(b["a"][0, 0, 0, 0]), int(b["b"][0, 0, 0, 0])) for b in batches(folder_config(root), 50)]
    assert len(set(pairs)) > 12


def test_crops_and_flips_cover_their_range(root):
    example_fn = pipeline.Unpaired(folder_config(root))
    views = [example_fn(n)["a"] for n in range(200)]
    assert all(view.flags.c_contiguous for view in views)  # or Grain's workers hang for 25 s when they close
    views = np.stack(views)
    tops = views[:, 0, 0, 1] // 10
    flipped = views[:, 0, 0, 2] > views[:, 0, -1, 2]
    lefts = np.where(flipped, views[:, 0, -1, 2], views[:, 0, 0, 2]) // 10
    assert set(tops) == set(lefts) == set(range(5))
    assert 60 < flipped.sum() < 140
    example_fn = pipeline.Unpaired(folder_config(root, flip=False))
    still = np.stack([example_fn(n)["a"] for n in range(50)])
    assert (still[:, 0, 0, 2] < still[:, 0, -1, 2]).all()


@pytest.mark.parametrize("position", [1, 4])
def test_starts_anywhere(root, position):
    config = folder_config(root, batch_size=2)
    assert_same(batches(config, 7)[position:], batches(config, 7 - position, position=position))


def test_processes_share_each_global_batch(root):
    config = folder_config(root, batch_size=4)
    shards = [batches(config, 4, shard=(i, 2), position=3) for i in range(2)]
    together = [{k: np.concatenate([one[k], two[k]]) for k in one} for one, two in zip(*shards, strict=True)]
    assert_same(together, batches(config, 4, position=3))
    with pytest.raises(ConfigError, match="batch_size"):
        data.make_stream(config, shard=(0, 3))


def test_workers_change_nothing(root):
    config = folder_config(root, batch_size=2)
    expected = batches(config, 7, position=2)
    config.data.workers = 2
    assert_same(batches(config, 7, position=2), expected)


def test_seed_is_the_order(root):
    config = folder_config(root, batch_size=4)
    first = batches(config, 3)
    assert_same(first, batches(config, 3))
    config.seed = 1
    assert any((one["a"] != other["a"]).any() for one, other in zip(first, batches(config, 3), strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**31 - 1), st.integers(0, 1), st.integers(0, 50))
def test_shuffle_is_a_permutation(length, seed, domain, epoch):
    order = [loading.shuffled_index(epoch * length + i, length, seed, domain) for i in range(length)]
    assert sorted(order) == list(range(length))


def test_order_is_pinned():
    """A change here changes every run on the same seed."""
    assert [loading.shuffled_index(n, 6, 0, 0) for n in range(12)] == [5, 2, 4, 3, 0, 1, 2, 4, 0, 3, 5, 1]
    assert loading.random_bits(3, 0, 1, 0, 7).tolist() == [3853123908, 714959325, 1313886718]


@pytest.mark.parametrize("a,b,batch,steps", [(5, 3, 4, 2), (5, 3, 5, 1), (1, 1, 1, 1), (2, 9, 4, 3), (8, 1, 4, 2)])
def test_steps_per_epoch(tmp_path, a, b, batch, steps):
    fill(tmp_path / "trainA", a)
    fill(tmp_path / "trainB", b)
    assert data.steps_per_epoch(folder_config(tmp_path, batch)) == steps


def test_fewer_images_than_a_batch(tmp_path):
    fill(tmp_path / "trainA", 1)
    fill(tmp_path / "trainB", 1)
    config = folder_config(tmp_path, batch_size=4)
    for call in (data.steps_per_epoch, data.make_stream):
        with pytest.raises(DataError, match=f"^{tmp_path}: fewer training images than a batch: 1 .*batch_size, now 4"):
            call(config)


def test_16_bits_on_demand(tmp_path):
    columns = np.tile((np.arange(64) * 1024).astype(np.uint16), (64, 1))
    for name in ("trainA", "trainB"):
        (tmp_path / name).mkdir()
        Image.fromarray(columns).save(tmp_path / name / "x.png")
    sizes = {"image_size": (64, 64), "load_size": (0, 0), "flip": False}
    (batch,) = batches(folder_config(tmp_path, bits=16, **sizes), 1)
    np.testing.assert_array_equal(batch["a"][0, ..., 0], columns)
    (batch,) = batches(folder_config(tmp_path, **sizes), 1)
    assert batch["a"].dtype == np.uint8
    np.testing.assert_array_equal(batch["a"][0, 0, :, 1], np.round(columns[0] / 257))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_is_named(root, workers):
    with data.make_stream(folder_config(root, workers=workers), shard=(0, 1)) as stream:
        (root / "trainA/3.png").unlink()
        with pytest.raises(DataError, match="^.*trainA/3.png: no such file$"):
            for _ in range(6):
                next(stream)


def test_training_reads_no_label(root):
    (root / "trainA_labels").mkdir()
    assert len(batches(folder_config(root), 1)) == 1


def test_an_image_is_resized_once(root, monkeypatch):
    config = folder_config(root)
    with monkeypatch.context() as patch:
        reads, decode = [], data.images.decode
        patch.setattr(data.images, "decode", lambda path, **kw: reads.append(path) or decode(path, **kw))
        data.steps_per_epoch(config)
        checked = len(reads)
        stream = pipeline.Unpaired(config)
        for n in range(30):
            stream(n)
        assert len(reads) == checked + 8
        patch.setattr(loading, "CACHE_BYTES", 0)
        stream = pipeline.Unpaired(config)
        for n in range(30):
            stream(n)
        assert len(reads) == checked + 8 + 60


def test_close_leaves_no_thread(root):
    before = set(threading.enumerate())
    stream = data.make_stream(folder_config(root), shard=(0, 1), position=5)
    next(stream)
    assert stream.position == 6
    stream.close()
    stream.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= before


def test_evaluation_arrays(root):
    fill(root / "testA", 3)
    (root / "testA_labels").mkdir()
    label = np.repeat(np.arange(12, dtype=np.uint8) // 3, 16).reshape(12, 16)
    for i in range(3):
        Image.fromarray(label).save(root / f"testA_labels/{i}.png")
    config = folder_config(root, image_size=(12, 16))
    arrays = data.evaluation_arrays(config, "test", "a", limit=2)
    assert arrays["names"] == ["0.png", "1.png"] and "truth" not in arrays
    assert arrays["image"].shape == (2, 12, 16, 3) and arrays["image"][1, 0, 0, 0] == 1
    np.testing.assert_array_equal(arrays["label"], [label, label])
    config.data.image_size = (4, 8)
    arrays = data.evaluation_arrays(config, "test", "a", limit=0)
    assert arrays["image"].shape == (3, 4, 8, 3)
    np.testing.assert_array_equal(arrays["label"][0, :, 0], [0, 1, 2, 3])
    assert "label" not in data.evaluation_arrays(config, "train", "b")
    assert "label" not in data.evaluation_arrays(config, "test", "a", labels=False)


def test_scenes_come_at_the_size_that_covers(monkeypatch):
    scenes = pytest.importorskip("gan_ssl.data.scenes")
    asked = []
    monkeypatch.setattr(scenes, "open_scenes", lambda split, domain, size, **kw: asked.append((domain, size, kw)))
    config = configs.base_config()
    for size in ((64, 48), (64, 72), (256, 256), (300, 512)):
        config.data.image_size = size
        data.open_source(config, "train", "b", labels=False)
    assert [size for _, size, _ in asked] == [64, 128, 256, 256]
    assert asked[0][2] == {"data_dir": "", "parts": ("image",)}
    assert data.class_names(config)[0] == "sky"


def test_no_warnings_reach_the_user(root, caplog):
    with caplog.at_level(logging.WARNING):
        batches(folder_config(root), 2)
    assert not caplog.records
