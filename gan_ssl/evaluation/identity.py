"""Whether an edited picture is still that of its source, where the true edit is not known."""

import numpy as np


def nearest_source(
    sources: np.ndarray, edited: np.ndarray, labels: np.ndarray, targets: np.ndarray
) -> dict[str, float] | None:
    """Looks for each edited picture's source among the sources that carry the same label, by features of both.

    Edits towards the label that a source has already do not count: it would be enough to leave the picture alone. What
    labels do to features is taken out first, from the edits what the source's and the target's do together: else a
    generator that returns its input would be far from all sources alike. What is left is compared by cosine, each
    dimension in units of its deviation over the sources, at least a tenth of the mean one. The features are those of a
    classifier of the labels, so they hold of a person only what helped to read labels: chance means that a generator
    ignores its input, but a score below 1 is not a share of lost faces, and an untouched picture scores 1. Compare rows
    of a table.

    Args:
        sources: `[n, dim]` features of real images.
        edited: the same of their edits, in their order.
        labels: `[n, num_labels]` of the sources.
        targets: `[n, num_labels]` of the edits.

    Returns:
        `accuracy`, the share whose own source is the nearest (of several equally near ones a share counts); `chance`,
        what guessing gives; `rank`, the mean share of the sources that are nearer than the own one, 0.5 for guessing.
        None where no edit changes a label that several sources have.
    """
    scale, changed = sources.std(axis=0), (labels != targets).any(axis=1)
    scale = np.maximum(scale, 0.1 * scale.mean()) + 1e-6  # what sources hardly have may be strong in a poor edit
    x = _unit(_unexplained(sources / scale, labels))
    y = np.zeros_like(x)
    y[changed] = _unit(_unexplained(edited[changed] / scale, labels[changed], targets[changed]))
    right, chance, rank = [], [], []
    for group in _one_hot(labels).T > 0:
        asked = changed[group]
        if not asked.any() or len(asked) < 2:
            continue
        likeness = np.round(y[group] @ x[group].T, 6)  # so that equal ones are equal
        own = likeness.diagonal()[:, None]
        nearer, level = (likeness > own).sum(axis=1)[asked], (likeness == own).sum(axis=1)[asked]
        right.append(np.where(nearer == 0, 1.0 / level, 0.0))
        rank.append((nearer + 0.5 * (level - 1)) / (len(asked) - 1))
        chance.append(np.full(len(level), 1.0 / len(asked)))
    if not right:
        return None
    means = (float(np.concatenate(values).mean()) for values in (right, chance, rank))
    return dict(zip(("accuracy", "chance", "rank"), means, strict=True))


def _one_hot(labels: np.ndarray) -> np.ndarray:
    """Returns `[n, different labels]`: which of all labels that occur each row has."""
    _, index = np.unique(labels, axis=0, return_inverse=True)
    return np.eye(index.max(initial=-1) + 1)[index.reshape(-1)]


def _unexplained(features: np.ndarray, *labels: np.ndarray) -> np.ndarray:
    """Returns features without what a sum of one effect a label explains, by least squares."""
    design = np.hstack([_one_hot(each) for each in labels])
    return features - design @ np.linalg.lstsq(design, features.astype(np.float64))[0]


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-3)
