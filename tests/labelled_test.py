"""Tests of gan_ssl.data.labelled and what the pipeline does with it: the subset, groups, targets, and both streams."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import data
from gan_ssl.data import labelled, pipeline
from gan_ssl.errors import DataError

HAIR = ("Black", "Blond", "Brown")


class Drawn:
    """A source without files: image i is of value i."""

    def __init__(self, labels, attributes=(*HAIR, "Smiling"), exclusive=(HAIR,)):
        self.labels, self.attributes, self.exclusive = np.array(labels, np.uint8), attributes, exclusive

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        pixels = np.stack([np.full((4, 4), index), np.full((4, 4), index), np.tile(np.arange(4), (4, 1))], -1)
        return {"image": pixels.astype(np.uint8), "name": str(index)}


def label_config(batch_size=16, **fields):
    config = configs.base_config()
    with config.unlocked():
        config.method, config.batch_size = "match_gan", batch_size
        config.data.update({"name": "csv", "image_size": (4, 4), **fields})
    return config


def serve(monkeypatch, labels, **kwargs):
    source = Drawn(labels, **kwargs)
    for module in (labelled, pipeline.attributes):
        monkeypatch.setattr(module, "open_attributes", lambda config, split: source)
    return source


# Images of each hair colour, without and with a smile; the last are bald.
COUNTS = {(1, 0, 0, 0): 9, (1, 0, 0, 1): 30, (0, 1, 0, 0): 5, (0, 1, 0, 1): 8, (0, 0, 1, 0): 1, (0, 0, 0, 1): 7}


@pytest.fixture
def faces(monkeypatch):
    labels = np.repeat(list(COUNTS), list(COUNTS.values()), axis=0)
    return serve(monkeypatch, labels[np.random.default_rng(0).permutation(len(labels))])


def index_of(batch):
    """Returns which image each example shows."""
    return batch["image"][:, 0, 0, 0].astype(int)


def batches(config, name, count, shard=(0, 1), position=0):
    with data.make_stream(config, name, position=position, shard=shard) as stream:
        return [next(stream) for _ in range(count)]


label_rows = st.lists(st.sampled_from(list(COUNTS)[:5]), min_size=1, max_size=60)


@given(label_rows, st.integers(0, 2**31 - 1))
def test_subsets_are_nested_and_balanced(rows, seed):
    labels = np.array(rows, np.uint8)
    before = set()
    for count in range(1, len(labels) + 1):
        chosen = labelled.choose_balanced(labels, count, seed)
        assert list(chosen) == sorted(set(chosen)) and len(chosen) == count and before <= set(chosen)
        before = set(chosen)
        combinations, all_of = np.unique(labels, axis=0, return_counts=True)
        used = (labels[chosen][:, None] == combinations).all(-1).sum(0)
        # No combination has two more than another that still has images.
        assert all(used.max() <= n + 1 for n, total in zip(used, all_of, strict=True) if n < total)


def test_labelled_subset(faces):
    every = data.labelled_subset(label_config())
    assert len(every) == 53 and (faces.labels[every][:, :3].sum(1) == 1).all()
    for fields, count in ({"labelled_fraction": 0.2}, 11), ({"labelled_fraction": 1e-6}, 1), ({"labelled_count": 9}, 9):
        assert len(data.labelled_subset(label_config(**fields))) == count
    few = data.labelled_subset(label_config(labelled_count=10))
    assert sorted(np.unique(faces.labels[few], axis=0, return_counts=True)[1]) == [1, 2, 2, 2, 3]
    one, other = (label_config(labelled_count=5) for _ in range(2))
    other.seed = 1
    assert data.labelled_subset(one).tolist() != data.labelled_subset(other).tolist()
    with pytest.raises(DataError, match="config.data.labelled_count is 54; allowed: at most 53"):
        data.labelled_subset(label_config(labelled_count=54))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 7), st.sampled_from([2, 3, 4, 6]), st.sampled_from([4, 8]), st.integers(0, 9), st.integers(1, 2))
def test_groups_and_targets(combinations, groups, each, seed, processes):
    """Groups differ, targets differ, equal targets come from different groups, whatever the number of processes."""
    with pytest.MonkeyPatch.context() as patch:
        names = tuple("abcdefg"[:combinations])
        sizes = np.arange(combinations) % 3 * each + 1
        labels = np.repeat(np.eye(combinations, dtype=np.uint8), sizes, axis=0)
        source = serve(patch, labels, attributes=names, exclusive=(names,))
        config = label_config(groups * each, images_per_group=each)
        config.seed = seed
        steps = 12
        shards = [batches(config, "labelled", steps, shard=(i, processes)) for i in range(processes)]
        made = [{k: np.concatenate([s[b][k] for s in shards]) for k in shards[0][b]} for b in range(steps)]
        for batch in made:
            assert batch["label"].dtype == batch["target"].dtype == np.float32
            np.testing.assert_array_equal(batch["label"], source.labels[index_of(batch)])
            label, target = batch["label"].argmax(1), batch["target"].argmax(1)
            by_group = label.reshape(groups, each)
            assert (by_group == by_group[:, :1]).all()
            np.testing.assert_array_equal(target, np.tile(target[:groups], each))
            for drawn in (by_group[:, 0], target[:groups]):
                times = np.bincount(drawn, minlength=combinations)
                assert times.max() - times.min() <= 1
            if combinations >= groups:
                place = np.arange(groups * each)
                for t in set(target):
                    sources = set((place // each)[target == t])
                    assert len(sources) == min(groups, each)
        # Over a block of batches, combinations come equally often.
        block = combinations // np.gcd(combinations, groups)
        seen = np.bincount(np.concatenate([b["label"].argmax(1) for b in made[:block]]), minlength=combinations)
        assert len(set(seen)) == 1


def test_every_image_of_a_combination_comes_before_any_comes_again(faces):
    stream = pipeline.STREAMS["labelled"](label_config(batch_size=16))
    assert len(stream) == 53
    shown = {}
    for n in range(16 * 60):
        example = stream(n)
        shown.setdefault(tuple(example["label"].astype(int)), []).append(int(example["image"][0, 0, 0]))
    assert shown.keys() == {c for c in COUNTS if sum(c[:3]) == 1}
    for combination, order in shown.items():
        size = COUNTS[combination]
        passes = [order[i : i + size] for i in range(0, len(order) - size + 1, size)]
        assert len(passes) >= 6 and all(len(set(p)) == size for p in passes)
        assert size < 5 or len(set(map(tuple, passes))) > 3


def test_neighbours_change(faces):
    """Which groups meet in a batch, and in which order, is not the same all along."""
    stream = pipeline.STREAMS["labelled"](label_config(batch_size=16))
    orders = {tuple(int(stream(16 * k + 4 * j)["label"] @ [1, 2, 4, 8]) for j in range(4)) for k in range(60)}
    assert len(orders) > 30


def test_unlabelled(faces):
    config = label_config(batch_size=8, labelled_count=20)
    chosen = set(data.labelled_subset(config))
    rest = set(range(60)) - chosen
    stream = pipeline.STREAMS["unlabelled"](config)
    assert len(stream) == 40
    for start in (0, 40, 80):
        examples = [stream(n) for n in range(start, start + 40)]
        assert {int(e["image"][0, 0, 0]) for e in examples} == rest
        assert all(e.keys() == {"image", "target"} for e in examples)
    labels = {tuple(x) for x in faces.labels[sorted(chosen)].tolist()}
    batch = batches(config, "unlabelled", 1)[0]
    assert {tuple(t) for t in batch["target"].astype(int).tolist()} <= labels
    assert (batch["target"][:2] == batch["target"][2:4]).all() and (batch["target"][0] != batch["target"][1]).any()
    np.testing.assert_array_equal(
        np.concatenate([b["image"] for b in batches(config, "unlabelled", 4, position=3)]),
        np.stack([stream(n)["image"] for n in range(24, 56)]),
    )


def test_streams_draw_different_targets(faces):
    config = label_config(batch_size=16, labelled_count=20)
    one, other = (data.examples(config, name, 64)["target"] for name in ("labelled", "unlabelled"))
    assert (one != other).any()


def test_unlabelled_images_repeat_and_may_not_be_none(faces):
    config = label_config(batch_size=16, labelled_count=53)
    assert len(set(index_of(batches(config, "unlabelled", 1)[0]))) == 7
    faces.labels = faces.labels[data.labelled_subset(config)]
    with pytest.raises(DataError, match="^csv: all 53 training images are labelled; .*config.data.unlabelled=False$"):
        data.make_stream(config, "unlabelled")


def test_flips_and_crops(faces):
    config = label_config(batch_size=16, load_size=(6, 6), labelled_count=20)
    for name in ("labelled", "unlabelled"):
        made = data.examples(config, name, 64)["image"]
        assert made.shape == (64, 4, 4, 3) and made.dtype == np.uint8
        flipped = made[:, 0, 0, 2] > made[:, 0, -1, 2]
        assert 16 < flipped.sum() < 48
        assert len(np.unique(made[..., 2].reshape(64, -1), axis=0)) > 4


def test_order_is_pinned(faces):
    """A change here changes every run on the same seed."""
    config = label_config(batch_size=8, labelled_count=20)
    subset = [2, 4, 6, 7, 8, 13, 15, 19, 21, 29, 32, 42, 43, 44, 45, 47, 48, 51, 52, 55]
    assert data.labelled_subset(config).tolist() == subset
    assert index_of(data.examples(config, "labelled", 8)).tolist() == [45, 19, 32, 13, 43, 48, 52, 42]
    assert index_of(data.examples(config, "unlabelled", 8)).tolist() == [28, 50, 36, 38, 59, 57, 40, 23]
    targets = data.examples(config, "labelled", 2)["target"] @ [1, 2, 4, 8]
    assert targets.tolist() == [2.0, 1.0]


def test_small_combinations_warn_once(faces, caplog):
    labelled.tell_once.cache_clear()
    for _ in range(2):
        data.examples(label_config(batch_size=16), "labelled", 1)
    (record,) = (r for r in caplog.records if "repeat" in r.getMessage())
    assert "1 of 5 label combinations have fewer labelled images than data.images_per_group = 4" in record.getMessage()


def test_counts_are_told_and_what_cannot_be_learnt(monkeypatch, caplog):
    """Rare attributes: 2 of 100, never, always."""
    labels = np.zeros((100, 4), np.uint8)
    labels[:50, 0] = labels[[3, 70], 1] = labels[:, 3] = 1
    serve(monkeypatch, labels, attributes=("A", "Rare", "Never", "Always"), exclusive=())
    labelled.tell_once.cache_clear()
    with caplog.at_level(logging.INFO, logger="absl"):
        data.examples(label_config(labelled_fraction=0.1), "labelled", 1)
        data.examples(label_config(labelled_fraction=0.1), "labelled", 1)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert (
        "csv: attributes of 100 training images (10 labelled): A 50 (5), Rare 2 (2), Never 0 (0), Always 100 (10)"
        in told
    )
    warned = [r.getMessage() for r in caplog.records if "cannot be learnt" in r.getMessage()]
    assert warned == [
        "csv: Never is never set in the 10 labelled images, so it cannot be learnt",
        "csv: Always is always set in the 10 labelled images, so it cannot be learnt",
    ]


def test_images_without_a_combination_are_counted(faces, caplog):
    labelled.tell_once.cache_clear()
    with caplog.at_level(logging.INFO, logger="absl"):
        data.examples(label_config(), "labelled", 1)
    assert "csv: 7 images without exactly one of Black, Blond, Brown: used without labels" in caplog.text


def test_labels_that_teach_nothing(faces):
    with pytest.raises(DataError, match="^csv: the labels of all 1 labelled images are the same, .*two label"):
        data.make_stream(label_config(labelled_count=1), "labelled")
    faces.labels = faces.labels[~faces.labels[:, :3].any(1)]
    with pytest.raises(DataError, match="^csv: no labelled image among 7; allowed: exactly one of Black, Blond, Brown"):
        data.make_stream(label_config(), "labelled")


def test_resolve(faces):
    config = label_config(batch_size=0, labelled_count=20)
    config.num_epochs = 3
    resolved = data.resolve(config.lock(), ["labelled", "labelled", "unlabelled"])
    assert resolved.is_locked and config.batch_size == 0 and config.data.attributes == ()
    assert resolved.data.attributes == (*HAIR, "Smiling") and resolved.data.exclusive == (HAIR,)
    assert resolved.batch_size == 16
    assert resolved.num_steps == 3 * 2 * 3  # 40 unlabelled images in batches of 16, and as many labelled batches
    again = data.resolve(resolved, ["labelled", "unlabelled"])
    assert again.to_dict() == resolved.to_dict()
    faces.labels = faces.labels[(faces.labels[:, 0] == 1)]
    config.data.labelled_count = 0
    resolved = data.resolve(config, ["labelled"])
    assert resolved.batch_size == 8 and resolved.num_steps == 3 * 5  # 39 images of two combinations


def write_csv(root, count=24):
    lines = ["file,A,B,split"]
    for i in range(count):
        pixels = np.full((8, 8, 3), 10 * i, np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
        lines.append(f"{i}.png,{i % 2},{i // 2 % 2},train")
    (root / "attributes.csv").write_text("\n".join(lines))


@pytest.mark.parametrize("name", ["labelled", "unlabelled"])
def test_workers_change_nothing(tmp_path, name):
    write_csv(tmp_path)
    config = label_config(batch_size=8, dir=str(tmp_path), labelled_count=10)
    expected = batches(config, name, 5, position=2)
    with config.unlocked():
        config.data.workers = 2
    for one, other in zip(expected, batches(config, name, 5, position=2), strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_center_crop_comes_before_resizing(tmp_path):
    write_csv(tmp_path, 4)
    framed = np.zeros((12, 10, 3), np.uint8)
    framed[3:9, 2:8] = 200
    for i in range(4):
        Image.fromarray(framed).save(tmp_path / f"{i}.png")
    config = label_config(batch_size=8, dir=str(tmp_path), center_crop=6)
    assert (data.examples(config, "labelled", 4)["image"] == 200).all()
