"""Segmenters that learn, and their cache."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl import errors
from gan_ssl.evaluation import scores, segmentation, segmentation_networks
from tests import tiny


def _config(folder, **overrides):
    evaluation = {"num_segmenters": 2, "segmenter_steps": 30, "segmenter_width": 4, "segmenter_batch_size": 2}
    changes = {f"evaluation__{name}": value for name, value in evaluation.items()}
    return tiny.config(data__name="folder", data__dir=folder, **changes | overrides)


@pytest.mark.parametrize("size", [(8, 8), (3, 20)])
@pytest.mark.parametrize("name", ["unet", "pspnet"])
def test_any_size_is_segmented(name, size):
    net = segmentation.NETWORKS[name](num_classes=3, width=4)
    params = jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, *size, 3)))["params"]
    images = np.zeros((17, *size, 3), np.uint8)
    labels = segmentation.Segmenter(net, params).predict(images)
    assert labels.shape == (17, *size) and labels.dtype == np.uint8


def test_pooling_averages_fields_as_the_paper_does():
    x = jnp.arange(7.0).reshape(1, 1, 7, 1)
    pooled = segmentation_networks._pooled(x, 3)[0, 0, :, 0]
    np.testing.assert_allclose(pooled, [1.0, 3.0, 5.0])  # of 0 to 2, 2 to 4, 4 to 6


@pytest.mark.parametrize("name", ["unet", "pspnet"])
def test_learns_left_from_right_and_ignores_what_is_ignored(name):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (8, 4, 4), dtype=np.uint8).repeat(6, axis=1).repeat(6, axis=2)
    images = np.where(labels[..., None], (200, 60, 60), (60, 60, 200)).astype(np.uint8)
    spoilt = labels.copy()
    spoilt[:, ::2] = 9
    options = _config("", evaluation__segmenter=name, evaluation__segmenter_steps=60).evaluation
    (segmenter,) = segmentation.train(images, spoilt, 2, options, ignore_index=9, seeds=[0])
    matrix = scores.confusion_matrix(labels, segmenter.predict(images), 2)
    assert (
        scores.mean_iou(matrix) > {"unet": 0.9, "pspnet": 0.8}[name]
    )  # whose edges are those of a quarter of the size


def test_jitter_changes_the_light_and_not_the_range():
    images = jnp.linspace(-1, 1, 2 * 8 * 8 * 3).reshape(2, 8, 8, 3)
    first, second = (segmentation.jitter_images(jax.random.key(i), images) for i in range(2))
    assert first.shape == images.shape and float(jnp.max(jnp.abs(first))) <= 1
    assert float(jnp.mean(jnp.abs(first - second))) > 0.01


def test_cache_serves_seeds_and_mends_damage(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trained = []
    real = segmentation.train
    monkeypatch.setattr(segmentation, "train", lambda *args: trained.append(list(args[-1])) or real(*args))
    config = _config(tiny.folder(tmp_path / "data", labels=True), evaluation__segmenter_steps=1)
    first = segmentation.trained_segmenters(config)
    again = segmentation.trained_segmenters(config)
    assert trained == [[0, 1]]
    jax.tree.map(np.testing.assert_array_equal, first[1].params, again[1].params)
    files = sorted(segmentation.cache_dir().iterdir())
    files[1].write_bytes(files[1].read_bytes()[:-1])
    mended = segmentation.trained_segmenters(config)
    assert trained == [[0, 1], [1]]
    jax.tree.map(np.testing.assert_array_equal, first[1].params, mended[1].params)
    with config.unlocked():
        config.evaluation.jitter = False
    segmentation.trained_segmenters(config)
    assert trained[2:] == [[0, 1]] and len(list(segmentation.cache_dir().iterdir())) == 4


def test_an_unwritable_cache_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    config = _config(tiny.folder(tmp_path / "data", labels=True), evaluation__segmenter_steps=1)
    assert len(segmentation.trained_segmenters(config)) == 2


def test_missing_labels_are_named(tmp_path):
    with pytest.raises(errors.DataError, match="no labels"):
        segmentation.trained_segmenters(_config(tiny.folder(tmp_path)))
