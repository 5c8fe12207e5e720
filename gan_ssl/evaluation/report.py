"""What evaluation leaves: a table on the terminal, JSON and one picture, the same way for every method."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_ssl import plots
from gan_ssl.training.workdir import writing

_LABEL_WIDTH, _CELL_WIDTH = 16, 14


def suffix(split: str) -> str:
    """Returns what the names of a split's files end with: nothing for `test`."""
    return "" if split == "test" else f"_{split}"


class Files:
    """The report's files in a work directory; checked before anything is computed, so that a full disk shows early."""

    def __init__(self, workdir: str, split: str):
        self.suffix = suffix(split)
        self.root = Path(workdir)
        self.json, self.picture = (self.root / f"eval{self.suffix}.{kind}" for kind in ("json", "png"))
        with writing(workdir):
            if not os.access(self.root, os.W_OK):
                raise PermissionError(13, "permission denied")

    def write(self, result: Mapping[str, Any], lines: Sequence[str], columns: Mapping[str, np.ndarray]) -> None:
        """Writes JSON and picture, and prints the table.

        Args:
            result: what JSON holds; see `table` for the keys that all methods share.
            lines: the method's own part of the table.
            columns: caption -> pictures.
        """
        partial = self.json.with_suffix(".new")
        partial.write_text(to_json(result) + "\n")
        os.replace(partial, self.json)
        plots.save_image(self.picture, plots.image_grid(columns))
        print(table(result, lines))
        print(f"\n{self.json} and {self.picture.name} are written")


def to_json(result: Mapping[str, Any]) -> str:
    """Returns JSON, with null for what is no number."""
    return json.dumps(_without_nan(result), indent=2)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(result: Mapping[str, Any], lines: Sequence[str]) -> str:
    """Returns the scores as text.

    Args:
        result: its `step`, `split`, `num_images`, `sanity`, `warnings` and `missing` are shown around the lines.
        lines: the method's own.
    """
    head = [f"step {result['step']}, {result['split']} split, {result['num_images']} images", ""]
    tail = ["input and output: " + ", ".join(f"{k} {v:.2f}" for k, v in result["sanity"].items())]
    tail += [f"WARNING: {line}" for line in result["warnings"]]
    missing = result["missing"]
    for reason in dict.fromkeys(missing.values()):
        tail.append(f"no score {', '.join(name for name in missing if missing[name] == reason)}: {reason}")
    return "\n".join([*head, *lines, *tail])


def row(label: str, cells: Sequence[str], width: int = _LABEL_WIDTH) -> str:
    """Returns a line of a table: the label to the left, cells to the right of their columns."""
    return f"{label:<{width}}" + "".join(f"{cell:>{_CELL_WIDTH}}" for cell in cells)


def percent(value: float | None) -> str:
    """Returns a share in percent, or a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"
