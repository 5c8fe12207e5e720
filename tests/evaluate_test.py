"""The report on a tiny run: what it holds, what it says is missing, and what it warns of."""

import functools
import json
import shutil

import jax
import numpy as np
import pytest
from absl import logging
from PIL import Image

from gan_ssl import data, errors, evaluation
from gan_ssl.evaluation import report, sanity, segmentation, translation
from gan_ssl.methods import op_gan
from gan_ssl.training import checkpoints
from tests import tiny


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@functools.cache
def _params():
    state = jax.jit(lambda key: op_gan.create_state(key, tiny.config()))(jax.random.key(0))
    return {"generator": state.generator.params, "discriminator": state.discriminator.params}


def _run(root, labels=True, **overrides):
    fields = {
        "data__name": "folder",
        "data__dir": tiny.folder(root / "data", labels=labels),
        "data__class_names": ("sky", "road", "lamp"),
        "evaluation__num_segmenters": 2,
        "evaluation__segmenter_steps": 2,
        "evaluation__segmenter_width": 4,
        "evaluation__segmenter_batch_size": 2,
    }
    config = tiny.config(**fields | overrides)
    checkpoints.save_weights(str(root / "workdir"), config, _params())
    return root / "workdir"


def test_report(tmp_path, capsys):
    workdir = _run(tmp_path)
    result = evaluation.evaluate(str(workdir))
    printed = capsys.readouterr().out
    stored = json.loads((workdir / "eval.json").read_text())
    assert stored["step"] == 0 and len(stored["config_hash"]) == 12 and stored["num_images"] == 5
    for name in ("direct", "translated", "ceiling"):
        assert set(stored[name]) == {"miou", "miou_spread", "pixel_accuracy", "iou"}
        assert 0 <= stored[name]["miou"] <= 1 and list(stored[name]["iou"]) == ["sky", "road", "lamp"]
    assert set(stored["cycle_l1"]) == {"a", "b"} and 0 < stored["cycle_l1"]["a"] < 1
    assert set(stored["siamese"]) == {"content_std", "correlation_same", "correlation_other", "domain_accuracy"}
    assert set(stored["missing"]) == {"distance_to_truth", "last"} and "distance_to_truth" in result["missing"]
    assert sorted(p.name for p in (workdir / "translated").iterdir()) == [f"{i}.png" for i in range(5)]
    with Image.open(workdir / "eval.png") as picture:
        assert picture.width > 4 * 96
    assert "mIoU" in printed and "lamp" in printed and "edges kept" in printed


def test_the_last_weights_are_scored_beside_the_averaged_ones(tmp_path, capsys):
    workdir, params = _run(tmp_path), _params()
    other = jax.tree.map(lambda x: x + 0.05, params["generator"])
    averaged = checkpoints.load(str(workdir))._replace(params=params, last=other)
    alone = averaged._replace(params=params | {"generator": other}, last=None)
    both, wanted = (translation.evaluate(loaded, str(workdir)) for loaded in (averaged, alone))
    assert wanted["last"] is None and "no averaged weights" in wanted["missing"]["last"]
    assert both["last"] == wanted["translated"] | {"edges_kept": wanted["edges_kept"]}
    assert both["edges_kept"] != wanted["edges_kept"]
    assert "with the last weights: mIoU" in capsys.readouterr().out


def test_without_labels_the_rest_is_given(tmp_path, capsys):
    workdir = _run(tmp_path, labels=False, loss__content=0.0, loss__twin=0.0, loss__domain=0.0)
    evaluation.evaluate(str(workdir), split="test")
    stored = json.loads((workdir / "eval.json").read_text())
    assert stored["direct"] is stored["translated"] is stored["ceiling"] is stored["siamese"] is None
    assert set(stored["missing"]) == {"direct", "translated", "ceiling", "siamese", "distance_to_truth", "last"}
    assert stored["cycle_l1"]["b"] > 0
    assert "no score direct, translated: the images of domain a have no labels" in capsys.readouterr().out
    loaded = checkpoints.load(str(workdir))
    result = translation.evaluate(loaded._replace(last=loaded.params["generator"]), str(workdir))
    assert result["last"] == {"edges_kept": result["edges_kept"]} and "last" not in result["missing"]


def test_without_domain_b_translations_are_still_scored(tmp_path):
    workdir = _run(tmp_path)
    shutil.rmtree(tmp_path / "data" / "testB")
    result = evaluation.evaluate(str(workdir))
    assert result["ceiling"] is None and result["translated"]["miou"] >= 0 and result["cycle_l1"]["b"] is None
    assert "testB" in result["missing"]["ceiling"]


def test_data_may_have_moved(tmp_path):
    workdir = _run(tmp_path, labels=False, evaluation__limit=2)
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(errors.DataError, match="testA"):
        evaluation.evaluate(str(workdir))
    assert evaluation.evaluate(str(workdir), data_dir=str(tmp_path / "moved"))["num_images"] == 2


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"split": "train"}, errors.DataError, "split is 'train'; allowed: test, validation"),
        ({"split": "validation"}, errors.DataError, "val"),
        ({"step": 7}, errors.CheckpointError, "7"),
    ],
)
def test_bad_arguments_are_named(tmp_path, kwargs, error, message):
    with pytest.raises(error, match=message):
        evaluation.evaluate(str(_run(tmp_path)), **kwargs)


def test_unwritable_work_directories_are_named_first(tmp_path):
    workdir = _run(tmp_path)
    (workdir / "translated").touch()
    with pytest.raises(errors.TrainingError, match="cannot write to the work directory"):
        evaluation.evaluate(str(workdir))


@pytest.mark.parametrize(
    ("stub", "words"),
    [(lambda x: 255 - x, "colours look inverted"), (lambda x: np.full_like(x, 99), "one picture for every input")],
)
def test_inverted_and_constant_translations_are_reported(stub, words, monkeypatch):
    logged = []
    monkeypatch.setattr(logging, "warning", lambda line, *args: logged.append(line))
    images = tiny.batch()["a"]
    measured = sanity.sanity(images, stub(images))
    lines = sanity.warnings_of(measured)
    assert len(lines) == 1 and words in lines[0] and logged == lines
    assert sanity.warnings_of(sanity.sanity(images, images)) == []


def test_segmenters_are_averaged_over_the_classes_that_they_have():
    matrices = [np.array([[2, 0, 0], [0, 2, 0], [0, 0, 0]]), np.array([[2, 0, 0], [0, 1, 1], [0, 0, 0]])]
    summary = translation.summarise(matrices, ("x", "y", "z"))
    assert summary["miou"] == pytest.approx((1 + 0.5) / 2) and summary["iou"] == {"x": 1.0, "y": 0.75, "z": 0.0}
    assert summary["miou_spread"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert np.isnan(translation.summarise(matrices[:1], ("x", "y", "z"))["iou"]["z"])


def test_json_has_no_nan():
    assert json.loads(report.to_json({"x": float("nan"), "y": [float("inf"), 1.0]})) == {"x": None, "y": [None, 1.0]}


def test_true_translations_are_compared():
    a = {"image": tiny.batch()["a"], "truth": tiny.batch(seed=1)["a"]}
    result = translation._picture_scores(a, a["truth"])
    assert result["distance_to_truth"] == {"l1": 0.0, "ssim": pytest.approx(1.0), "edge_f": 1.0}
    assert translation._picture_scores(a, a["image"])["distance_to_truth"]["l1"] > 0.1


def test_true_translations_are_segmented_beside_translations(tmp_path, monkeypatch):
    arrays = data.evaluation_arrays
    known = lambda config, split, domain, limit=0: _with_truth(arrays(config, split, domain, limit), domain)
    monkeypatch.setattr(data, "evaluation_arrays", known)
    result = evaluation.evaluate(str(_run(tmp_path)))
    assert result["true"] == result["direct"] and result["true"]["miou"] >= 0  # the truth is the source here
    assert translation._lines(result)[0].split() == ["IoU", "in", "%", "direct", "translated", "true", "ceiling"]


def _with_truth(arrays, domain):
    return arrays | ({"truth": arrays["image"]} if domain == "a" else {})


def test_likeness_of_the_same_content_in_another_light():
    config, params = tiny.config(), _params()["discriminator"]["siamese"]
    net, images = op_gan.create_networks(config).siamese, tiny.batch()["a"]
    found = translation._likeness(net, params, config, images, images)
    assert found["likeness_true"] == pytest.approx(1.0, abs=1e-4) and found["likeness_other"] < 0.99
    moved = translation._likeness(net, params, config, images, np.roll(images, 1, axis=0))
    assert moved["likeness_true"] == pytest.approx(found["likeness_other"], abs=1e-5)


def test_cache_lies_in_the_users_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert segmentation.cache_dir().parts[-3:] == (".cache", "gan_ssl", "segmenters")
