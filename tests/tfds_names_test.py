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
