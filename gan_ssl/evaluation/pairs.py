"""Whether the match head tells equal labels from different ones, on real and on translated pairs."""

from collections.abc import Callable

import numpy as np
from ml_collections import ConfigDict

from gan_ssl import pretext
from gan_ssl.data.images import normalise
from gan_ssl.evaluation.labelled_images import Labelled
from gan_ssl.methods import match_gan
from gan_ssl.training import compilation

_BATCHES, _MOST_GROUPS = 32, 4


def match_accuracy(
    config: ConfigDict, params: dict, test: Labelled, translate: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> dict[str, float] | None:
    """Scores the match head on pairs drawn as in training: chance is 0.5.

    Args:
        config: of the run.
        params: of the discriminator.
        test: images with labels.
        translate: the generator on pictures.

    Returns:
        Accuracy on `real` pairs and on pairs of `translated` images, by their targets; None where all images have the
        same label, so that there is nothing to tell.
    """
    combinations, group_of = np.unique(test.labels, axis=0, return_inverse=True)
    if len(combinations) < 2:
        return None
    groups, each = min(_MOST_GROUPS, len(combinations)), config.data.images_per_group
    first, second, same = pretext.match_triplets(groups, each)
    net = match_gan.create_networks(config).discriminator

    @compilation.jit
    def accuracy(params, images):
        features = net.apply({"params": params}, normalise(images), method="features")
        logits = net.apply({"params": params}, features[first], features[second], method="match_features")
        return (logits.argmax(axis=-1) == same).mean()

    rng, measured = np.random.default_rng(0), {"real": [], "translated": []}
    for _ in range(_BATCHES):
        chosen = rng.choice(len(combinations), groups, replace=False)
        members = [np.flatnonzero(group_of.ravel() == group) for group in chosen]
        rows = np.concatenate([rng.choice(m, each, replace=len(m) < each) for m in members])
        measured["real"].append(accuracy(params, test.images[rows]))
        others = rng.choice(len(test.images), groups * each)
        translated = translate(test.images[others], combinations[chosen].repeat(each, axis=0))
        measured["translated"].append(accuracy(params, translated))
    return {name: float(np.mean(values)) for name, values in measured.items()}
