"""The whole training loop, with data and writes, against the same steps bare."""

import contextlib
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict
from PIL import Image

from gan_ssl import errors, methods
from gan_ssl.data.source import load_size
from gan_ssl.training import loop, parallel

_IMAGES = 64  # a domain, where the recipe has no data of its own
_PAUSE = 0.5  # seconds in which the loaders fill their buffers, so that they do not load while steps run bare


def time_loop(config: ConfigDict, steps: int, every: int = 50) -> dict[str, float]:
    """Trains in a temporary work directory and measures what the loop adds to its steps.

    After each `every` steps of the loop the same programs run bare on the same batches, on a state of their own, so
    that the noise of a machine hits both alike; the loaders' buffers, a few batches, are full when a stretch begins.
    Stretches in which anything was compiled do not count. Writes, pictures and checkpoints come as often as the config
    says.

    Args:
        config: from `configure`; its data are read where they are embedded or `data.dir` is set, else random image
            files take their place.
        steps: of the loop, in all.
        every: steps of a stretch.

    Returns:
        `loop_s` and `bare_s`, seconds a step in the mean; `overhead_percent`, of all counted stretches;
        `median_overhead_percent`, of the middle stretch; `steps`, how many counted.

    Raises:
        GanSslError: bad settings or data, or fewer steps than two stretches.
    """
    with tempfile.TemporaryDirectory() as root:
        config = _with_data(config, Path(root) / "data").copy_and_resolve_references()
        with config.unlocked():
            config.num_steps = steps
        stretches = _Stretches(every)
        with _wrapped(stretches.wrap), _compilations(stretches.compiled):
            loop.train_and_evaluate(config, str(Path(root) / "run"))
    return stretches.summary()


class _Stretches:
    """Times stretches of a loop's steps, and runs each again bare."""

    def __init__(self, every: int):
        self._every, self._calls, self._state = every, [], None
        self._began, self._fresh = 0.0, True
        self.times: list[tuple[float, float]] = []

    def compiled(self) -> None:
        """Something was compiled: the stretch does not count."""
        self._fresh = True

    def wrap(self, step: Callable) -> Callable:
        """Returns a step that also keeps the books."""

        def stepped(state, batch):
            if self._state is None:
                self._state = jax.tree.map(lambda x: x.copy(), state)
            if len(self._calls) == self._every:
                self._finish(state)
            self._calls.append((step, batch))
            return step(state, batch)

        return stepped

    def _finish(self, state: Any) -> None:
        jax.block_until_ready(state)
        in_loop = time.perf_counter() - self._began
        time.sleep(_PAUSE)
        began = time.perf_counter()
        metrics = None
        for step, batch in self._calls:
            jax.block_until_ready(metrics)  # at most one step ahead of the device, as the loop
            self._state, metrics = step(self._state, batch)
        jax.block_until_ready(self._state)
        bare = time.perf_counter() - began
        if self._began and not self._fresh:
            self.times.append((in_loop, bare))
        self._calls, self._fresh, self._began = [], False, time.perf_counter()

    def summary(self) -> dict[str, float]:
        """See `time_loop`."""
        if not self.times:
            raise errors.ConfigError(
                f"--loop gave no whole stretch without compilation; allowed: at least {4 * self._every} steps"
            )
        in_loop, bare = np.array(self.times).T
        count = len(in_loop) * self._every
        return {
            "loop_s": float(in_loop.sum()) / count,
            "bare_s": float(bare.sum()) / count,
            "overhead_percent": 100 * float(in_loop.sum() / bare.sum() - 1),
            "median_overhead_percent": 100 * (statistics.median(in_loop / bare) - 1),
            "steps": count,
        }


@contextlib.contextmanager
def _wrapped(wrap: Callable[[Callable], Callable]) -> Iterator[None]:
    """Wraps every step that is compiled meanwhile."""
    mapped_step = parallel.MappedStep
    parallel.MappedStep = lambda *args, **kwargs: wrap(mapped_step(*args, **kwargs))
    try:
        yield
    finally:
        parallel.MappedStep = mapped_step


@contextlib.contextmanager
def _compilations(tell: Callable[[], None]) -> Iterator[None]:
    """Calls `tell` at each compilation, cached or not."""
    active = True

    def listener(event: str, *_, **__) -> None:
        if active and event.endswith("backend_compile_duration"):
            tell()

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        yield
    finally:
        active = False  # JAX cannot take a listener back


def _with_data(config: ConfigDict, root: Path) -> ConfigDict:
    """Returns the config with data that can be read here: its own, or random image files below `root`."""
    data = config.data
    if data.name in ("scenes", "faces") or data.name.startswith("tfds:") or data.dir or data.dir_a:
        return config
    logging.info("the loop reads random image files, since config.data.dir is ''")
    config = config.copy_and_resolve_references().unlock()
    rng, size, streams = np.random.default_rng(0), load_size(config), methods.get(config.method).streams(config)
    write = lambda path: Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path, quality=90)
    config.data.dir, config.data.center_crop = str(root), 0
    if "unpaired" in streams.values():
        config.data.name = "folder"
        for folder in (root / "trainA", root / "trainB"):
            folder.mkdir(parents=True)
            for i in range(_IMAGES):
                write(folder / f"{i}.jpg")
        return config.lock()
    root.mkdir(parents=True)
    config.data.name, config.data.attributes, config.data.exclusive = "csv", ("a", "b", "c", "d", "e"), ()
    with (root / "attributes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", *config.data.attributes, "split"])
        for i in range(_IMAGES):
            write(root / f"{i}.jpg")
            rows.writerow([f"{i}.jpg", *(i >> bit & 1 for bit in range(5)), "train"])
    return config.lock()
