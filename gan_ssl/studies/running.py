"""Runs side by side: each trains and is scored by the real launchers, in processes pinned to cores of their own."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from gan_ssl import errors
from gan_ssl.studies import plan, settings
from gan_ssl.studies.plan import Run
from gan_ssl.training.workdir import write_whole, writing

_TAIL_BYTES = 4096  # of a log, to find its last line in


class Children:
    """The processes that run now; a signal to this one is passed on to them, which then save and end.

    Attributes:
        signal: the signal's name; '' as long as there was none.
    """

    def __init__(self):
        self.signal = ""
        self._running: set[subprocess.Popen] = set()
        self._starting = threading.Lock()

    def call(self, command: Sequence[str], log: Path) -> int | None:
        """Runs a command to its end, what it prints appended to a log; None if no more are to be started."""
        # XLA would claim most of a GPU's memory for the first of them.
        env = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
        with log.open("ab") as file:
            with self._starting:
                if self.signal:
                    return None
                # A group of its own: a terminal's Ctrl-C would reach it beside what is passed on from here.
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env, process_group=0
                )
                self._running.add(process)
            try:
                return process.wait()
            finally:
                self._running.discard(process)

    def _receive(self, number: int, frame) -> None:
        with self._starting:
            self.signal = signal.Signals(number).name
            running = list(self._running)
        if running:
            tqdm.write(f"{self.signal}: waiting for {len(running)} runs to save", file=sys.stderr)
        for process in running:
            process.send_signal(signal.SIGTERM)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Passes signals on while the block runs; outside the main thread, where Python cannot, it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            heard.append(signal.SIGHUP)  # a closed terminal would leave the processes of other groups behind
        before = {number: signal.signal(number, self._receive) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def execute(
    runs: Sequence[Run],
    jobs: int,
    root: Path,
    again: bool,
    finish: Callable[[Run, dict[str, float], int], None],
) -> dict[str, str]:
    """Trains and scores runs, `jobs` at a time.

    Args:
        runs: in the order in which they begin.
        jobs: how many at a time; each has its share of this process's cores.
        root: the checkout whose launchers are used.
        again: whether a work directory with other settings is moved aside.
        finish: called in the job's thread with a run that has been scored, its seconds and its number of cores; what it
            raises of our errors is the run's failure.

    Returns:
        Why runs have failed, by name; the others went on.

    Raises:
        Interrupted: a signal came; all that ran was saved.
    """
    children, shares, failed = Children(), queue.SimpleQueue(), {}
    for share in core_shares(jobs):
        shares.put(share)
    one = lambda run: _run(run, children, root, again, finish)
    with (
        children.listening(),
        tqdm(total=len(runs), desc="study", unit="run", disable=None) as progress,
        ThreadPoolExecutor(jobs, initializer=lambda: _pin(shares.get())) as pool,
    ):
        futures = {pool.submit(one, run): run for run in runs}
        try:
            for future in as_completed(futures):
                run, (told, reason) = futures[future], future.result()
                if children.signal:
                    break
                if reason:
                    failed[run.name] = f"{reason} ({run.log})"
                tqdm.write(f"{run.name}: {'FAILED: ' + reason if reason else told}; log: {run.log}", file=sys.stderr)
                progress.update()
        finally:
            pool.shutdown(cancel_futures=True)
    if children.signal:
        raise errors.Interrupted(f"{children.signal}: the runs were stopped and saved; start again to go on")
    return failed


def core_shares(jobs: int) -> list[list[int]]:
    """Divides this process's cores evenly among jobs; more jobs than cores share them in turn."""
    if not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(jobs)]
    cores = sorted(os.sched_getaffinity(0))
    if jobs > len(cores):
        return [[cores[job % len(cores)]] for job in range(jobs)]
    return [cores[len(cores) * job // jobs : len(cores) * (job + 1) // jobs] for job in range(jobs)]


def _pin(cores: Sequence[int]) -> None:
    """Pins this thread; the processes that it starts inherit that, and XLA's and OpenMP's threads count by it."""
    if cores:
        os.sched_setaffinity(0, cores)


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(run: Run, children: Children, root: Path, again: bool, finish: Callable) -> tuple[str, str]:
    """Trains and scores one run; returns what to tell of it, and why it failed or ''."""
    try:
        record = _open_folder(run, again)
        train = [*_launcher(root, "train"), f"--config={plan.recipe(run.row, root)}", f"--workdir={run.folder}"]
        train += settings.arguments(run.changes, run.seed)
        evaluate = [*_launcher(root, "evaluate"), f"--workdir={run.folder}", f"--split={run.split}"]
        for name, command in (("train", train), ("evaluate", evaluate)):
            began = time.monotonic()
            code = children.call(command, run.log)
            # A run that was stopped goes on later: its time is the sum.
            before = record["seconds"].get(name, 0.0) if name == "train" else 0.0
            record["seconds"][name] = before + round(time.monotonic() - began, 1)
            _write_record(run, record)
            if code is None or children.signal:
                return "", ""
            if code:
                return "", f"{name} ended with code {code}: {last_line(run.log)}"
        finish(run, record["seconds"], _count_cores())
    except errors.GanSslError as error:
        return "", str(error)
    return f"done in {sum(record['seconds'].values()):.0f} s", ""


def _launcher(root: Path, name: str) -> list[str]:
    return [sys.executable, str(root / "launch" / f"{name}.py")]


def _open_folder(run: Run, again: bool) -> dict:
    """Makes the place of a run, or checks that the one there is of the same settings; returns its record."""
    now = settings.of(run.config)
    with writing(str(run.folder)):
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        record = read_record(run)
        if run.folder.exists():
            other = settings.differences(record, now) if record else {"its settings": "are not recorded"}
            if other and not (again or settings.judges_alone(other)):
                listed = ", ".join(f"{name} {words}" for name, words in other.items())
                raise errors.ConfigError(f"{run.folder} holds another run: {listed}; allowed with --again: it is moved")
            if other and not settings.judges_alone(other):
                _move_aside(run)
                record = None
        elif record:
            record = None  # its folder was removed
        record = now | {"seconds": (record or {}).get("seconds", {})}
        _write_record(run, record)
    return record


def read_record(run: Run) -> dict | None:
    """Returns what is known of the run in a folder: `settings`, `defaults` and `seconds`; None for nothing."""
    try:
        return json.loads(run.record.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write_record(run: Run, record: dict) -> None:
    write_whole(run.record, json.dumps(record) + "\n")


def _move_aside(run: Run) -> None:
    number = 1
    while (place := run.folder.with_name(f"{run.folder.name}_before_{number}")).exists():
        number += 1
    run.folder.rename(place)


def last_line(log: Path) -> str:
    """Returns the last line of a log that says something."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "its log is empty")
