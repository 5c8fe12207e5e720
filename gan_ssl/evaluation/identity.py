"""Whether an edited picture is still that of its source, where the true edit is not known."""

import numpy as np


def nearest_source(
    sources: np.ndarray, edited: np.ndarray, labels: np.ndarray, targets: np.ndarray
) -> dict[str, float] | None:
    """Looks for each edited picture's source among the sources that carry the same label, by features of both.

    What a label does to features is taken out first: the mean over the sources of a label, and over the edited pictures
    of a target. What is left is compared by cosine, each dimension in units of its deviation over the sources. The
    features are those of a classifier of the labels, so they hold of a person only what helped to read labels: chance
    means that a generator ignores its input, but a score below 1 is not a share of lost faces. Compare rows of a table.

    Args:
        sources: `[n, dim]` features of real images.
        edited: the same of their edits, in their order.
        labels: `[n, num_labels]` of the sources.
        targets: `[n, num_labels]` of the edits.

    Returns:
        `accuracy`, the share whose own source is the nearest (of several equally near ones a share counts); `chance`,
        what guessing gives; `rank`, the mean share of the sources that are nearer than the own one, 0.5 for guessing.
        None where every source has a label of its own.
    """
    scale = sources.std(axis=0) + 1e-6
    x, y = _less_mean(sources / scale, labels), _less_mean(edited / scale, targets)
    right, chance, rank = [], [], []
    for rows in _groups(labels):
        if len(rows) < 2:
            continue
        likeness = np.round(_unit(y[rows]) @ _unit(x[rows]).T, 6)  # so that equal ones are equal
        own = likeness.diagonal()[:, None]
        nearer, level = (likeness > own).sum(axis=1), (likeness == own).sum(axis=1)
        right.append(np.where(nearer == 0, 1.0 / level, 0.0))
        rank.append((nearer + 0.5 * (level - 1)) / (len(rows) - 1))
        chance.append(np.full(len(rows), 1.0 / len(rows)))
    if not right:
        return None
    means = (float(np.concatenate(values).mean()) for values in (right, chance, rank))
    return dict(zip(("accuracy", "chance", "rank"), means, strict=True))


def _groups(labels: np.ndarray) -> list[np.ndarray]:
    """Returns the rows of each label."""
    _, index = np.unique(labels, axis=0, return_inverse=True)
    return [np.flatnonzero(index == i) for i in range(index.max() + 1)]


def _less_mean(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    features = features.astype(np.float64)
    for rows in _groups(labels):
        features[rows] -= features[rows].mean(axis=0)
    return features


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-3)
