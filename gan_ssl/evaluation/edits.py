"""Every edit of one attribute, translated, read by a classifier, and compared with the true edited picture."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from gan_ssl.data.label_space import LabelSpace
from gan_ssl.evaluation import label_scores, scores
from gan_ssl.evaluation.classifier import Classifier
from gan_ssl.evaluation.labelled_images import Labelled

Translate = Callable[[np.ndarray, np.ndarray], np.ndarray]  # pictures, labels -> pictures
ERRORS = ("edit_error", "identity_error", "edit_error_inside")


class Scored(NamedTuple):
    """What edits are worth.

    Attributes:
        gan_test: see `label_scores.score`.
        errors: `{error: {mean, untranslated, by_attribute}}` by `ERRORS`; {} where the true pictures are not known.
    """

    gan_test: dict[str, Any]
    errors: dict[str, Any]


def edited_labels(labels: np.ndarray, space: LabelSpace, place: int) -> np.ndarray:
    """Returns `[n, num_labels]` labels with one attribute set, where it is in a group, or flipped."""
    name = space.attributes[place]
    if space.group_of(name):
        return space.edit(labels, {name: 1})
    flipped = labels.copy()
    flipped[:, place] = 1 - labels[:, place]
    return flipped


def score(test: Labelled, space: LabelSpace, translate: Translate, classifier: Classifier) -> Scored:
    """Translates each image by every edit that changes its label; pictures are kept an attribute at a time.

    Args:
        test: the images.
        space: their label space.
        translate: the generator on pictures.
        classifier: of real images, which reads what the translations show.

    Returns:
        GAN-test, and the errors to the true pictures: mean absolute difference on [-1, 1], the mean over attributes of
        the mean over pictures.
    """
    read, wanted, edited, errors = [], [], [], {}
    for place, name in enumerate(tqdm(space.attributes, desc="edits", unit="attribute", disable=None)):
        targets = edited_labels(test.labels, space, place)
        rows = np.flatnonzero((targets != test.labels).any(axis=1))
        if not len(rows):
            continue
        images, targets = test.images[rows], targets[rows]
        translated = translate(images, targets)
        read.append(classifier.judge(translated).labels)
        wanted.append(targets)
        edited.append(np.full(len(rows), place))
        if test.truth is not None:
            truth = np.stack([test.truth(int(row), target) for row, target in zip(rows, targets, strict=True)])
            errors[name] = {
                "translated": edit_errors(translated, truth, images),
                "untranslated": edit_errors(images, truth, images),
            }
    gan_test = label_scores.score(np.concatenate(read), np.concatenate(wanted), space, np.concatenate(edited))
    return Scored(gan_test, _by_error(errors))


def edit_errors(pictures: np.ndarray, truth: np.ndarray, images: np.ndarray) -> dict[str, float]:
    """Compares edited pictures with the true ones.

    Args:
        pictures: `[n, height, width, 3]` to be judged.
        truth: what they should be.
        images: what they were made from; the edited region is where the truth differs from these in any channel.

    Returns:
        `edit_error` over all pixels, `identity_error` outside the edited region, `edit_error_inside` in it: mean
        absolute difference on [-1, 1], the mean over pictures; NaN where no picture has such pixels.
    """
    distance = 2 * np.abs(scores.to_unit(pictures) - scores.to_unit(truth)).mean(axis=-1)
    inside = (truth != images).any(axis=-1)
    return {
        name: _mean_of_means(distance, region)
        for name, region in zip(ERRORS, (np.ones_like(inside), ~inside, inside), strict=True)
    }


def _mean_of_means(values: np.ndarray, region: np.ndarray) -> float:
    """The mean over pictures of the mean over a region; pictures without one do not count."""
    size = region.sum(axis=(1, 2))
    if not size.any():
        return float("nan")
    return float(((values * region).sum(axis=(1, 2))[size > 0] / size[size > 0]).mean())


def _by_error(errors: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    if not errors:
        return {}
    mean = lambda kind, name: float(np.nanmean([e[kind][name] for e in errors.values()]))
    return {
        name: {
            "mean": mean("translated", name),
            "untranslated": mean("untranslated", name),
            "by_attribute": {attribute: e["translated"][name] for attribute, e in errors.items()},
        }
        for name in ERRORS
    }


def grid(test: Labelled, space: LabelSpace, translate: Translate, rows: int = 8) -> dict[str, np.ndarray]:
    """Returns columns of pictures by caption: the first images, and each attribute set or flipped in them."""
    images, labels = test.images[:rows], test.labels[:rows]
    columns = {"image": images}
    for place, (caption, _) in enumerate(space.edits(labels[0])):
        columns[caption] = translate(images, edited_labels(labels, space, place))
    return columns
