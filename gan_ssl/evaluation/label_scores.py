"""How well labels are read: accuracy and balanced accuracy, attribute by attribute."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_ssl.data.label_space import LabelSpace


def score(
    predicted: np.ndarray, truth: np.ndarray, space: LabelSpace, edited: np.ndarray | None = None
) -> dict[str, Any]:
    """Scores labels.

    A member of an exclusive group counts where the truth sets it, and is right where it is the one that is read: its
    accuracy is the share of its own that are found. Any other attribute counts everywhere.

    Args:
        predicted: `[n, num_labels]` 0 or 1, one of each exclusive group.
        truth: the same shape.
        space: what the labels mean.
        edited: `[n]` the attribute that alone counts in each row; None if all do.

    Returns:
        `by_attribute`: `{name: {accuracy, balanced_accuracy, count, positive}}`, where balanced accuracy is the mean of
        the accuracies with and without the attribute, NaN where one of these never comes; a group's member has one of
        them. `groups`: `{names: {accuracy, balanced_accuracy}}` over all that a group counts in. `accuracy` and
        `balanced_accuracy`: the means over the attributes that have one.
    """
    counts = lambda places: np.ones(len(truth), bool) if edited is None else np.isin(edited, places)
    by_attribute, groups = {}, {}
    for i, name in enumerate(space.attributes):
        group = space.group_of(name)
        places = [space.place(member) for member in group] or [i]
        right = (predicted[:, places] == truth[:, places]).all(axis=1)
        positive = counts([i]) & (truth[:, i] == 1)
        counted = positive if group else counts([i])
        sides = [positive] if group else [positive, counted & ~positive]
        by_attribute[name] = {
            "accuracy": _mean(right[counted]),
            "balanced_accuracy": float(np.mean([_mean(right[side]) for side in sides])),
            "count": int(counted.sum()),
            "positive": int(positive.sum()),
        }
        if group and name == group[-1]:
            members = [_mean(right[counts(places) & (truth[:, place] == 1)]) for place in places]
            groups[", ".join(group)] = {
                "accuracy": _mean(right[counts(places)]),
                "balanced_accuracy": _mean(np.array(members)),
            }
    means = {
        key: _mean(np.array([scored[key] for scored in by_attribute.values()]))
        for key in ("accuracy", "balanced_accuracy")
    }
    return means | {"by_attribute": by_attribute, "groups": groups}


def _mean(values: np.ndarray) -> float:
    """The mean of what is a number; NaN where nothing is."""
    values = np.asarray(values, float)
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else float("nan")


def one_sided(labels: np.ndarray, space: LabelSpace, what: str) -> list[str]:
    """Returns a warning for each attribute that no image has, or that all have."""
    lines, share = [], labels.mean(axis=0)
    for name, value in zip(space.attributes, share, strict=True):
        if value in (0, 1):
            lines.append(f"{'no' if value == 0 else 'every'} {what} image has {name}: its scores say little")
    return lines


def row_cells(scored: Mapping[str, Any] | None, name: str | None) -> tuple[float | None, float | None]:
    """Returns accuracy and balanced accuracy of an attribute, or of all where `name` is None; None where unscored."""
    if scored is None:
        return None, None
    part = scored if name is None else scored["by_attribute"][name]
    return part["accuracy"], part["balanced_accuracy"]
