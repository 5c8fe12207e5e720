"""The report of a tiny MatchGAN run, and its parts on translators whose worth is known."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from gan_ssl import evaluation
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.evaluation import attributes, edits, label_scores, labelled_images, pairs, sanity
from gan_ssl.evaluation.labelled_images import Labelled
from gan_ssl.methods import match_gan
from gan_ssl.training import checkpoints
from tests import tiny

SPACE = LabelSpace(("A", "B", "C", "X"), (("A", "B", "C"),))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def _csv(root, train=24, test=10):
    """Writes images whose colour is their group and whose top is bright with X, and returns the folder."""
    rng, lines = np.random.default_rng(0), ["image,A,B,C,X,split"]
    for i in range(train + test):
        label = [int(i % 3 == j) for j in range(3)] + [int(i % 2)]
        picture = _picture(np.array(label), rng.integers(0, 40))
        Image.fromarray(picture).save(root / f"{i}.png")
        lines.append(",".join([f"{i}.png", *map(str, label), "train" if i < train else "test"]))
    (root / "attributes.csv").write_text("\n".join(lines) + "\n")
    return str(root)


def _picture(label, identity, side=16):
    picture = np.full((side, side, 3), identity, np.uint8)
    picture[side // 2 :] += np.uint8(200) * label[:3].astype(np.uint8)
    picture[: side // 4] += np.uint8(200) * np.uint8(label[3])
    return picture


def _run(root, **overrides):
    fields = {
        "data__name": "csv",
        "data__dir": _csv(root),
        "data__attributes": SPACE.attributes,
        "data__exclusive": SPACE.exclusive,
        "evaluation__classifier_steps": 2,
        "evaluation__classifier_width": 2,
    }
    config = tiny.faces_config(**fields | overrides)
    state = jax.jit(lambda key: match_gan.create_state(key, config))(jax.random.key(0))
    params = {"generator": state.generator.params, "discriminator": state.discriminator.params}
    checkpoints.save_weights(str(root / "workdir"), config, params)
    return root / "workdir"


def test_report(tmp_path, capsys):
    workdir = _run(tmp_path)
    evaluation.evaluate(str(workdir))
    printed = capsys.readouterr().out
    stored = json.loads((workdir / "eval.json").read_text())
    assert stored["num_images"] == 10 and stored["split"] == "test" and len(stored["config_hash"]) == 12
    for name in ("real", "gan_test", "gan_train", "label_head"):
        assert 0 <= stored[name]["accuracy"] <= 1 and list(stored[name]["by_attribute"]) == list(SPACE.attributes)
        assert list(stored[name]["groups"]) == ["A, B, C"]
    assert stored["real"]["by_attribute"]["X"]["count"] == 10 and stored["real"]["by_attribute"]["A"]["positive"] == 4
    assert (
        stored["gan_test"]["by_attribute"]["A"]["count"] == 6 and stored["gan_test"]["by_attribute"]["X"]["count"] == 10
    )
    assert stored["fid"] is stored["edit_error"] is None and stored["classifier_fid"] >= 0
    assert 1 <= stored["classifier_score"] <= 3 and 0 < stored["reconstruction_error"] < 2
    assert set(stored["nearest_source"]) == {"accuracy", "chance", "rank"}
    assert set(stored["match_accuracy"]) == {"real", "translated"} and stored["warnings"] == []
    assert list(stored["missing"]) == ["edit_error", "fid", "kid", "inception_score"]
    with Image.open(workdir / "eval.png") as picture:
        assert picture.width > 5 * 96
    assert not (workdir / "translated").exists()
    assert "GAN-test" in printed and "no score fid, kid, inception_score: no Inception weights: put" in printed


def test_stargan_has_no_match_score_and_limits_are_kept(tmp_path):
    workdir = _run(tmp_path, loss__match=0.0, loss__classification=0.0, evaluation__limit=1)
    result = evaluation.evaluate(str(workdir))
    assert result["num_images"] == 1 and result["match_accuracy"] is result["label_head"] is None
    assert "config.loss.match is 0" in result["missing"]["match_accuracy"]
    assert "at least 2" in result["missing"]["classifier_fid"]
    assert any("no test image has B" in line for line in result["warnings"])


def test_limits_spread_over_the_split_and_senseless_labels_are_left_out(tmp_path):
    config = tiny.faces_config(
        data__name="csv", data__dir=_csv(tmp_path), data__attributes=SPACE.attributes, data__exclusive=SPACE.exclusive
    )
    rows = (tmp_path / "attributes.csv").read_text().replace("24.png,1,0,0", "24.png,0,0,0")
    (tmp_path / "attributes.csv").write_text(rows)
    everything, some = (labelled_images.load(config, "test", SPACE, limit) for limit in (0, 3))
    assert len(everything.images) == 9 and everything.left_out == 1
    np.testing.assert_array_equal(some.images, everything.images[::3])
    np.testing.assert_array_equal(some.labels, everything.labels[::3])


def _labelled(count=12):
    """Images whose labels can be read off, with the true edits."""
    labels = np.array([[*(int(i % 3 == j) for j in range(3)), int(i % 2)] for i in range(count)], np.uint8)
    draw = lambda i, label: _picture(label, 3 * i)
    return Labelled(np.stack([draw(i, label) for i, label in enumerate(labels)]), labels, draw, 0)


class _Reader:
    """A classifier that is always right about these pictures."""

    def judge(self, images):
        base = images[:, 6:7, 0].astype(int)
        group = (images[:, -1].astype(int) - base)[:, 0] > 100
        labels = np.concatenate([group, (images[:, 0, :1, 0] - base[:, 0, :1]) > 100], axis=1)
        return SimpleNamespace(labels=labels.astype(np.uint8))


def _true_edit(images, labels):
    return np.stack([_picture(label, image[6, 0, 0]) for image, label in zip(images, labels, strict=True)])


def test_a_true_editor_is_right_everywhere_and_an_idle_one_nowhere():
    test = _labelled()
    right = edits.score(test, SPACE, _true_edit, _Reader())
    idle = edits.score(test, SPACE, lambda images, labels: images, _Reader())
    assert right.gan_test["accuracy"] == right.gan_test["balanced_accuracy"] == 1.0
    assert idle.gan_test["accuracy"] == idle.gan_test["balanced_accuracy"] == 0.0
    assert right.gan_test["by_attribute"]["X"] == {
        **{"accuracy": 1.0, "balanced_accuracy": 1.0},
        **{"count": 12, "positive": 6},
    }
    for name in edits.ERRORS:
        assert right.errors[name]["mean"] == 0.0
        assert idle.errors[name]["mean"] == idle.errors[name]["untranslated"]
    assert idle.errors["identity_error"]["mean"] == 0.0 < idle.errors["edit_error"]["mean"]
    # The edited quarter of the picture differs by 200 of 255 in all channels.
    by_attribute = idle.errors["edit_error_inside"]["by_attribute"]
    assert by_attribute["X"] == pytest.approx(2 * 200 / 255)
    assert idle.errors["edit_error"]["by_attribute"]["X"] == pytest.approx(0.25 * 2 * 200 / 255)


def test_what_changes_outside_the_edit_is_lost_identity():
    images = np.full((2, 4, 4, 3), 100, np.uint8)
    truth, pictures = images.copy(), images.copy()
    truth[0, :2, :, 1] = 200
    pictures[0, 2:] = 151
    measured = edits.edit_errors(pictures, truth, images)
    assert measured["identity_error"] == pytest.approx((2 * 51 / 255 + 0) / 2)
    assert measured["edit_error_inside"] == pytest.approx(2 * 100 / 255 / 3)
    assert measured["edit_error"] == pytest.approx((0.5 * 2 * 51 / 255 + 0.5 * 2 * 100 / 255 / 3) / 2)


def test_grids_show_every_edit():
    columns = edits.grid(_labelled(), SPACE, _true_edit, rows=3)
    assert list(columns) == ["image", "A", "B", "C", "X flipped"]
    assert all(pictures.shape == (3, 16, 16, 3) for pictures in columns.values())
    np.testing.assert_array_equal(columns["A"][0], columns["image"][0])


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        (lambda images, labels: 255 - images, "colours look inverted"),
        (lambda images, labels: np.stack([_picture(label, 9) for label in labels]), "one picture for every input"),
    ],
)
def test_inverted_pictures_and_one_picture_a_label_are_reported(stub, words):
    rng = np.random.default_rng(0)
    test = _labelled()._replace(images=rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8))
    lines = sanity.warnings_of(attributes._sanity(test, stub))
    assert len(lines) == 1 and words in lines[0]


def test_rare_attributes_are_told_from_well_read_ones():
    space, truth = LabelSpace(("X", "Y")), np.zeros((100, 2), np.uint8)
    truth[:2, 0] = 1
    scored = label_scores.score(np.zeros_like(truth), truth, space)
    assert scored["by_attribute"]["X"] == {"accuracy": 0.98, "balanced_accuracy": 0.5, "count": 100, "positive": 2}
    assert np.isnan(scored["by_attribute"]["Y"]["balanced_accuracy"]) and scored["balanced_accuracy"] == 0.5
    assert label_scores.one_sided(truth, space, "test") == ["no test image has Y: its scores say little"]


def test_groups_are_read_as_one():
    space, truth = LabelSpace(("A", "B"), (("A", "B"),)), np.array([[1, 0]] * 8 + [[0, 1]] * 2)
    scored = label_scores.score(np.array([[1, 0]] * 10), truth, space)
    assert [scored["by_attribute"][name]["accuracy"] for name in "AB"] == [1.0, 0.0] and scored["accuracy"] == 0.5
    assert scored["groups"] == {"A, B": {"accuracy": 0.8, "balanced_accuracy": 0.5}}


def test_pairs_of_one_label_cannot_be_matched():
    test = _labelled()
    same = test._replace(labels=np.tile(test.labels[:1], (12, 1)))
    assert pairs.match_accuracy(tiny.faces_config(), {}, same, _true_edit) is None
