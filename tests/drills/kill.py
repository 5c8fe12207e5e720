"""Kills a tiny training with SIGKILL again and again, and compares what it makes with an undisturbed run.

python -m tests.drills.kill --kills=300 --seed=0 [--method=op_gan|match_gan|both] [--first=0]

Case k of a seed is the same run every time; `--first=100` goes on after 100 cases. A third of the kills wait until a
checkpoint is being written. Ends with 0 if every array and every line of metrics is the same bit for bit.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.drills import common

_CHILD = "from tests.drills import kill; import sys; kill.train(*sys.argv[1:])"


def train(method: str, images: str, workdir: str) -> None:
    """Trains in this process: 24 steps, a checkpoint every second one."""
    from gan_ssl.training import loop
    from tests import conftest  # noqa: F401  it sets the devices and the cache

    loop.train_and_evaluate(common.tiny_config(method, images), workdir)


def start(method: str, images: str, workdir: Path) -> subprocess.Popen:
    """Starts the training in a process of its own; what it says goes to `WORKDIR.log`."""
    with workdir.with_suffix(".log").open("a") as log:
        command = [sys.executable, "-c", _CHILD, method, images, str(workdir)]
        return subprocess.Popen(command, cwd=common.ROOT, stdout=log, stderr=subprocess.STDOUT)


def finish(method: str, images: str, workdir: Path) -> None:
    """Runs the training to its end; raises RuntimeError with its last lines where it fails."""
    code = start(method, images, workdir).wait()
    if code:
        raise RuntimeError(f"{workdir} ended with {code}: {common.last_lines(workdir.with_suffix('.log'))}")


def kill_once(method: str, images: str, workdir: Path, rng: random.Random) -> str:
    """Starts the training and kills it at a random moment; returns where that was, 'done' if it ended before.

    Moments are told by what the run has done, not by the clock, which another load on the machine would upset: a few
    saves after its start, or while it starts, and then any part of a second.
    """
    process, began, start_step = start(method, images, workdir), time.monotonic(), common.newest(workdir)
    saves, saving = rng.randint(0, 3), rng.random() < 1 / 3
    delay = rng.uniform(0.0, 0.6) if saves else rng.uniform(0.2, 8.0)
    due, where = (None if saves or saving else began + delay), "at any moment" if saves or saving else "while starting"
    while process.poll() is None:
        if due is None and common.newest(workdir) >= start_step + 2 * saves:
            due = time.monotonic() + (0.0 if saving else delay)
        if due is not None and time.monotonic() >= due:
            if not saving:
                break
            if any((workdir / "checkpoints").glob("*tmp*")):
                where = "while saving"
                break
        time.sleep(0.002)
    if process.poll() is not None:
        return "done"
    process.send_signal(signal.SIGKILL)
    process.wait()
    return where


def drill(method: str, root: Path, kills: int, seed: int, first: int = 0) -> list[str]:
    """Kills `kills` times, a few a run, and returns the differences of all runs.

    Args:
        method: which method to train.
        root: an empty folder.
        kills: how often to kill.
        seed: of the moments.
        first: the case to begin with.

    Returns:
        A line a difference; none where all runs equal the undisturbed one.
    """
    images = common.make_images(method, root / "images")
    finish(method, images, root / "undisturbed")
    found, done, case = [], 0, first
    while done < kills:
        workdir, rng = root / f"case_{case}", random.Random(f"{method} {seed} {case}")
        moments = []
        for _ in range(min(rng.randint(1, 4), kills - done)):
            moments.append(kill_once(method, images, workdir, rng))
            done += moments[-1] != "done"
        finish(method, images, workdir)
        differing = common.differences(workdir, root / "undisturbed")
        print(f"{method} case {case}: killed {', '.join(moments)}: {differing or 'the same'}", flush=True)
        found += [f"{method} case {case}: {name}" for name in differing]
        case += 1
    return found


if __name__ == "__main__":
    common.main(__doc__, "kills", 3, drill)
