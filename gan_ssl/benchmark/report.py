"""What a benchmark measures, as a dict for JSON and as lines to read."""

from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_ssl.benchmark import measure, programs
from gan_ssl.benchmark.settings import with_labels


def benchmark(config: ConfigDict, *, steps: int = 10, translate: bool = False, profile: str = "") -> dict[str, Any]:
    """Times a method's updates, or its translation, on random arrays.

    Args:
        config: from `configure`.
        steps: timed calls of each program.
        translate: times inference instead of the updates.
        profile: folder for a trace of `jax.profiler` of five more calls; '' for none.

    Returns:
        Facts of the run, and a dict by the update's name: `median_s`, `min_s`, `images_per_s`, `compile_s`, `flops` and
        `temporary_mib` of one device, `product_share` (of the rate of `product_flops_per_s`); None for operations that
        XLA does not count, and their share.

    Raises:
        ConfigError: settings that cannot run here.
    """
    config, precision = with_labels(config), config.precision
    device = jax.local_devices()[0]
    report = {
        "method": config.method,
        "device": device.device_kind,
        "platform": device.platform,
        "size": config.data.image_size[0],
        "batch": config.batch_size,
        "width": config.model.width,
        "precision": precision,
    }
    rates, timed = [measure.product_rate(device, precision)], {}
    for name, program in _programs(config, translate):
        report["devices"] = len(program.devices)
        timed[name] = measure.summary(measure.time_calls(program.call, steps), program.images) | {
            "compile_s": program.compile_s,
            "flops": program.flops,
            "temporary_mib": program.temporary_bytes / 2**20,
        }
        if profile:
            with jax.profiler.trace(profile):
                measure.time_calls(program.call, 5, warm_up=0)
        rates.append(measure.product_rate(device, precision))
    report["product_flops_per_s"] = max(rates)  # others may have used the machine meanwhile
    for facts in timed.values():
        facts["product_share"] = facts["flops"] and facts["flops"] / facts["median_s"] / max(rates)
    return report | timed | measure.peak_memory()


def describe(report: dict[str, Any]) -> Iterator[str]:
    """Yields lines that a person reads."""
    facts = "{method} on {devices} {device}, side {size}, batch {batch}, width {width}, {precision}"
    yield facts.format(**report)
    yield "matrix products of {precision}: {rate:.1f} GFLOP/s a device".format(
        rate=report["product_flops_per_s"] / 1e9, **report
    )
    for name, facts in report.items():
        if not isinstance(facts, dict) or "flops" not in facts:
            continue
        counted = "operations not counted on this platform"
        if facts["flops"] is not None:
            counted = "{:.3g} GFLOP, {:.0%} of the products' rate".format(facts["flops"] / 1e9, facts["product_share"])
        yield (
            "{name}: median {median_s:.4g} s, minimum {min_s:.4g} s, {images_per_s:.3g} images/s; compiled in "
            "{compile_s:.1f} s; {counted}; {temporary_mib:.0f} MiB of temporaries"
        ).format(name=name, counted=counted, **facts)
    if "loop" in report:
        yield (
            "loop: {loop_s:.4g} s a step with data and writes, {bare_s:.4g} s without, overhead "
            "{overhead_percent:.2f}% over {steps} steps"
        ).format(**report["loop"])
    yield "peak memory: {peak_mib:.0f} MiB of the process".format(**report) + (
        ", {device_peak_mib:.0f} MiB of a device".format(**report) if "device_peak_mib" in report else ""
    )


def _programs(config: ConfigDict, translate: bool) -> Iterator[tuple[str, programs.Program]]:
    """Compiles one program at a time, so that none waits in memory for another."""
    if translate:
        yield "translate", programs.compile_translation(config)
        return
    for name, (step, stream) in programs.update_steps(config).items():
        yield name, programs.compile_update(config, step, stream)
