"""Tests of gan_ssl.data.label_space: which labels make sense, and what an edit does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_ssl.data.label_space import LabelSpace
from gan_ssl.errors import DataError

HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")
SPACE = LabelSpace((*HAIR, "Smiling", "Eyeglasses"), (HAIR,))


@st.composite
def spaces(draw):
    """Up to 7 attributes in any order, some of them in groups."""
    sizes = draw(st.lists(st.integers(2, 3), max_size=2))
    free = draw(st.integers(0 if sizes else 1, 3))
    names = iter("abcdefghi")
    groups = tuple(tuple(next(names) for _ in range(size)) for size in sizes)
    names = [name for group in groups for name in group] + [next(names) for _ in range(free)]
    return LabelSpace(tuple(draw(st.permutations(names))), groups)


def test_combinations():
    assert SPACE.combinations.dtype == np.uint8
    assert SPACE.combinations.tolist() == [
        *([0, 0, 1, 0, 0], [0, 0, 1, 0, 1], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]),
        *([0, 1, 0, 0, 0], [0, 1, 0, 0, 1], [0, 1, 0, 1, 0], [0, 1, 0, 1, 1]),
        *([1, 0, 0, 0, 0], [1, 0, 0, 0, 1], [1, 0, 0, 1, 0], [1, 0, 0, 1, 1]),
    ]
    assert LabelSpace(("x", "y")).combinations.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@given(spaces())
def test_combinations_are_the_labels_that_check(space):
    count = len(space.attributes)
    everything = (np.arange(2**count)[:, None] >> np.arange(count)[::-1] & 1).astype(np.uint8)
    allowed = everything[space.allows(everything)]
    np.testing.assert_array_equal(space.combinations, allowed)
    np.testing.assert_array_equal(space.index(space.combinations.astype(np.float32)), np.arange(len(allowed)))
    np.testing.assert_array_equal(space.index(everything) >= 0, space.allows(everything))
    for label, sensible in zip(everything, space.allows(everything), strict=True):
        if sensible:
            space.check(label)
        else:
            with pytest.raises(DataError, match="allowed: exactly one$"):
                space.check(label)


@given(spaces(), st.data())
def test_edits_stay_sensible(space, data):
    label = data.draw(st.sampled_from(list(space.combinations)))
    edits = space.edits(label)
    assert len(edits) == len(space.attributes)
    assert space.allows(np.array([edited for _, edited in edits])).all()
    for name, (caption, edited) in zip(space.attributes, edits, strict=True):
        assert caption == name if space.group_of(name) else caption == f"{name} flipped"
        place = space.place(name)
        assert edited[place] == (1 if space.group_of(name) else 1 - label[place])


def test_is_single():
    assert LabelSpace(HAIR, (HAIR[::-1],)).is_single
    assert not SPACE.is_single and not LabelSpace(HAIR).is_single
    assert not LabelSpace(("a", "b", "c", "d"), (("a", "b"), ("c", "d"))).is_single


def test_edit():
    labels = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 1, 1]], np.float32)
    edited = SPACE.edit(labels, {"Smiling": 1, "Brown_Hair": 1})
    assert edited.dtype == np.float32 and edited.tolist() == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 1]]
    assert labels.tolist() == [[1, 0, 0, 0, 1], [0, 1, 0, 1, 1]]
    assert SPACE.edit(labels[0], {"Black_Hair": 0, "Blond_Hair": 1}).tolist() == [0, 1, 0, 0, 1]
    assert SPACE.edit(labels[1], {"Black_Hair": 0}).tolist() == labels[1].tolist()
    nobody = np.zeros(5)
    assert SPACE.edit(nobody, {"Smiling": 1}).tolist() == [0, 0, 0, 1, 0]
    assert SPACE.edit(nobody, {"Blond_Hair": 0}).tolist() == [0] * 5


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"Blond_Har": 1}, "unknown attribute 'Blond_Har'; did you mean 'Blond_Hair'?"),
        ({"Smiling": 2}, "Smiling = 2; allowed: 0 or 1"),
        ({"Black_Hair": 0}, "Black_Hair cleared; allowed: setting another of Black_Hair, Blond_Hair, Brown_Hair"),
        ({"Black_Hair": 1, "Blond_Hair": 1}, "Black_Hair and Blond_Hair set together; allowed: exactly one of"),
    ],
)
def test_impossible_edits(changes, said):
    with pytest.raises(DataError) as error:
        SPACE.edit(np.array([1, 0, 0, 0, 0]), changes)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "label,said",
    [
        ([1, 1, 0, 0, 0], "Black_Hair and Blond_Hair of Black_Hair, .* set in one label; allowed: exactly one"),
        ([0, 0, 0, 1, 0], "none of Black_Hair, "),
        ([1, 0, 0, 0], "allowed: 0 or 1 for each of Black_Hair"),
        ([1, 0, 0, 0, -1], "allowed: 0 or 1"),
    ],
)
def test_check(label, said):
    with pytest.raises(DataError, match=said):
        SPACE.check(label)


@pytest.mark.parametrize(
    "attributes,exclusive,said",
    [
        ((), (), "no attribute"),
        (("a", "a"), (), "'a' is named twice"),
        (("a", "b", "c"), (("a", "b"), ("b", "c")), "'b' is named twice"),
        (("Male", "Young"), (("Male", "Yuong"),), "did you mean 'Young'?"),
    ],
)
def test_spaces_that_cannot_be(attributes, exclusive, said):
    with pytest.raises(DataError, match=said):
        LabelSpace(attributes, exclusive)


def test_restricted():
    assert SPACE.restricted(("Smiling", "Brown_Hair")) == LabelSpace(("Smiling", "Brown_Hair"))
    assert SPACE.restricted(("Smiling", *HAIR[:2])).exclusive == (HAIR[:2],)
    with pytest.raises(DataError, match="did you mean 'Smiling'"):
        SPACE.restricted(("Smile",))


def test_forty_free_attributes_are_not_listed():
    space = LabelSpace(tuple(f"a{i}" for i in range(40)))
    assert space.allows(np.eye(40, dtype=np.uint8)).all()
    with pytest.raises(DataError, match="1099511627776 label combinations; allowed: at most 65536, so choose some"):
        _ = space.combinations
