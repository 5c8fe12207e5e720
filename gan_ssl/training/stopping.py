"""Ends of a run that nobody planned: signals, and a second run in the same work directory."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import filelock
from absl import logging
from etils import epath

from gan_ssl import errors

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a signal has asked the run to stop.

    Attributes:
        signal: the signal's name; '' as long as there was none.
    """

    def __init__(self):
        self.signal = ""

    def _receive(self, number: int, frame) -> None:
        if self.signal:  # the second one: at once, with the code that a shell gives to a killed process
            os._exit(128 + number)
        self.signal = signal.Signals(number).name
        logging.warning("%s: stopping after this step and saving; a second signal stops at once", self.signal)


@contextlib.contextmanager
def listening() -> Iterator[StopRequest]:
    """Listens to SIGTERM and SIGINT while the block runs; outside the main thread, where Python cannot, to nothing."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request._receive) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def alone_in(workdir: str) -> Iterator[None]:
    """Holds the lock of a work directory, which dies with its process. Object stores have none, and are not locked.

    Raises:
        TrainingError: another run holds it.
    """
    if "://" in str(workdir):
        yield
        return
    path = epath.Path(workdir).resolve() / ".lock"
    try:
        lock = filelock.FileLock(path, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise errors.TrainingError(f"another run is training in {workdir} (it holds {path})") from None
    try:
        yield
    finally:
        lock.release()
