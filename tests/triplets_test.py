"""The pairs that MatchGAN compares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_ssl.pretext import match_triplets
from tests import golden


def test_golden_pairs():
    reference = golden.load_matchgan("multilabel")
    wanted = {tuple(int(reference[f"in/pair_{n}"][i]) for n in ("a", "b", "label")) for i in range(16)}
    first, second, same = match_triplets(4, 4)
    assert {(int(a), int(b), int(s)) for a, b, s in zip(first, second, same, strict=True)} == wanted


@given(groups=st.integers(2, 7), quadruples=st.integers(1, 3))
def test_same_means_same_group(groups, quadruples):
    size = 4 * quadruples
    first, second, same = match_triplets(groups, size)
    assert len(first) == len(second) == len(same) == groups * size
    np.testing.assert_array_equal(first // size == second // size, same)
    assert (first != second).all() and same.mean() == 0.5
    # Positives and negatives come equally often: an unlabelled guess is worth one half.
    assert len(np.unique(np.stack([first, second]), axis=1).T) == len(first)


def test_two_groups_take_the_other_one():
    first, second, same = match_triplets(2, 4)
    assert [(int(a), int(b)) for a, b, s in zip(first, second, same, strict=True) if not s] == [
        (0, 7), (2, 7), (4, 3), (6, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(("groups", "size"), [(1, 4), (2, 6), (2, 0)])
def test_refuses_what_has_no_pairs(groups, size):
    with pytest.raises(ValueError, match="at least 2 groups"):
        match_triplets(groups, size)
