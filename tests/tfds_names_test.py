"""Tests of gan_ssl.data.tfds_names, on a tiny builder that is prepared here."""

import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import data
from gan_ssl.errors import DataError


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """Four pictures a domain."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": tfds.features.Image(encoding_format="png")})
        )

    def _split_generators(self, dl_manager):
        return {"trainA": self._generate_examples(0), "trainB": self._generate_examples(100)}

    def _generate_examples(self, first):
        for i in range(4):
            yield i, {"image": Image.fromarray(np.full((10, 12, 3), first + i, np.uint8))}


class TinyClasses(tfds.core.GeneratorBasedBuilder):
    """Four pictures of three classes and one without."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None

    def _info(self):
        features = {"image": tfds.features.Image(encoding_format="png"), "label": self._labels()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _labels(self):
        return tfds.features.ClassLabel(names=["sad", "joyful", "calm"])

    def _label(self, i):
        return i - 1

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0), "val": self._generate_examples(100)}

    def _generate_examples(self, first):
        for i in range(4):
            yield i, {"image": Image.fromarray(np.full((10, 12, 3), first + i, np.uint8)), "label": self._label(i)}


class TinyFlags(TinyClasses):
    """Four pictures with two attributes, in a dict as CelebA's, and landmarks."""

    def _info(self):
        features = {
            "image": tfds.features.Image(encoding_format="png"),
            "landmarks": {"x": np.int64},
            "attributes": {"Smiling": np.bool_, "Male": np.bool_},
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, first):
        for i, example in super()._generate_examples(first):
            del example["label"]
            yield i, example | {"landmarks": {"x": i}, "attributes": {"Smiling": i % 2 == 1, "Male": i > 1}}


class TinyUnlabelled(TinyPictures):
    """Four pictures with nothing said of them."""

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0)}


class NeedsTensorflow(TinyPictures):
    """A set whose builder imports TensorFlow."""

    def _split_generators(self, dl_manager):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")


def tfds_config(name, data_dir):
    config = configs.base_config()
    with config.unlocked():
        config.data.update({"name": f"tfds:{name}", "dir": str(data_dir), "image_size": (8, 8)})
    return config


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    config = tfds_config("tiny_pictures", tmp_path_factory.mktemp("tfds"))
    data.open_source(config, "train", "a")
    return config


def values(source):
    return sorted(int(source[i]["image"][0, 0, 0]) for i in range(len(source)))


def test_prepares_and_reads(tiny):
    a, b = data.open_source(tiny, "train", "a"), data.open_source(tiny, "train", "b")
    assert values(a) == [0, 1, 2, 3] and values(b) == [100, 101, 102, 103]
    assert a[0]["image"].shape == (10, 12, 3) and a[0]["image"].dtype == np.uint8
    assert a.fingerprint() != b.fingerprint()
    assert values(pickle.loads(pickle.dumps(a))) == [0, 1, 2, 3]
    assert data.steps_per_epoch(tiny) == 4
    with data.make_stream(tiny, shard=(0, 1)) as stream:
        assert next(stream)["b"].shape == (1, 8, 8, 3)


def by_value(source):
    """Returns {pixel: label}."""
    return {int(source[i]["image"][0, 0, 0]): source.labels[i].tolist() for i in range(len(source))}


def test_classes(tmp_path):
    config = tfds_config("tiny_classes", tmp_path)
    source = data.open_attributes(config, "train")
    assert source.attributes == ("sad", "joyful", "calm") and source.exclusive == (source.attributes,)
    assert source.labels.dtype == np.uint8
    assert by_value(source) == {0: [0, 0, 0], 1: [1, 0, 0], 2: [0, 1, 0], 3: [0, 0, 1]}
    assert by_value(pickle.loads(pickle.dumps(source))) == by_value(source)
    assert by_value(data.open_attributes(config, "validation")).keys() == {100, 101, 102, 103}
    with pytest.raises(DataError, match="^tfds:tiny_classes: no split test; the set has: train, val$"):
        data.open_attributes(config, "test")


def test_flags(tmp_path):
    config = tfds_config("tiny_flags", tmp_path)
    source = data.open_attributes(config, "train")
    assert set(source.attributes) == {"Smiling", "Male"} and source.exclusive == ()
    with config.unlocked():
        config.data.attributes = ("Male", "Smiling")
    chosen = data.open_attributes(config, "train")
    assert by_value(chosen) == {0: [0, 0], 1: [0, 1], 2: [1, 0], 3: [1, 1]}


def test_a_set_without_labels(tiny, tmp_path):
    with pytest.raises(DataError, match="no labels among its features .'image'.; allowed: a class, or a dict"):
        data.open_attributes(tfds_config("tiny_unlabelled", tmp_path), "train")
    with pytest.raises(DataError, match="^tfds:tiny_pictures: no split train; the set has: trainA, trainB$"):
        data.open_attributes(tiny, "train")


def test_a_split_that_is_not_there(tiny):
    with pytest.raises(DataError, match="^tfds:tiny_pictures: no split testA .*trainA, trainB$"):
        data.open_source(tiny, "test", "a")


@pytest.mark.parametrize(
    "name,said",
    [
        ("cycle_gann", "did you mean tfds:cycle_gan?"),
        ("needs_tensorflow", "tfds build needs_tensorflow --file_format=array_record"),
        ("cycle_gan/no_such_config", "no_such_config"),
    ],
)
def test_one_line_says_what_to_do(tmp_path, name, said):
    with pytest.raises(DataError) as error:
        data.open_source(tfds_config(name, tmp_path), "train", "a")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_other_file_formats_are_named(tiny, monkeypatch):
    monkeypatch.setattr(
        tfds.core.DatasetInfo, "file_format", property(lambda _: tfds.core.FileFormat.TFRECORD), raising=True
    )
    with pytest.raises(DataError, match="prepared as tfrecord; allowed: array_record"):
        data.open_source(tiny, "train", "a")
