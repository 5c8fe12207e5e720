"""Metrics on their way out: JSON lines, TensorBoard events, a progress bar or plain lines."""

import contextlib
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from absl import logging
from etils import epath
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2
from tqdm import auto

from gan_ssl import errors, notebook, plots
from gan_ssl.training.workdir import in_bucket, locate, write_whole, writing

# Made when the module is imported, which a type checker cannot see.
_event, _session_log = (getattr(event_pb2, name) for name in ("Event", "SessionLog"))
TIMES = ("train/data_wait", "train/save")  # what no two runs share
_FLUSHED_S = 30.0  # seconds after which what was written is brought to the disk, or sent to the bucket
_SEGMENT_BYTES = 2**24  # a bucket gets whole files alone, again and again as they grow; at this size others are begun


class MetricWriter:
    """Writes scalars to `metrics.jsonl` and `events/`, pictures to `samples/`.

    In a bucket the lines of each start go to `metrics/STEP-TIME.jsonl`, where `read_metrics` finds them: step and time
    of the start in milliseconds.

    Args:
        workdir: the run's folder.
        step: where the run goes on; lines of later steps, which a crash left behind, are dropped.
    """

    def __init__(self, workdir: str, step: int):
        self._workdir, self._flushed = workdir, time.monotonic()
        self._sent = _Mirror(workdir) if in_bucket(workdir) else None
        self._root = self._sent.folder if self._sent else epath.Path(workdir)
        with writing(workdir):
            if not self._sent:
                _drop_after(self._root / "metrics.jsonl", step)
            self._start(step, purge=step > 0)

    def _start(self, step: int, purge: bool) -> None:
        time_ms = time.time_ns() // 10**6
        name = f"metrics/{step:09d}-{time_ms}.jsonl" if self._sent else "metrics.jsonl"
        self._step, self._path = step, self._root / name
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._events = _Events(Path(self._root) / "events", step + 1 if purge else None, f".{time_ms}")

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends one line and one event a scalar; raises TrainingError where that is refused, as on a full disk."""
        with writing(self._workdir):
            with self._path.open("a") as file:
                file.write(json.dumps({"step": step, **{k: float(f"{v:.6g}") for k, v in scalars.items()}}) + "\n")
            for name, value in scalars.items():
                self._events.add(step, summary.scalar(name, value))
        self._step = step
        if time.monotonic() - self._flushed > _FLUSHED_S:
            self.flush()

    def picture(self, step: int, image: np.ndarray) -> None:
        """Writes one `[height, width, 3]` uint8 picture; raises as `write`."""
        with writing(self._workdir):
            plots.save_image(self._root / "samples" / f"step_{step:07d}.png", image)
            self._events.add(step, summary.image("samples", image, dataformats="HWC"))

    def flush(self) -> None:
        """Brings all that was written to where the next start finds it; called before a checkpoint is saved.

        Raises:
            TrainingError: as `write`.
        """
        with writing(self._workdir):
            self._events.flush()
            if self._sent:
                self._sent.send()
                if self._sent.size() > _SEGMENT_BYTES:
                    self._events.close()
                    self._sent.clear()
                    self._start(self._step, purge=False)
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flushes all; raises as `write`."""
        with writing(self._workdir):
            self._events.close()
            if self._sent:
                self._sent.send()
                self._sent.clear()


class _Events:
    """A file of TensorBoard events.

    Written in the caller's thread: that of tensorboardX's `SummaryWriter` dies of a full disk, and the next calls then
    wait for it without end.
    """

    def __init__(self, folder: Path, purge_step: int | None, suffix: str):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = EventsWriter(str(folder / "events"), suffix)
        if purge_step is not None:  # TensorBoard forgets what an earlier start wrote from there on
            start = _session_log(status=_session_log.START)
            self._file.write_event(_event(step=purge_step, session_log=start, wall_time=time.time()))

    def add(self, step: int, value) -> None:
        """Appends a summary."""
        self._file.write_event(_event(step=step, summary=value, wall_time=time.time()))

    def flush(self) -> None:
        """Brings all to the disk."""
        self._file.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._file.close()


class _Mirror:
    """A folder here whose files are sent to a bucket, where nothing can be appended to."""

    def __init__(self, workdir: str):
        self._bucket = locate(workdir)
        self.folder = Path(tempfile.mkdtemp(prefix="gan_ssl_"))
        self._sizes: dict[Path, int] = {}

    def size(self) -> int:
        """Returns the bytes of all that was sent and not cleared."""
        return sum(self._sizes.values())

    def send(self) -> None:
        """Sends the files that have grown."""
        for path in sorted(p for kind in self.folder.iterdir() for p in kind.iterdir()):
            size = path.stat().st_size
            if self._sizes.get(path) != size:
                (self._bucket / path.relative_to(self.folder)).write_bytes(path.read_bytes())
                self._sizes[path] = size

    def clear(self) -> None:
        """Removes the files here, and the folder until something is written to it again."""
        shutil.rmtree(self.folder)
        self._sizes.clear()


def read_metrics(workdir: str) -> list[dict[str, float]]:
    """Reads the lines of a run, from `metrics.jsonl` or from a bucket's segments, also where these were copied down.

    Lines that a later start wrote again are dropped, and such as a crash cut short.

    Raises:
        ConfigError: the work directory is an address that cannot be used.
        TrainingError: it cannot be read.
    """
    root, lines = locate(workdir), []
    with writing(workdir, "read"):
        segments = list((root / "metrics").iterdir()) if (root / "metrics").exists() else []
        starts = sorted((int(time_ms), int(step), p) for p in segments for step, time_ms in [p.stem.split("-")])
        texts = [(step, path.read_text()) for _, step, path in starts]
        if (root / "metrics.jsonl").exists():
            texts.insert(0, (0, (root / "metrics.jsonl").read_text()))
    for step, text in texts:
        lines = [x for x in lines if x["step"] <= step] + [parsed for parsed, _ in _whole_lines(text)]
    return lines


def _whole_lines(text: str) -> list[tuple[dict[str, float], str]]:
    """Returns the lines that no crash cut short, parsed and as they are."""
    kept = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            parsed = json.loads(line)
            if isinstance(parsed, dict) and isinstance(parsed.get("step"), int):
                kept.append((parsed, line))
    return kept


def _drop_after(path: epath.Path | Path, step: int) -> None:
    if not path.exists():
        return
    before = path.read_text()
    kept = "".join(f"{line}\n" for parsed, line in _whole_lines(before) if parsed["step"] <= step)
    if kept != before:
        write_whole(path, kept)


class Clock:
    """The shares of a run's time that are no steps, since its last restart."""

    def __init__(self):
        self._began, self._spent = time.monotonic(), {"data_wait": 0.0, "save": 0.0}

    @contextlib.contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """Counts the block's time for `data_wait` or `save`."""
        began = time.monotonic()
        yield
        self._spent[name] += time.monotonic() - began

    def restart(self) -> float:
        """Forgets all, as after compilation; returns the seconds so far."""
        seconds = time.monotonic() - self._began
        self.__init__()
        return seconds

    def shares(self) -> dict[str, float]:
        """Returns `train/data_wait` and `train/save`, between 0 and 1."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        return {f"train/{name}": spent / seconds for name, spent in self._spent.items()}


class RunningMetrics:
    """Collects the metrics of the steps since the last write, on the device until they are written."""

    def __init__(self):
        self._pending: list[tuple[int, int, Mapping[str, jax.Array]]] = []

    def add(self, step: int, metrics: Mapping[str, jax.Array] | tuple[Mapping[str, jax.Array], ...]) -> None:
        """Keeps the metrics of a call that begins with step `step`, as a step or `calls.repeated` gives them."""
        cycle = metrics if isinstance(metrics, tuple) else (metrics,)
        self._pending += [(step + place, len(cycle), metrics) for place, metrics in enumerate(cycle)]

    def flush(self) -> dict[str, float]:
        """Returns the means since the last flush, by name with the prefix `train/`.

        Raises:
            TrainingError: a value is not finite; the first step and term are named.
        """
        pending, self._pending = jax.device_get(self._pending), []
        found = [
            (first + cycle * i, name, float(value))
            for first, cycle, metrics in pending
            for name, values in metrics.items()
            for i, value in enumerate(np.ravel(values))
        ]
        values: dict[str, list[float]] = {}
        for step, name, value in sorted(found, key=lambda entry: entry[0]):
            if not math.isfinite(value):
                raise errors.TrainingError(
                    f"{name} is {value} at step {step}; the last checkpoint is good: lower the learning rate or "
                    "the term's weight and start again from it"
                )
            values.setdefault(f"train/{name}", []).append(value)
        return {name: float(np.mean(v)) for name, v in values.items()}


class Progress:
    """A bar on a terminal or in a notebook, plain lines elsewhere."""

    def __init__(self, start: int, total: int, shown: Sequence[str]):
        self._total, self._shown, self._start = total, shown, start
        self._began: float | None = None
        is_watched = sys.stderr.isatty() or notebook.is_running()
        self._bar = auto.tqdm(total=total, initial=start, unit="step", dynamic_ncols=True) if is_watched else None
        self._place = None  # of the picture in a notebook

    def step(self, count: int = 1) -> None:
        """Counts the steps of a call."""
        if self._began is None:  # the first call compiles
            self._began, self._start = time.monotonic(), self._start + count
        if self._bar:
            self._bar.update(count)

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

    def picture(self, image: np.ndarray) -> None:
        """Shows a `[height, width, 3]` uint8 picture in a notebook, in the place of the one before."""
        self._place = notebook.show(image, self._place)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar:
            self._bar.close()
