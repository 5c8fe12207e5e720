"""The labels that make sense: names of attributes, and groups of which an image has exactly one."""

import collections
import dataclasses
import difflib
import functools
import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from gan_ssl.errors import DataError

# Past these, `combinations` is refused: nobody draws from so many, and 40 free attributes would have 10^12.
_MOST_COMBINATIONS = 2**16


@dataclasses.dataclass(frozen=True)
class LabelSpace:
    """Attributes and which of them exclude each other. A label is one 0 or 1 an attribute, in their order.

    Attributes:
        attributes: their names.
        exclusive: groups of names; a sensible label sets exactly one of each.
    """

    attributes: tuple[str, ...]
    exclusive: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self):
        """Raises DataError for a name that is unknown, comes twice or cannot be printed, or where there is none."""
        if not self.attributes:
            raise DataError("no attribute; allowed: at least one")
        for name in self.attributes:
            if not name.isprintable():
                raise DataError(f"attribute {name!r} cannot be printed; allowed: names in one line, as captions have")
        for names in (self.attributes, tuple(itertools.chain(*self.exclusive))):
            if len(set(names)) < len(names):
                twice = next(name for name, count in collections.Counter(names).items() if count > 1)
                raise DataError(f"attribute {twice!r} is named twice; allowed: once in the attributes, in one group")
        for name in itertools.chain(*self.exclusive):
            self.place(name)

    def place(self, name: str) -> int:
        """Returns an attribute's place in a label; raises DataError with the nearest name where there is none."""
        if name not in self.attributes:
            raise DataError(unknown_attribute(name, self.attributes))
        return self.attributes.index(name)

    def group_of(self, name: str) -> tuple[str, ...]:
        """Returns the exclusive group that an attribute is in, () for none."""
        return next((group for group in self.exclusive if name in group), ())

    @property
    def is_single(self) -> bool:
        """Whether one group holds all attributes: labels are one-hot."""
        return len(self.exclusive) == 1 and len(self.exclusive[0]) == len(self.attributes)

    @functools.cached_property
    def combinations(self) -> np.ndarray:
        """All sensible labels, [combinations, attributes] uint8, sorted; the first attribute varies slowest.

        Raises:
            DataError: there are more than can be listed.
        """
        free = [name for name in self.attributes if not self.group_of(name)]
        count = 2 ** len(free) * int(np.prod([len(group) for group in self.exclusive], dtype=object))
        if count > _MOST_COMBINATIONS:
            raise DataError(
                f"{len(self.attributes)} attributes have {count} label combinations; allowed: at most "
                f"{_MOST_COMBINATIONS}, so choose some in config.data.attributes"
            )
        choices = [[{name: 1} for name in group] for group in self.exclusive] + [[{}, {name: 1}] for name in free]
        rows = [[name in set().union(*chosen) for name in self.attributes] for chosen in itertools.product(*choices)]
        return np.array(sorted(rows), np.uint8)

    def allows(self, labels: np.ndarray) -> np.ndarray:
        """Returns, [n] bool, which of [n, attributes] labels of 0 and 1 set exactly one of every group."""
        labels, sensible = np.asarray(labels), np.ones(len(labels), bool)
        for places in self._groups():
            sensible &= labels[:, places].sum(1) == 1
        return sensible

    def index(self, labels: np.ndarray) -> np.ndarray:
        """Returns, [n] int, which row of `combinations` each of [n, attributes] labels is; -1 for none."""
        rows = {row.tobytes(): i for i, row in enumerate(self.combinations)}
        return np.array([rows.get(row.tobytes(), -1) for row in np.asarray(labels).astype(np.uint8)], int)

    def check(self, label: np.ndarray) -> None:
        """Raises DataError where one label, [attributes], is not sensible: what is wrong, and what is allowed."""
        label = np.asarray(label)
        if label.shape != (len(self.attributes),) or not np.isin(label, (0, 1)).all():
            raise DataError(f"label {label.tolist()}; allowed: 0 or 1 for each of {', '.join(self.attributes)}")
        for group, places in zip(self.exclusive, self._groups(), strict=True):
            chosen = [name for name, value in zip(group, label[places], strict=True) if value]
            if len(chosen) != 1:
                raise DataError(
                    f"{' and '.join(chosen) or 'none'} of {', '.join(group)} set in one label; allowed: exactly one"
                )

    def edit(self, labels: np.ndarray, changes: Mapping[str, int]) -> np.ndarray:
        """Sets and clears attributes; setting one of a group clears the others.

        Args:
            labels: [..., attributes] of any type.
            changes: 0 or 1 by name.

        Returns:
            New labels of the same shape and type.

        Raises:
            DataError: a name is unknown, a value neither 0 nor 1, or a group would be left with two or none.
        """
        labels = np.array(labels)
        for name, value in changes.items():
            self.place(name)
            if value not in (0, 1):
                raise DataError(f"{name} = {value!r}; allowed: 0 or 1")
        for name in self.attributes:
            if name in changes and not self.group_of(name):
                labels[..., self.place(name)] = changes[name]
        for group in self.exclusive:
            self._edit_group(labels, group, {name: changes[name] for name in group if name in changes})
        return labels

    def edits(self, label: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Returns captions and labels of all edits of one attribute: each member of a group, each other one flipped."""
        made = []
        for i, name in enumerate(self.attributes):
            if self.group_of(name):
                made.append((name, self.edit(label, {name: 1})))
            else:
                made.append((f"{name} flipped", self.edit(label, {name: int(not label[i])})))
        return made

    def restricted(self, attributes: tuple[str, ...]) -> "LabelSpace":
        """Returns the space of some attributes; of a group that keeps one member, nothing excludes that one.

        Raises:
            DataError: a name is unknown; with the nearest.
        """
        for name in attributes:
            self.place(name)
        kept = [tuple(name for name in group if name in attributes) for group in self.exclusive]
        return LabelSpace(tuple(attributes), tuple(group for group in kept if len(group) > 1))

    def describe(self, label: np.ndarray) -> str:
        """Returns what a label sets, in words."""
        chosen = [name for name, value in zip(self.attributes, label, strict=True) if value]
        return ", ".join(chosen) or "no attribute"

    def _groups(self) -> list[list[int]]:
        return [[self.attributes.index(name) for name in group] for group in self.exclusive]

    def _edit_group(self, labels: np.ndarray, group: tuple[str, ...], changes: Mapping[str, int]) -> None:
        """Changes one group in place."""
        places = [self.attributes.index(name) for name in group]
        chosen = [name for name, value in changes.items() if value]
        if len(chosen) > 1:
            raise DataError(f"{' and '.join(chosen)} set together; allowed: exactly one of {', '.join(group)}")
        had_one = labels[..., places].any(-1)
        if chosen:
            labels[..., places] = 0
        for name, value in changes.items():
            labels[..., self.attributes.index(name)] = value
        if (had_one & ~labels[..., places].any(-1)).any():
            raise DataError(f"{' and '.join(changes)} cleared; allowed: setting another of {', '.join(group)} instead")


def unknown_attribute(name: str, known: Iterable[str]) -> str:
    """Returns the words for an attribute that does not exist, with the nearest that does."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"unknown attribute {name!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")
