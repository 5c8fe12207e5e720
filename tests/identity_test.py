"""The search for an edited picture's source."""

import numpy as np
import pytest

from gan_ssl.evaluation.identity import nearest_source

_RNG = np.random.default_rng(0)
_LABELS = np.eye(3, dtype=np.uint8)[np.repeat([0, 1, 2], 40)]
_TARGETS = _LABELS[_RNG.permutation(120)]
_SOURCES = _RNG.normal(size=(120, 16)).astype(np.float32) * np.linspace(0.01, 5.0, 16, dtype=np.float32)


def test_an_edit_that_changes_what_the_label_says_alone_is_found():
    moved = _SOURCES + 30 * _TARGETS @ _RNG.normal(size=(3, 16)) + 7.0
    found = nearest_source(_SOURCES, moved, _LABELS, _TARGETS)
    assert found == pytest.approx({"accuracy": 1.0, "chance": 1 / 40, "rank": 0.0})


@pytest.mark.parametrize("gap", [0.0, 3.0, 30.0])
def test_an_untouched_picture_is_found_however_far_apart_the_labels_are(gap):
    """A classifier's features lie far apart by label, and in an untouched picture it is the source's that shows."""
    sources = _SOURCES + gap * _LABELS @ _RNG.normal(size=(3, 16)) * _SOURCES.std(axis=0)
    found = nearest_source(sources, sources, _LABELS, _TARGETS)
    assert found == pytest.approx({"accuracy": 1.0, "chance": 1 / 40, "rank": 0.0})


def test_edits_towards_the_own_label_do_not_count():
    changed = (_LABELS != _TARGETS).any(axis=1)
    assert 60 < changed.sum() < 100
    other = np.where(changed[:, None], _SOURCES, _RNG.normal(size=_SOURCES.shape))
    assert nearest_source(_SOURCES, other, _LABELS, _TARGETS) == nearest_source(_SOURCES, _SOURCES, _LABELS, _TARGETS)
    assert nearest_source(_SOURCES, _SOURCES, _LABELS, _LABELS) is None


def test_by_hand():
    """Four sources of one label on the axes, edited towards two others; the third is taken for the fourth."""
    sources = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    edited = sources[[0, 1, 3, 3]] + np.array([[0, 0], [0, 0], [0.5, 0], [-0.5, 0]])
    labels, targets = np.array([[1, 0]] * 4), np.array([[0, 1]] * 4)
    # Less their mean, (0, -0.5): (1, 0.5), (-1, 0.5), (0.5, -0.5), (-0.5, -0.5). To the third the first and the fourth
    # source are nearer than its own, and the second is level; the fourth is as near to the second as to its own.
    assert nearest_source(sources, edited, labels, targets) == pytest.approx(
        {"accuracy": (1 + 1 + 0 + 0.5) / 4, "chance": 1 / 4, "rank": (0 + 0 + 2.5 / 3 + 0.5 / 3) / 4}
    )


def test_a_feature_that_the_sources_hardly_have_does_not_drown_the_others():
    sources, edited = (np.hstack([_SOURCES, size * _RNG.normal(size=(120, 1))]) for size in (1e-4, 1e-1))
    assert nearest_source(sources, edited, _LABELS, _TARGETS)["accuracy"] == 1


def test_one_picture_a_label_is_chance():
    """The fault that GAN-test is blind to."""
    same = _TARGETS @ _RNG.normal(size=(3, 16))
    found = nearest_source(_SOURCES, same, _LABELS, _TARGETS)
    assert found["accuracy"] == pytest.approx(found["chance"]) and found["rank"] == pytest.approx(0.5)


def test_strangers_are_near_chance_and_half_a_likeness_between():
    stranger = _RNG.normal(size=(120, 16)) * _SOURCES.std(axis=0)
    far, half = (nearest_source(_SOURCES, x, _LABELS, _TARGETS) for x in (stranger, _SOURCES + stranger))
    assert abs(far["rank"] - 0.5) < 0.1 and far["accuracy"] < 0.1
    assert far["accuracy"] < half["accuracy"] < 1 and half["rank"] < far["rank"]


def test_sources_with_labels_of_their_own_cannot_be_told_apart():
    assert nearest_source(_SOURCES[:3], _SOURCES[:3], np.eye(3), np.eye(3)[::-1]) is None
