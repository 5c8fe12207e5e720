"""Kills one of several processes that train together, again and again, and compares what they make.

python -m tests.drills.hosts --deaths=50 --seed=0 [--method=op_gan|match_gan|both] [--first=0]

Case k of a seed is the same run every time; `--first=100` goes on after 100 cases. Two to four launchers on this
machine's loopback are the hosts, with four devices in all (three with three). One of them is killed at a random moment,
now and then told to stop instead; then all must have ended within 60 seconds (180 when told), the living ones with
code 75, and are started again. Ends with 0 if every array and every line of metrics is what an undisturbed run makes,
bit for bit.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from gan_ssl import errors
from tests.drills import common

DEVICES = 4
STEPS = 6
LIMIT_S = 60.0  # within it a dead host must have been noticed
STOP_S = 180.0  # a signal waits for the step, which may have to compile first
# JAX's compilation cache serves process 0 alone on CPUs: small and few programs, so no siamese network.
_OFTEN = {"batch_size": 12, "num_steps": STEPS, "log_steps": 1, "checkpoint_steps": 1}
TINY = {
    "op_gan": _OFTEN | {f"loss__{term}": 0.0 for term in ("content", "domain", "twin")},
    "match_gan": _OFTEN | {"generator_every": 1},
}
_RECIPES = {"op_gan": "configs/op_gan.py", "match_gan": "configs/match_gan.py"}


def arguments(method: str, images: str, workdir: Path, *more: str) -> list[str]:
    """Returns the launcher's arguments for the tiny training; `more` come last."""
    from gan_ssl import config as configs

    fields = configs.flatten(common.tiny_config(method, images, num_devices=0, **TINY[method]))
    given = [f"--config.{name}={value}" for name, value in fields.items() if name != "method"]
    return [f"--config={_RECIPES[method]}", f"--workdir={workdir}", *given, *more]


def start(given: list[str], count: int, log: Path, more: dict[int, list[str]] | None = None) -> list[subprocess.Popen]:
    """Starts `count` launchers as one run, each a session of its own; what they say goes to `LOG.PROCESS`.

    Args:
        given: arguments of all.
        count: how many processes.
        log: where what they say goes.
        more: further arguments of some, by process.

    Returns:
        The launchers, which are the parents of the processes.
    """
    port, launchers = common.free_port(), []
    for i in range(count):
        peers = [f"--coordinator=localhost:{port}", f"--num_processes={count}", f"--process_id={i}"]
        command = [sys.executable, "launch/train.py", *given, *(peers if count > 1 else []), *(more or {}).get(i, [])]
        with Path(f"{log}.{i}").open("a") as file:
            launchers.append(
                subprocess.Popen(
                    command,
                    cwd=common.ROOT,
                    env=common.environment(DEVICES // count),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
    return launchers


def wait(launchers: list[subprocess.Popen], seconds: float = 300.0) -> list[int]:
    """Waits for the ends and returns the codes; raises TimeoutExpired, leaving none alive, where one hangs."""
    deadline = time.monotonic() + seconds
    try:
        return [launcher.wait(max(0.1, deadline - time.monotonic())) for launcher in launchers]
    finally:
        for launcher in launchers:
            _kill(launcher)


def _kill(launcher: subprocess.Popen) -> None:
    if launcher.poll() is None:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()


def finish(given: list[str], count: int, log: Path) -> None:
    """Runs the training to its end; raises RuntimeError with its last lines where it fails."""
    codes = wait(start(given, count, log))
    if any(codes):
        ends = [common.last_lines(Path(f"{log}.{i}")) for i in range(count)]
        raise RuntimeError(f"{log} ended with {codes}: " + "\n".join(ends))


def errors_in(log: Path, count: int) -> list[list[str]]:
    """Returns the lines that each process's launcher gave as its reason."""
    texts = [Path(f"{log}.{i}").read_text() for i in range(count)]
    return [[line for line in text.splitlines() if line.startswith("error: ")] for text in texts]


def disturb(given: list[str], count: int, log: Path, workdir: Path, rng: random.Random) -> tuple[str, list[str]]:
    """Starts the training and kills one process, or tells it to stop, at a random moment after all have joined.

    One that dies before is missed when JAX's time for joining is over, five minutes later.

    Returns:
        What was done, 'done' if the run ended before; and what was wrong with how it ended.
    """
    victim, number = rng.randrange(count), signal.SIGTERM if rng.random() < 0.25 else signal.SIGKILL
    step, later = rng.randrange(STEPS), rng.uniform(0.0, 0.5)
    limit = LIMIT_S if number == signal.SIGKILL else STOP_S
    if number == signal.SIGTERM:
        step = max(step, 1)  # while Python starts nobody listens
    joined = _joined(log)
    launchers = start(given, count, log)
    while (written(workdir) < step or _joined(log) == joined) and not any(x.poll() is not None for x in launchers):
        time.sleep(0.005)
    time.sleep(later if step else 10 * later)
    if any(launcher.poll() is not None for launcher in launchers):
        return "done", [f"codes {codes}"] if any(codes := wait(launchers)) else []
    began = time.monotonic()
    if number == signal.SIGKILL:
        os.killpg(launchers[victim].pid, number)
    else:
        launchers[victim].send_signal(number)
    try:
        codes = wait(launchers, limit)
    except subprocess.TimeoutExpired:
        return "hung", [f"not all ended within {limit:.0f} s of {signal.Signals(number).name}"]
    what = f"{signal.Signals(number).name} to {victim} of {count} after step {step}, all ended after "
    others = {code for i, code in enumerate(codes) if i != victim}
    if not any(codes):
        return "done", []  # it came with the last step
    right = others == {errors.Interrupted.exit_code} and (number == signal.SIGKILL or len(set(codes)) == 1)
    ends = [common.last_lines(Path(f"{log}.{i}")) for i in range(count)]
    return f"{what}{time.monotonic() - began:.1f} s", [] if right else [f"codes {codes} {ends}"]


def _joined(log: Path) -> int:
    """Returns how often process 0 has begun to train, by its log."""
    first = Path(f"{log}.0")
    return first.read_text().count("training ") if first.exists() else 0


def written(workdir: Path) -> int:
    """Returns the step of the last line of metrics, 0 where there is none."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines() if (workdir / "metrics.jsonl").exists() else []
    found = [re.match(r'{"step": (\d+),', line) for line in lines]
    return max((int(match[1]) for match in found if match), default=0)


def drill(method: str, root: Path, deaths: int, seed: int, first: int = 0, counts: tuple[int, ...] = (2, 3, 4)) -> list:
    """Disturbs `deaths` times, one or two a run, and returns the differences of all runs.

    Args:
        method: which method to train.
        root: an empty folder; one that an earlier drill used spares its `images` and `undisturbed_COUNT`.
        deaths: how often to kill or stop.
        seed: of the moments.
        first: the case to begin with.
        counts: of processes to choose from.

    Returns:
        A line a difference; none where all runs equal the undisturbed one of as many processes.
    """
    images = str(root / "images") if (root / "images").exists() else common.make_images(method, root / "images")
    found, done, case = [], 0, first
    while done < deaths:
        rng = random.Random(f"{method} {seed} {case}")
        count, workdir, log = rng.choice(counts), root / f"case_{case}", root / f"case_{case}.log"
        whole = root / f"undisturbed_{count}"
        if not whole.exists():
            finish(arguments(method, images, whole), count, root / f"undisturbed_{count}.log")
        given, moments, wrong = arguments(method, images, workdir), [], []
        for _ in range(min(rng.randint(1, 2), deaths - done)):
            moment, faults = disturb(given, count, log, workdir, rng)
            moments.append(moment)
            wrong += faults
            done += moment != "done"
        finish(given, count, log)
        wrong += common.differences(workdir, whole)
        print(f"{method} case {case}: {'; '.join(moments)}: {wrong or 'the same'}", flush=True)
        found += [f"{method} case {case}: {fault}" for fault in wrong]
        case += 1
    return found


if __name__ == "__main__":
    common.main(__doc__, "deaths", 1, drill)
