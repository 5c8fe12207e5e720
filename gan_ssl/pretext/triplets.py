"""MatchGAN's pretext task: which images of a batch are compared."""

import numpy as np


def match_triplets(groups: int, images_per_group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs the images of a batch, group by group (MatchGAN, section 3; the layout of its public code).

    Each group is cut into quadruples k0..k3. Anchors k0 and k2 match k1 of their own quadruple, and are told from k3 of
    the group before (k2) and of the one before that (k0), cyclically; with 2 groups both take the other one.

    Args:
        groups: groups of equal labels in the global batch, at least 2.
        images_per_group: a multiple of 4.

    Returns:
        `first`, `second` (indices into the global batch, group-major) and `same`, each `[groups * images_per_group]`:
        four pairs a quadruple in its order, those of an anchor side by side, so that equal shares of the pairs are
        about equal shares of the anchors.

    Raises:
        ValueError: there are no quadruples, or no other group.
    """
    if groups < 2 or images_per_group < 4 or images_per_group % 4:
        raise ValueError(f"{groups} groups of {images_per_group}; allowed: at least 2 groups of a multiple of 4")
    k = np.arange(groups * images_per_group).reshape(groups, -1, 4)
    before, farther = np.roll(k, 1, axis=0), np.roll(k, 2 if groups > 2 else 1, axis=0)
    pairs = [(k, 0, k, 1, True), (k, 0, farther, 3, False), (k, 2, k, 1, True), (k, 2, before, 3, False)]
    first = np.stack([a[..., i] for a, i, _, _, _ in pairs], axis=-1).ravel()
    second = np.stack([b[..., j] for _, _, b, j, _ in pairs], axis=-1).ravel()
    return first, second, np.tile([same for *_, same in pairs], len(first) // 4)
