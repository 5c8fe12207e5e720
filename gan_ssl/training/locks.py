"""One run at a time in a work directory: a file lock, and in an object store, which has none, a lease."""

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import filelock
from absl import logging

from gan_ssl import errors
from gan_ssl.training.workdir import in_bucket, locate, writing

RENEWED_S = 10.0  # seconds between two renewals of a lease
STALE_S = 40.0  # a lease that was not renewed for so long is free: its run is dead
SETTLED_S = 2.0  # of two runs that take a lease at once the one that wrote last has it; longer than a write takes


@contextlib.contextmanager
def alone_in(workdir: str) -> Iterator[None]:
    """Holds the lock of a work directory. A file lock dies with its process, a lease `STALE_S` seconds later.

    Where a dead run's lease is younger this waits for it to become stale.

    Raises:
        TrainingError: another run holds it.
    """
    if in_bucket(workdir):
        lease = _Lease(workdir)
        lease.take()
        try:
            yield
        finally:
            lease.give_back()
        return
    path = locate(workdir) / ".lock"
    try:
        lock = filelock.FileLock(path, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise errors.TrainingError(f"another run is training in {workdir} (it holds {path})") from None
    try:
        yield
    finally:
        lock.release()


class _Lease:
    """A file with the name of its owner and the time, renewed by a thread."""

    def __init__(self, workdir: str):
        self._workdir, self._path = workdir, locate(workdir) / "lease.json"
        self._mine = {"owner": f"{socket.gethostname()}, process {os.getpid()}", "id": secrets.token_hex(8)}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self) -> None:
        """Waits until no living run holds the lease, and takes it; raises TrainingError where one does."""
        with writing(self._workdir):
            self._wait_for_the_dead()
            self._write()
            time.sleep(SETTLED_S)
            found = self._read()
        if found.get("id") != self._mine["id"]:
            raise self._taken(found)
        self._thread.start()

    def _wait_for_the_dead(self) -> None:
        first, began, told = self._read(), time.monotonic(), False
        while found := self._read():
            if found != first:  # renewed: whatever the clocks say, it lives
                raise self._taken(found)
            if time.monotonic() - began > (STALE_S if _age(found) < STALE_S else 1.5 * RENEWED_S):
                return
            if not told:
                logging.warning("%s; waiting at most %.0f s to see whether it lives", self._taken(found), STALE_S)
                told = True
            time.sleep(RENEWED_S / 10)

    def _taken(self, found: dict[str, Any]) -> errors.TrainingError:
        return errors.TrainingError(
            f"another run is training in {self._workdir} ({found.get('owner', 'unknown')} renewed {self._path.name} "
            f"{_age(found):.0f} s ago)"
        )

    def _read(self) -> dict[str, Any]:
        """Returns what the file says; nothing where there is none that can be understood."""
        try:
            found = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self) -> None:
        self._path.write_text(json.dumps({**self._mine, "time": time.time()}) + "\n")

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_S):
            try:
                found = self._read()
                if found and found.get("id") != self._mine["id"]:
                    self._lost(found)
                self._write()
            except Exception as error:  # the network: until it is back nobody else can write there either
                logging.warning("%s was not renewed: %s", self._path, error)

    def _lost(self, found: dict[str, Any]) -> None:
        """Ends the process: it was taken for dead, and its next checkpoint would lie among another run's."""
        print(f"error: {self._taken(found)}; this one was taken for dead and ends", file=sys.stderr, flush=True)
        os._exit(errors.TrainingError.exit_code)

    def give_back(self) -> None:
        """Stops renewing and removes the file where it is still ours."""
        self._ended.set()
        self._thread.join()
        try:
            if self._read().get("id") == self._mine["id"]:
                self._path.unlink()
        except Exception as error:  # it becomes stale by itself
            logging.warning("%s was not removed: %s", self._path, error)


def _age(found: dict[str, Any]) -> float:
    """Returns the seconds since a lease was renewed, by the two machines' clocks; endless where it does not say."""
    then = found.get("time")
    return time.time() - then if isinstance(then, int | float) else float("inf")
