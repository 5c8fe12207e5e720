"""Clocks and gauges: seconds a call, peak memory, the machine's rate of matrix products."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

# A side at which the product's rate has levelled off: 0.2 s on two CPU cores, 2 ms on a large GPU.
_SIDES = {"cpu": 2048}
_SIDE = 8192


def time_calls(call: Callable[[], Any], count: int, warm_up: int = 2) -> list[float]:
    """Returns the seconds of `count` calls, each waited for, after `warm_up` that do not count."""
    times = []
    for number in range(warm_up + count):
        began = time.perf_counter()
        jax.block_until_ready(call())
        if number >= warm_up:
            times.append(time.perf_counter() - began)
    return times


def summary(times: list[float], images: int) -> dict[str, float]:
    """Returns the median and the minimum of seconds, and images a second at the median."""
    median = statistics.median(times)
    return {"median_s": median, "min_s": min(times), "images_per_s": images / median}


def product_rate(device: jax.Device, dtype: str) -> float:
    """Measures floating-point operations a second of a large square matrix product on one device.

    Args:
        device: where.
        dtype: float32 or bfloat16; float32 runs at JAX's own default precision (TF32 on a GPU).

    Returns:
        The rate of the fastest of five products.
    """
    side = _SIDES.get(device.platform, _SIDE)
    x = jax.device_put(jnp.full((side, side), 0.5, dtype), device)
    product = jax.jit(jnp.matmul)
    return 2 * side**3 / min(time_calls(lambda: product(x, x), 5))


def peak_bytes() -> int:
    """Returns the most memory that this program has had; on Linux `getrusage` counts its parent's as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(x.split()[1]) * 1024 for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_memory() -> dict[str, float]:
    """Returns peaks in MiB: of the process, and where the devices tell it, of the fullest device."""
    peaks = {"peak_mib": peak_bytes() / 2**20}
    told = [device.memory_stats() or {} for device in jax.local_devices()]
    used = [stats["peak_bytes_in_use"] for stats in told if "peak_bytes_in_use" in stats]
    return peaks | ({"device_peak_mib": max(used) / 2**20} if used else {})
