"""Classifiers that learn, and their cache."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_ssl.data.label_space import LabelSpace
from gan_ssl.evaluation import classifier
from tests import tiny

SPACE = LabelSpace(("Red", "Blue", "Lamp"), (("Red", "Blue"),))


def _pictures(count=32, side=16):
    """Red or blue pictures, some with a bright corner."""
    labels = np.array([[i % 2, 1 - i % 2, i // 2 % 2] for i in range(count)], np.uint8)
    images = np.random.default_rng(0).integers(0, 60, (count, side, side, 3), dtype=np.uint8)
    images[labels[:, 0] == 1, :, :, 0] += np.uint8(150)
    images[labels[:, 1] == 1, :, :, 2] += np.uint8(150)
    images[labels[:, 2] == 1, :5] = 255
    return images, labels


def _options(**overrides):
    fields = {"evaluation__classifier_steps": 30, "evaluation__classifier_width": 4}
    return tiny.faces_config(**fields | overrides).evaluation


@pytest.mark.parametrize("size", [(8, 8), (68, 128)])
def test_any_size_is_judged(size):
    net = classifier.AttributeNet(num_labels=3, width=2)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, *size, 3)))["params"]
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
    judged = classifier.Classifier(net, params, SPACE).judge(np.zeros((33, *size, 3), np.uint8))
    assert judged.labels.shape == (33, 3) and judged.features.shape == (33, 16)
    assert [p.shape for p in judged.probabilities] == [(33, 2), (33, 2)]
    assert SPACE.allows(judged.labels).all() and judged.labels.dtype == np.uint8
    np.testing.assert_allclose(judged.probabilities[1].sum(axis=1), 1, rtol=1e-6)


def test_folding_keeps_every_pixel():
    images = jnp.arange(2 * 128 * 64 * 3.0).reshape(2, 128, 64, 3)
    folded = classifier._fold(images)
    assert folded.shape == (2, 64, 32, 12)
    np.testing.assert_array_equal(folded[0, 0, 0].reshape(2, 2, 3), images[0, :2, :2])


def test_learns_a_group_and_a_free_attribute():
    images, labels = _pictures()
    trained = classifier.train(images, labels, SPACE, _options())
    judged = trained.judge(images)
    assert (judged.labels == labels).mean() > 0.95
    np.testing.assert_array_equal(judged.probabilities[0].argmax(axis=1), judged.labels[:, 1])
    np.testing.assert_array_equal(judged.probabilities[1].argmax(axis=1), judged.labels[:, 2])


def test_loss_is_softmax_in_groups_and_sigmoid_outside():
    logits, labels = jnp.array([[1.0, 3.0, -2.0]]), jnp.array([[1.0, 0.0, 0.0]])
    expected = np.log(1 + np.exp(2.0)) + 0.1269
    assert float(classifier.loss_of(logits, labels, SPACE)) == pytest.approx(expected, abs=1e-4)


def test_cache_serves_and_mends_damage(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images, labels = _pictures(8)
    rows = ["image,Red,Blue,Lamp,split"]
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        rows.append(",".join([f"{i}.png", *map(str, label), "train"]))
    (tmp_path / "attributes.csv").write_text("\n".join(rows) + "\n")
    fields = {"data__name": "csv", "data__dir": str(tmp_path), "data__attributes": SPACE.attributes}
    fields |= {"data__exclusive": SPACE.exclusive, "evaluation__classifier_width": 2}
    config = tiny.faces_config(**fields, evaluation__classifier_steps=1)
    trained = []

    def train(images, labels, space, options):
        trained.append(labels.tolist())
        return classifier.Classifier(classifier.AttributeNet(3, 2), {"bias": np.arange(3.0)}, space)

    monkeypatch.setattr(classifier, "train", train)
    first, again = (classifier.trained_classifier(config, SPACE) for _ in range(2))
    assert trained == [labels.tolist()] and first.net == again.net
    np.testing.assert_array_equal(first.params["bias"], again.params["bias"])
    (path,) = classifier.cache_dir().iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    classifier.trained_classifier(config, SPACE)
    assert len(trained) == 2
    classifier.trained_classifier(tiny.faces_config(**fields, evaluation__classifier_steps=2), SPACE)
    assert len(trained) == 3 and len(list(classifier.cache_dir().iterdir())) == 2
