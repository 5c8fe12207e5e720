"""What evaluation leaves: a table on the terminal, JSON, one picture, and every translation."""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_ssl import plots
from gan_ssl.training.checkpoints import writing

_COLUMNS = ("direct", "translated", "ceiling")


class Files:
    """The report's files in a work directory; made before anything is computed, so that a full disk shows early."""

    def __init__(self, workdir: str, split: str):
        suffix = "" if split == "test" else f"_{split}"
        root = Path(workdir)
        self.json, self.picture = root / f"eval{suffix}.json", root / f"eval{suffix}.png"
        self.translated = root / f"translated{suffix}"
        with writing(workdir):
            self.translated.mkdir(exist_ok=True)
            if not os.access(root, os.W_OK):
                raise PermissionError(13, "permission denied")

    def write_translated(self, names: Sequence[str], images: np.ndarray) -> None:
        """Writes every translation under its source's name."""
        taken = set()
        for name, image in zip(names, images, strict=True):
            stem = os.path.splitext(re.sub(r"^(\.*/)+", "", name))[0]
            target = f"{stem}.png" if stem not in taken else f"{name}.png"
            taken.add(stem)
            plots.save_image(self.translated / target, plots.to_uint8(image))

    def write(self, result: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> None:
        """Writes JSON and picture, and prints the table."""
        partial = self.json.with_suffix(".new")
        partial.write_text(to_json(result) + "\n")
        os.replace(partial, self.json)
        plots.save_image(self.picture, plots.image_grid(columns))
        print(table(result))
        print(f"\n{self.json}, {self.picture.name} and {self.translated.name}/ are written")


def to_json(result: Mapping[str, Any]) -> str:
    """Returns JSON, with null for what is no number."""
    return json.dumps(_without_nan(result), indent=2)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(result: Mapping[str, Any]) -> str:
    """Returns the scores as text: classes by direct, translated and ceiling in %, then what needs no labels."""
    lines = [f"step {result['step']}, {result['split']} split, {result['num_images']} images of domain a", ""]
    shown = {name: result[name] for name in _COLUMNS if result.get(name)}
    if shown:
        lines.append(_row("IoU in %", list(_COLUMNS)))
        for label in next(iter(shown.values()))["iou"]:
            lines.append(_row(label, [_percent(shown.get(c, {}).get("iou", {}).get(label)) for c in _COLUMNS]))
        lines.append(_row("mIoU", [_with_spread(shown.get(c)) for c in _COLUMNS]))
        lines.append(
            _row("pixel accuracy", [_percent(shown.get(c, {}).get("pixel_accuracy")) for c in _COLUMNS]) + "\n"
        )
    for name, caption in (("distance_to_truth_direct", "untranslated"), ("distance_to_truth", "translated")):
        if name in result:
            d = result[name]
            lines.append(
                f"to the true translation, {caption}: L1 {d['l1']:.3f}, SSIM {d['ssim']:.3f}, edges {d['edge_f']:.2f}"
            )
    lines.append(f"edges kept: {result['edges_kept']:.2f}")
    cycle = ", ".join(f"{d} {value:.3f}" for d, value in result["cycle_l1"].items() if value is not None)
    lines.append(f"cycle error (L1): {cycle}")
    if result["siamese"]:
        lines.append("siamese network: " + ", ".join(f"{k} {v:.2f}" for k, v in result["siamese"].items()))
    lines.append("input and output: " + ", ".join(f"{k} {v:.2f}" for k, v in result["sanity"].items()))
    lines += [f"WARNING: {line}" for line in result["warnings"]]
    lines += [f"no score {name}: {reason}" for name, reason in result["missing"].items()]
    return "\n".join(lines)


def _row(label: str, cells: Sequence[str]) -> str:
    return f"{label:<16}" + "".join(f"{cell:>14}" for cell in cells)


def _percent(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"


def _with_spread(scored: Mapping[str, Any] | None) -> str:
    return f"{_percent(scored['miou'])} ±{100 * scored['miou_spread']:.1f}" if scored else "-"
