"""Metrics on their way out: JSON lines, TensorBoard events, a progress bar or plain lines."""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from absl import logging
from etils import epath
from tensorboardX import SummaryWriter
from tqdm import tqdm

from gan_ssl import errors, plots


class MetricWriter:
    """Writes scalars to `metrics.jsonl` and `events/`, pictures to `samples/`.

    Args:
        workdir: the run's folder.
        step: where the run goes on; lines of later steps, which a crash left behind, are dropped.
    """

    def __init__(self, workdir: str, step: int):
        self._root = epath.Path(workdir)
        self._path = self._root / "metrics.jsonl"
        _drop_after(self._path, step)
        self._events = SummaryWriter(str(self._root / "events"), purge_step=step + 1 if step else None)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends one line and one event a scalar."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **{k: float(f"{v:.6g}") for k, v in scalars.items()}}) + "\n")
        for name, value in scalars.items():
            self._events.add_scalar(name, value, step)

    def picture(self, step: int, image: np.ndarray) -> None:
        """Writes one `[height, width, 3]` uint8 picture."""
        plots.save_image(self._root / "samples" / f"step_{step:07d}.png", image)
        self._events.add_image("samples", image, step, dataformats="HWC")

    def close(self) -> None:
        """Flushes the events."""
        self._events.close()


def _drop_after(path: epath.Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # a line that a crash cut short
    path.write_text("".join(line + "\n" for line in kept))


class RunningMetrics:
    """Collects the metrics of the steps since the last write, on the device until they are written."""

    def __init__(self):
        self._pending: list[tuple[int, Mapping[str, jax.Array]]] = []

    def add(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Keeps the metrics of step `step`."""
        self._pending.append((step, metrics))

    def flush(self) -> dict[str, float]:
        """Returns the means since the last flush, by name with the prefix `train/`.

        Raises:
            TrainingError: a value is not finite; the first step and term are named.
        """
        pending, self._pending = jax.device_get(self._pending), []
        values: dict[str, list[float]] = {}
        for step, metrics in pending:
            for name, value in metrics.items():
                if not math.isfinite(value):
                    raise errors.TrainingError(
                        f"{name} is {value} at step {step}; the last checkpoint is good: lower the learning rate or "
                        "the term's weight and start again from it"
                    )
                values.setdefault(f"train/{name}", []).append(float(value))
        return {name: float(np.mean(v)) for name, v in values.items()}


class Progress:
    """A bar on a terminal, plain lines elsewhere."""

    def __init__(self, start: int, total: int, shown: Sequence[str]):
        self._total, self._shown, self._start = total, shown, start
        self._began: float | None = None
        self._bar = tqdm(total=total, initial=start, unit="step", dynamic_ncols=True) if sys.stderr.isatty() else None

    def step(self) -> None:
        """Counts one step."""
        if self._began is None:  # the first step compiles
            self._began, self._start = time.monotonic(), self._start + 1
        if self._bar:
            self._bar.update()

    def report(self, step: int, scalars: Mapping[str, float]) -> None:
        """Shows the main losses."""
        losses = {name: scalars[f"train/{name}"] for name in self._shown if f"train/{name}" in scalars}
        if self._bar:
            self._bar.set_postfix({k: f"{v:.3f}" for k, v in losses.items()})
            return
        rate = (step - self._start) / max(time.monotonic() - (self._began or 0.0), 1e-9)
        left = time.strftime("%H:%M:%S", time.gmtime((self._total - step) / rate)) if rate else "?"
        terms = "  ".join(f"{k} {v:.3f}" for k, v in losses.items())
        logging.info("step %d/%d  %.1f steps/s  %s left  %s", step, self._total, rate, left, terms)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar:
            self._bar.close()
