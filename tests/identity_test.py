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
    assert found["accuracy"] > 0.95 and found["rank"] < 0.01 and found["chance"] == pytest.approx(1 / 40)
    assert nearest_source(_SOURCES, _SOURCES, _LABELS, _LABELS) == pytest.approx(
        {"accuracy": 1.0, "chance": 1 / 40, "rank": 0.0}
    )


def test_one_picture_a_label_is_chance():
    """The fault that GAN-test is blind to."""
    same = _TARGETS @ _RNG.normal(size=(3, 16))
    found = nearest_source(_SOURCES, same, _LABELS, _TARGETS)
    assert found["accuracy"] == pytest.approx(found["chance"]) and found["rank"] == pytest.approx(0.5)


def test_strangers_are_near_chance_and_half_a_likeness_between():
    stranger = _RNG.normal(size=(120, 16))
    far, half = (nearest_source(_SOURCES, x, _LABELS, _TARGETS) for x in (stranger, _SOURCES / 5 + stranger))
    assert abs(far["rank"] - 0.5) < 0.1 and far["accuracy"] < 0.1
    assert far["accuracy"] < half["accuracy"] < 1 and half["rank"] < far["rank"]


def test_sources_with_labels_of_their_own_cannot_be_told_apart():
    assert nearest_source(_SOURCES[:3], _SOURCES[:3], np.eye(3), np.eye(3)) is None
