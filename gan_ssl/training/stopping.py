"""Ends of a run that nobody planned: signals."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

from absl import logging

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Launchers and terminals signal a process and its group: what comes so soon again is the same request.
_SAME_S = 0.5


class StopRequest:
    """Whether a signal has asked the run to stop.

    Attributes:
        signal: the signal's name; '' as long as there was none.
    """

    def __init__(self):
        self.signal = ""
        self._since = 0.0

    def _receive(self, number: int, frame) -> None:
        if self.signal:  # the second one: at once, with the code that a shell gives to a killed process
            if time.monotonic() - self._since < _SAME_S:
                return
            os._exit(128 + number)
        self._since = time.monotonic()
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
