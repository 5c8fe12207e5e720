"""Feeds damaged input to everything that reads files or flags, and tells what does not end in one line of ours.

python -m tests.drills.fuzz --cases=20000 --seed=0 [--kind=image,csv] [--first=0]

Case k of a kind and a seed is the same input every time; `--first=20000` goes on after 20,000. Right is success, or an
error of `gan_ssl/errors.py` in one line that names the file or the field. Wrong is any other exception, a line that a
library prints, a case of more than 10 s, and more than 2 GiB of memory. Ends with 0 if nothing was wrong.
"""

import argparse
import collections
import contextlib
import faulthandler
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 2 * 2**30
MOST_SECONDS = 10
_SWALLOWED = ("MemoryError", "Unable to allocate", "RecursionError", "bad allocation", "panicked")


class _TooLong(BaseException):
    """Raised by the alarm; no `except Exception` in a library takes it."""


def _alarm(number, frame):
    raise _TooLong(f"more than {MOST_SECONDS} s")


class _Listener(logging.Handler):
    """Keeps the warnings that libraries log; what we log ourselves is meant to be read."""

    def __init__(self, ours: str):
        super().__init__(logging.WARNING)
        self._ours, self.lines = ours, []

    def emit(self, record):
        if not record.pathname.startswith(self._ours):
            self.lines.append(f"logged by {record.pathname}: {record.getMessage()[:200]}")

    @classmethod
    @contextlib.contextmanager
    def listening(cls) -> Iterator["_Listener"]:
        """Stands in for all other handlers."""
        listener, others = cls(str(Path(__file__).resolve().parents[2] / "gan_ssl")), logging.root.handlers[:]
        logging.root.handlers[:] = [listener]
        try:
            yield listener
        finally:
            logging.root.handlers[:] = others


@contextlib.contextmanager
def _silence() -> Iterator[int]:
    """Leads what is printed on descriptors 1 and 2, also by native code, into a file, and yields its descriptor."""
    with tempfile.TemporaryFile() as file:
        kept = [os.dup(1), os.dup(2)]
        sys.stdout.flush()
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield file.fileno()
        finally:
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def judge(kind, data: bytes) -> tuple[str, str]:
    """Runs one case; returns what became of it, and what is wrong with that, '' for nothing."""
    from gan_ssl import errors

    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        kind.run(data)
        return "success", ""
    except errors.GanSslError as error:
        message = str(error)
        if not message.isprintable():
            return "wrong", f"not one printable line: {message[:300]!r}"
        if not all(name in message for name in kind.names):
            return "wrong", f"does not name {kind.names}: {message[:300]}"
        if any(word in message for word in _SWALLOWED):
            return "wrong", f"came too late: {message[:300]}"
        return type(error).__name__, ""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        frames = traceback.extract_tb(error.__traceback__)[-1]
        return "wrong", f"{type(error).__name__} in {frames.filename}:{frames.lineno}: {str(error)[:200]!r}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def drill(name: str, cases: int, seed: int, first: int = 0) -> list[str]:
    """Runs cases of one kind; returns a line for each that is wrong, and prints how many ended how."""
    from gan_ssl.benchmark import measure
    from tests.drills import fuzz_kinds

    found, ends = [], collections.Counter()
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    signal.signal(signal.SIGALRM, _alarm)
    before = measure.peak_bytes()
    with tempfile.TemporaryDirectory(prefix="fuzz", dir=folder) as root:
        kind = fuzz_kinds.KINDS[name](Path(root))
        began, began_cpu, armed = time.monotonic(), time.process_time(), 0.0
        with _Listener.listening() as listener, _silence() as printed, contextlib.chdir(root):
            for case in range(first, first + cases):
                if time.monotonic() - armed > 1:  # for native code that never comes back
                    faulthandler.dump_traceback_later(6 * MOST_SECONDS, exit=True, file=sys.__stderr__)
                    armed = time.monotonic()
                end, wrong = judge(kind, kind.case(random.Random(f"{name} {seed} {case}")))
                ends[end] += 1
                lines = [wrong] if wrong else []
                lines += [*listener.lines, *_printed(printed)]
                listener.lines.clear()
                if measure.peak_bytes() - before > MOST_BYTES:
                    lines.append(f"more than {MOST_BYTES} bytes of memory, then or before")
                found += [f"{name} case {case}: {line}" for line in lines]
        faulthandler.cancel_dump_traceback_later()
    seconds, cpu = time.monotonic() - began, time.process_time() - began_cpu
    peak = measure.peak_bytes() // 2**20
    rates = f"{cases / seconds:.0f} a second ({cases / cpu:.0f} of CPU time)"
    print(f"{name}: {cases} cases from {first}, {rates}, {peak} MiB, {dict(ends)}", flush=True)
    return found


def _printed(descriptor: int) -> list[str]:
    sys.stderr.flush()
    if not os.fstat(descriptor).st_size:
        return []
    text = os.pread(descriptor, 300, 0).decode(errors="replace")
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return [f"printed: {text!r}"]


def main() -> None:
    """Runs the drill from the command line."""
    warnings.simplefilter("always")  # before ours are imported, whose filters then come first
    from tests.drills import fuzz_kinds

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", default=",".join(fuzz_kinds.KINDS), help="separated by commas")
    args = parser.parse_args()
    found = []
    for name in args.kind.split(","):
        found += drill(name, args.cases, args.seed, args.first)
    for line in found[:40]:
        print(line)
    print(f"{len(found)} wrong")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
