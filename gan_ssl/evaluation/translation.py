"""How OP-GAN is scored: by segmenters of domain b, by the true translation where it is known, and without labels."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import data, errors, plots, pretext
from gan_ssl.data.images import normalise
from gan_ssl.evaluation import report, sanity, scores, segmentation
from gan_ssl.evaluation.batches import in_batches
from gan_ssl.evaluation.report import percent, row
from gan_ssl.inference import Translator
from gan_ssl.losses.self_supervised import place_cosine
from gan_ssl.methods import op_gan, siamese_terms
from gan_ssl.networks import Siamese
from gan_ssl.training import compilation
from gan_ssl.training.checkpoints import Loaded
from gan_ssl.training.workdir import writing

_COLUMNS = ("direct", "translated", "true", "ceiling")
_SIAMESE_BATCH = 8
_PICTURES = 8


def evaluate(loaded: Loaded, workdir: str, split: str = "test") -> dict[str, Any]:
    """Scores a run.

    Args:
        loaded: the checkpoint.
        workdir: where `eval.json`, `eval.png` and `translated/` are written.
        split: of the data.

    Returns:
        `direct`, `translated`, `ceiling`: each `{miou, miou_spread, pixel_accuracy, iou: {class: ...}}`, the mean over
        the segmenters and the standard deviation of their mIoU. `true`: the same of the true translations, which no
        translator can be asked to exceed: the classes have other shares in them than in the ceiling.
        `distance_to_truth` and `distance_to_truth_direct`: `{l1, ssim, edge_f}` of translations and of untranslated
        images. `edges_kept`: agreement of the strongest edges with the source. `last`: what these three are by the
        last weights, where the run keeps averaged ones, which all else is of. `cycle_l1`: `{a, b}`. `siamese`:
        domain accuracy and correlations on pairs of the split, and where the truth is known `likeness_true`, of a
        source's places to those of its true translation, which has the same content in another light, and
        `likeness_other`, to those of another's: cosines. `sanity`: `{correlation, variation}`. `warnings`, and
        `missing`: reasons by score. None where unknown.

    Raises:
        DataError: the images of domain a cannot be used.
        TrainingError: the work directory cannot be written.
    """
    config, files = loaded.config, report.Files(workdir, split)
    missing: dict[str, str] = {}
    a = data.evaluation_arrays(config, split, "a", config.evaluation.limit)
    folder = _translated_folder(files)
    b = _load_b(config, split, missing)
    # Multiples of 4 are all that the generator needs: pictures are scored as they were trained on.
    translator = Translator(loaded, multiple=4)
    fakes = {"b": translator.translate(a["image"], "a2b")}
    cycle = {"a": scores.l1(a["image"], translator.translate(fakes["b"], "b2a")), "b": None}
    if b is not None:
        fakes["a"] = translator.translate(b["image"], "b2a")
        cycle["b"] = scores.l1(b["image"], translator.translate(fakes["a"], "a2b"))
    _write_translated(folder, a["names"], fakes["b"])
    result = {"step": loaded.step, "config_hash": configs.config_hash(config), "split": split}
    result |= {"num_images": len(a["image"]), "cycle_l1": cycle}
    result |= _picture_scores(a, fakes["b"])
    if "truth" in a:
        result["distance_to_truth_direct"] = _distance(a["image"], a["truth"])
    else:
        missing["distance_to_truth"] = "the true translations of this data are not known"
    result["siamese"] = _siamese_scores(loaded, a, b, fakes, missing)
    result["sanity"] = sanity.sanity(a["image"], fakes["b"])
    result["warnings"] = sanity.warnings_of(result["sanity"])
    last = _by_last_weights(loaded, a["image"], missing)
    shown = {"translated": fakes["b"]} | last | ({"true": a["truth"]} if "truth" in a else {})
    segmented, predictions = _segmentation_scores(config, a, b, shown, missing)
    result["last"] = (segmented.pop("last") or {}) | _picture_scores(a, last["last"]) if last else None
    result |= segmented | {"missing": missing}
    files.write(result, _lines(result), _columns(config, a, fakes["b"], predictions))
    print(f"all translations are in {folder.name}/")
    return result


def _translated_folder(files: report.Files) -> Path:
    """Makes the folder of all translations."""
    folder = files.root / f"translated{files.suffix}"
    with writing(str(files.root)):
        folder.mkdir(exist_ok=True)
    return folder


def _write_translated(folder: Path, names: Sequence[str], images: np.ndarray) -> None:
    """Writes every translation under its source's name."""
    taken = set()
    for name, image in zip(names, images, strict=True):
        stem = os.path.splitext(re.sub(r"^(\.*/)+", "", name))[0]
        target = f"{stem}.png" if stem not in taken else f"{name}.png"
        taken.add(stem)
        plots.save_image(folder / target, plots.to_uint8(image))


def _load_b(config: ConfigDict, split: str, missing: dict[str, str]) -> dict[str, Any] | None:
    try:
        return data.evaluation_arrays(config, split, "b", config.evaluation.limit)
    except errors.DataError as error:  # a2b alone can be judged without domain b
        missing |= {name: str(error) for name in ("ceiling", "siamese", "cycle_l1 of b")}
        return None


def _by_last_weights(loaded: Loaded, images: np.ndarray, missing: dict[str, str]) -> dict[str, np.ndarray]:
    """Returns `{'last': translations}`; nothing where the run keeps no averages and all is of the last weights."""
    if loaded.last is None:
        missing["last"] = "the run keeps no averaged weights, so that all scores are of the last ones"
        return {}
    translator = Translator(loaded._replace(params=loaded.params | {"generator": loaded.last}), multiple=4)
    return {"last": translator.translate(images, "a2b")}


def _picture_scores(a: Mapping[str, Any], fake_b: np.ndarray) -> dict[str, Any]:
    known = {"distance_to_truth": _distance(fake_b, a["truth"])} if "truth" in a else {}
    return {"edges_kept": scores.edge_f_score(a["image"], fake_b), **known}


def _distance(pictures: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {
        "l1": scores.l1(pictures, truth),
        "ssim": scores.ssim(pictures, truth),
        "edge_f": scores.edge_f_score(pictures, truth),
    }


def _siamese_scores(
    loaded: Loaded, a: dict[str, Any], b: dict[str, Any] | None, fakes: dict[str, np.ndarray], missing: dict[str, str]
) -> dict[str, float] | None:
    """Scores the siamese network on patch pairs of images and their translations, as training logs it."""
    config, params = loaded.config, loaded.params["discriminator"].get("siamese")
    if b is None:
        return None
    if not configs.self_supervised(config) or params is None:
        missing["siamese"] = "the siamese network was not trained: its losses have no weight"
        return None
    count = min(len(a["image"]), len(b["image"]))
    size = min(_SIAMESE_BATCH, count)
    net = op_gan.create_networks(config).siamese

    @compilation.jit
    def measure(params, images, fakes, keys):
        images, fakes = ({d: normalise(x) for d, x in pictures.items()} for pictures in (images, fakes))
        return siamese_terms.for_siamese(net, params, images, fakes, keys, config)[1]

    measured = []
    for start in range(0, count - size + 1, size):  # full batches only, so that one program serves all
        part = slice(start, start + size)
        keys = jax.random.split(jax.random.key(start), size)
        images = {"a": a["image"][part], "b": b["image"][part]}
        measured.append(measure(params, images, {d: x[part] for d, x in fakes.items()}, keys))
    found = {name: float(np.mean([m[name] for m in measured])) for name in measured[0]}
    if "truth" in a:
        found |= _likeness(net, params, config, a["image"][:count], a["truth"][:count])
    return found


def _likeness(net: Siamese, params: Any, config: ConfigDict, images: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """How alike the siamese network finds a place and the same place of the true translation, and of another one."""

    @compilation.jit
    def content(images):
        cut = pretext.cut_patches(normalise(images), config.pretext.grid)
        return net.apply({"params": params}, cut.reshape(-1, *cut.shape[2:]), method="features")[0]

    source, true = (in_batches(lambda x: _by_image(content(x), len(x)), _SIAMESE_BATCH, x) for x in (images, truth))
    mean = lambda x, y: float(np.mean(place_cosine(x, y)))
    return {"likeness_true": mean(source, true), "likeness_other": mean(source, np.roll(true, 1, axis=0))}


def _by_image(content: jax.Array, count: int) -> jax.Array:
    return content.reshape(count, -1, *content.shape[1:])


def _segmentation_scores(
    config: ConfigDict,
    a: dict[str, Any],
    b: dict[str, Any] | None,
    translations: Mapping[str, np.ndarray],
    missing: dict[str, str],
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Scores label maps; returns them by column, and the first segmenter's predictions for `translated`."""
    if "label" not in a:
        missing |= dict.fromkeys(("direct", "translated"), "the images of domain a have no labels")
    if b is not None and "label" not in b:
        missing["ceiling"] = "the images of domain b have no labels"
    result: dict[str, Any] = dict.fromkeys((*_COLUMNS, *translations))
    known = {"direct": a["image"]} | dict(translations) if "label" in a else {}
    sets = {name: (images, a["label"]) for name, images in known.items()}
    if b is not None and "label" in b:
        sets["ceiling"] = (b["image"], b["label"])
    if not sets:
        return result, None
    try:
        segmenters = segmentation.trained_segmenters(config)
    except errors.DataError as error:
        missing |= {name: str(error) for name in sets if name in _COLUMNS}
        return result, None
    predicted = {name: [s.predict(images) for s in segmenters] for name, (images, _) in sets.items()}
    names, ignore = data.class_names(config), config.data.ignore_index
    for name, (_, truth) in sets.items():
        matrices = [scores.confusion_matrix(truth, p, len(names), ignore) for p in predicted[name]]
        result[name] = summarise(matrices, names)
    return result, predicted.get("translated", [None])[0]


def summarise(matrices: list[np.ndarray], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Averages the scores of several segmenters over their confusion matrices."""
    mious = [scores.mean_iou(m) for m in matrices]
    known = np.isfinite([scores.iou_by_class(m) for m in matrices])
    iou = np.nan_to_num([scores.iou_by_class(m) for m in matrices]).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    iou = np.where(known.any(axis=0), iou, np.nan)
    return {
        "miou": float(np.mean(mious)),
        "miou_spread": float(np.std(mious, ddof=1)) if len(mious) > 1 else 0.0,
        "pixel_accuracy": float(np.mean([scores.pixel_accuracy(m) for m in matrices])),
        "iou": dict(zip(class_names, iou.tolist(), strict=True)),
    }


def _columns(
    config: ConfigDict, a: dict[str, Any], fake_b: np.ndarray, predicted: np.ndarray | None
) -> dict[str, np.ndarray]:
    names = data.class_names(config)
    columns = {"image": a["image"], "translation": fake_b}
    if predicted is not None:
        columns["prediction"] = plots.colour_labels(predicted[:_PICTURES], len(names), names)
    if "label" in a and names:
        columns["truth"] = plots.colour_labels(a["label"][:_PICTURES], len(names), names)
    if "truth" in a:
        columns["true translation"] = a["truth"]
    return {caption: pictures[:_PICTURES] for caption, pictures in columns.items()}


def _lines(result: Mapping[str, Any]) -> list[str]:
    """Returns the table's lines: classes by direct, translated, true and ceiling in %, then what needs no labels."""
    columns = [name for name in _COLUMNS if name != "true" or result.get(name)]
    lines, shown = [], {name: result[name] for name in columns if result.get(name)}
    if shown:
        lines.append(row("IoU in %", columns))
        for label in next(iter(shown.values()))["iou"]:
            lines.append(row(label, [percent(shown.get(c, {}).get("iou", {}).get(label)) for c in columns]))
        lines.append(row("mIoU", [_with_spread(shown.get(c)) for c in columns]))
        lines.append(row("pixel accuracy", [percent(shown.get(c, {}).get("pixel_accuracy")) for c in columns]) + "\n")
    for name, caption in (("distance_to_truth_direct", "untranslated"), ("distance_to_truth", "translated")):
        if name in result:
            d = result[name]
            lines.append(
                f"to the true translation, {caption}: L1 {d['l1']:.3f}, SSIM {d['ssim']:.3f}, edges {d['edge_f']:.2f}"
            )
    lines.append(f"edges kept: {result['edges_kept']:.2f}")
    if result["last"]:
        lines.append(_of_last(result["last"]))
    cycle = ", ".join(f"{d} {value:.3f}" for d, value in result["cycle_l1"].items() if value is not None)
    lines.append(f"cycle error (L1): {cycle}")
    if result["siamese"]:
        lines.append("siamese network: " + ", ".join(f"{k} {v:.2f}" for k, v in result["siamese"].items()))
    return lines


def _with_spread(scored: Mapping[str, Any] | None) -> str:
    return f"{percent(scored['miou'])} ±{100 * scored['miou_spread']:.1f}" if scored else "-"


def _of_last(last: Mapping[str, Any]) -> str:
    parts = [f"mIoU {_with_spread(last)}"] if "miou" in last else []
    parts += [f"L1 {last['distance_to_truth']['l1']:.3f}"] if "distance_to_truth" in last else []
    return "with the last weights: " + ", ".join([*parts, f"edges kept {last['edges_kept']:.2f}"])
