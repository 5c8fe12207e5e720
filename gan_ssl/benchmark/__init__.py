"""What a method's steps, its translation and the whole training loop cost here, on random arrays."""

from gan_ssl.benchmark.report import benchmark, describe
from gan_ssl.benchmark.settings import configure
from gan_ssl.benchmark.whole_loop import time_loop

__all__ = ["benchmark", "configure", "describe", "time_loop"]
