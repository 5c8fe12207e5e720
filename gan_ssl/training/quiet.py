"""What libraries would print about a damaged checkpoint, which we tell in one line ourselves."""

import contextlib
import gc
import logging
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps tracebacks off the terminal that asyncio and TensorStore print where one of several reads fails.

    Orbax then closes its event loop while the others are still under way. They end, and say so, a moment after the
    reading or when they are collected. Also a decorator.
    """
    logger, hook = logging.getLogger("asyncio"), sys.unraisablehook
    logger.disabled, sys.unraisablehook = True, lambda unraisable: None
    try:
        yield
    except Exception:
        time.sleep(0.02)
        gc.collect(1)  # they are young
        raise
    finally:
        logger.disabled, sys.unraisablehook = False, hook
