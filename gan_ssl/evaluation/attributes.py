"""How MatchGAN is scored: by classifiers of attributes, by set distances, and by the true edit where it is known."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors, methods
from gan_ssl.data.images import normalise
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.evaluation import (
    classifier,
    distribution,
    edits,
    identity,
    inception,
    label_scores,
    labelled_images,
    pairs,
    report,
    sanity,
    scores,
)
from gan_ssl.evaluation.batches import in_batches
from gan_ssl.evaluation.labelled_images import Labelled
from gan_ssl.methods import match_gan
from gan_ssl.training import compilation
from gan_ssl.training.checkpoints import Loaded

MOST_TRANSLATED = 2000  # training images that GAN-train's classifier sees
_BATCH = 16
_SANITY_IMAGES, _SANITY_LABELS = 64, 4
_READERS = {"real": "real", "gan_test": "GAN-test", "gan_train": "GAN-train", "label_head": "label head"}
_PUBLISHED = ("fid", "kid", "inception_score")
_OWN = ("classifier_fid", "classifier_kid", "classifier_score")


def evaluate(loaded: Loaded, workdir: str, split: str = "test") -> dict[str, Any]:
    """Scores a run.

    Args:
        loaded: the checkpoint.
        workdir: where `eval.json` and `eval.png` are written.
        split: of the data.

    Returns:
        `gan_test` (a classifier of real images reads every edit; the edited attribute counts), `gan_train` (one of
        translated training images reads real ones), `real` (the first on real images, the ceiling) and `label_head`
        (the discriminator's, on real images): see `label_scores.score`. `edit_error`, `identity_error` (outside the
        edited region), `edit_error_inside`: see `edits.score`; `reconstruction_error`; all on [-1, 1]. `fid`, `kid`,
        `inception_score` by Inception; `classifier_fid`, `classifier_kid`, `classifier_score` by the features of the
        data's own classifier, comparable among runs on the same data alone. `nearest_source`: see
        `identity.nearest_source`. `match_accuracy`: `{real, translated}`. `sanity`, `warnings`, and `missing`:
        reasons by score. None where unknown.

    Raises:
        DataError: the images cannot be used.
        TrainingError: the work directory cannot be written.
    """
    config, files = loaded.config, report.Files(workdir, split)
    space, missing = match_gan.label_space(config), {}
    test = labelled_images.load(config, split, space, config.evaluation.limit)
    judge = classifier.trained_classifier(config, space)
    translate = _translator(loaded)
    result = {"step": loaded.step, "config_hash": configs.config_hash(config), "split": split}
    result["num_images"] = len(test.images)
    scored = edits.score(test, space, translate, judge)
    real = judge.judge(test.images)
    result |= {"gan_test": scored.gan_test, "real": label_scores.score(real.labels, test.labels, space)}
    result["gan_train"] = _gan_train(config, space, translate, test)
    result["label_head"] = _label_head(loaded, space, test, missing)
    result |= scored.errors or dict.fromkeys(edits.ERRORS)
    if not scored.errors:
        missing["edit_error"] = "the true edits of this data are not known"
    # Every image with the label of another, so that the labels of both sets are as frequent.
    targets = test.labels[_shuffled(len(test.labels))]
    translated = translate(test.images, targets)
    back = translate(translated, test.labels)
    result["reconstruction_error"] = 2 * scores.l1(test.images, back)
    seen = judge.judge(translated)
    result |= _set_distances(config, test.images, translated, real, seen, missing)
    result["nearest_source"] = identity.nearest_source(real.features, seen.features, test.labels, targets)
    if result["nearest_source"] is None:
        missing["nearest_source"] = "no edit changes a label that several images have"
    result["match_accuracy"] = _match_accuracy(loaded, test, translate, missing)
    result["sanity"] = _sanity(test, translate)
    result["warnings"] = sanity.warnings_of(result["sanity"]) + _data_warnings(test, space, split)
    result["missing"] = missing
    files.write(result, _lines(result), edits.grid(test, space, translate))
    return result


def _translator(loaded: Loaded) -> edits.Translate:
    """Returns the generator on pictures: integers and labels in, integers out."""
    run = methods.get(loaded.config.method).make_translate(loaded.config)
    params = jax.device_put(loaded.params["generator"])

    @compilation.jit
    def program(params, images, labels):
        top = jnp.iinfo(images.dtype).max
        output = run(params, normalise(images), labels.astype(jnp.float32))
        return jnp.round((jnp.clip(output, -1, 1) + 1) * (top / 2)).astype(images.dtype)

    return lambda images, labels: in_batches(lambda x, y: program(params, x, y), _BATCH, images, labels)


def _shuffled(count: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(count)


def _gan_train(config: ConfigDict, space: LabelSpace, translate: edits.Translate, test: Labelled) -> dict[str, Any]:
    """Trains on translations with the labels that they should have, as frequent as the real ones; tests on real."""
    train = labelled_images.load(config, "train", space, MOST_TRANSLATED)
    targets = train.labels[_shuffled(len(train.labels))]
    translated = translate(train.images, targets)
    trained = classifier.train(translated, targets, space, config.evaluation, name="translated")
    return label_scores.score(trained.judge(test.images).labels, test.labels, space)


def _label_head(loaded: Loaded, space: LabelSpace, test: Labelled, missing: dict[str, str]) -> dict[str, Any] | None:
    if not loaded.config.loss.classification:
        missing["label_head"] = "the label head was not trained: config.loss.classification is 0"
        return None
    net = match_gan.create_networks(loaded.config).discriminator
    params = jax.device_put(loaded.params["discriminator"])
    read = compilation.jit(lambda p, x: match_gan.read_labels(net.apply({"params": p}, normalise(x))[1], space))
    return label_scores.score(in_batches(lambda x: read(params, x), _BATCH, test.images), test.labels, space)


def _match_accuracy(
    loaded: Loaded, test: Labelled, translate: edits.Translate, missing: dict[str, str]
) -> dict[str, float] | None:
    if not loaded.config.loss.match:
        missing["match_accuracy"] = "the match head was not trained: config.loss.match is 0"
        return None
    measured = pairs.match_accuracy(loaded.config, loaded.params["discriminator"], test, translate)
    if measured is None:
        missing["match_accuracy"] = "all images have the same label"
    return measured


def _set_distances(
    config: ConfigDict,
    images: np.ndarray,
    translated: np.ndarray,
    real: classifier.Judged,
    fake: classifier.Judged,
    missing: dict[str, str],
) -> dict[str, float | None]:
    """Compares the sets by the classifier, and by Inception where its weights are there."""

    def published():
        net = inception.load(inception.find(config))
        (seen, _), (made, probabilities) = net.features(images), net.features(translated)
        return _distances(seen, made, (probabilities,))

    own = lambda: _distances(real.features, fake.features, fake.probabilities)
    result: dict[str, float | None] = dict.fromkeys((*_PUBLISHED, *_OWN))
    for names, measure in ((_PUBLISHED, published), (_OWN, own)):
        try:
            result |= dict(zip(names, measure(), strict=True))
        except (errors.DataError, errors.WeightsError) as error:  # too few images, or no weights
            missing |= dict.fromkeys(names, str(error))
    return result


def _distances(real: np.ndarray, fake: np.ndarray, answers: tuple[np.ndarray, ...]) -> tuple[float, float, float]:
    """Returns FID, KID and the score of what is answered; of several questions, its geometric mean."""
    divergence = np.mean([distribution.mean_divergence(p) for p in answers])
    moments = distribution.moments(real), distribution.moments(fake)
    return distribution.fid(*moments), distribution.kid(real, fake)[0], float(np.exp(divergence))


def _sanity(test: Labelled, translate: edits.Translate) -> dict[str, float]:
    """Translates some images to one label each time: with several, one picture a label would look like variation."""
    images = test.images[:_SANITY_IMAGES]
    labels, counts = np.unique(test.labels, axis=0, return_counts=True)
    frequent = labels[np.argsort(-counts, kind="stable")[:_SANITY_LABELS]]
    measured = [sanity.sanity(images, translate(images, np.tile(label, (len(images), 1)))) for label in frequent]
    return {
        "correlation": float(np.mean([m["correlation"] for m in measured])),
        "variation": min(m["variation"] for m in measured),
    }


def _data_warnings(test: Labelled, space: LabelSpace, split: str) -> list[str]:
    lines = label_scores.one_sided(test.labels, space, split)
    if test.left_out:
        lines.append(f"{test.left_out} {split} images are not scored: not exactly one of each exclusive group is set")
    return lines


def _lines(result: Mapping[str, Any]) -> list[str]:
    """Returns the table's lines: attributes by reader, accuracy and balanced accuracy in %, then the rest."""
    readers = {caption: result[name] for name, caption in _READERS.items()}
    names = list(result["real"]["by_attribute"])
    width = max(16, *(len(name) + 2 for name in names))
    row = lambda label, cells: report.row(label, cells, width)
    lines = ["accuracy (balanced accuracy) in %", row("", [*readers, "images with"])]
    for name in (*names, None):
        cells = [_accuracy(scored, name) for scored in readers.values()]
        count = [str(result["real"]["by_attribute"][name]["positive"])] if name else []
        lines.append(row(name or "mean", cells + count))
    for group, scored in result["real"]["groups"].items():
        lines.append(f"one of {group}, real: {report.percent(scored['accuracy'])} of all images")
    lines.append("")
    for name in edits.ERRORS:
        if result[name]:
            lines.append(
                f"{name.replace('_', ' ')} (L1): {result[name]['mean']:.3f}, untranslated "
                f"{result[name]['untranslated']:.3f}"
            )
    lines.append(f"reconstruction error (L1): {result['reconstruction_error']:.3f}")
    shown = [f"{n.replace('_', ' ')} {result[n]:.3f}" for n in (*_PUBLISHED, *_OWN) if result[n] is not None]
    if shown:
        lines.append(", ".join(shown))
    if result["nearest_source"]:
        found, chance = (report.percent(result["nearest_source"][name]) for name in ("accuracy", "chance"))
        lines.append(f"edits whose nearest source is their own: {found}% (chance {chance}%)")
    if result["match_accuracy"]:
        matched = ", ".join(f"{kind} pairs {report.percent(v)}" for kind, v in result["match_accuracy"].items())
        lines.append(f"match accuracy in %: {matched}")
    return lines


def _accuracy(scored: Mapping[str, Any] | None, name: str | None) -> str:
    plain, balanced = label_scores.row_cells(scored, name)
    return "-" if plain is None else f"{report.percent(plain)} ({report.percent(balanced)})"
