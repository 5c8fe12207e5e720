"""The benchmark: what it counts, how its figures hang together, and what it says of flags that cannot be."""

import dataclasses
import json
import math
import os
import subprocess
import sys
import time
import types

import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl import benchmark, errors
from gan_ssl.benchmark import measure, programs, settings, whole_loop
from tests import tiny
from tests.conftest import ROOT

_UPDATES = {"op_gan": {"update"}, "match_gan": {"discriminator_update", "generator_update"}}


def _config(method):
    """Returns a tiny config; without self-supervision OP-GAN compiles in half the time."""
    if method == "match_gan":
        return tiny.faces_config(data__attributes=(), data__exclusive=())
    return tiny.config(loss__content=0.0, loss__contrast=0.0, loss__twin=0.0, loss__domain=0.0)


def _check(facts, batch):
    assert 0 < facts["min_s"] <= facts["median_s"]
    assert facts["images_per_s"] * facts["median_s"] == pytest.approx(batch)
    assert facts["compile_s"] > 0
    assert facts["flops"] > 0 and facts["temporary_mib"] > 0 and 0 < facts["product_share"] < 1


@pytest.mark.parametrize("method", _UPDATES)
@pytest.mark.parametrize("translate", [False, True])
def test_figures_are_positive_and_agree(method, translate):
    config = benchmark.configure(_config(method))
    report = benchmark.benchmark(config, steps=2, translate=translate)
    updates = {name for name, value in report.items() if isinstance(value, dict)}
    assert updates == ({"translate"} if translate else _UPDATES[method])
    for name in updates:
        _check(report[name], config.batch_size)
        rate = report[name]["flops"] / report[name]["median_s"]
        assert report[name]["product_share"] == pytest.approx(rate / report["product_flops_per_s"])
    assert report["peak_mib"] > 100 and report["devices"] == 1
    lines = list(benchmark.describe(json.loads(json.dumps(report))))
    assert all(any(line.startswith(f"{name}: median") for line in lines) for name in updates)


def test_operations_are_those_of_the_networks():
    """A generator of a residual block alone, counted by hand: most of a translation's operations."""
    config = benchmark.configure(_config("op_gan"), size=48, batch=2)
    few, many = (
        benchmark.benchmark(benchmark.configure(config, blocks=n), steps=1, translate=True)["translate"]["flops"]
        for n in (1, 3)
    )
    channels, side = 4 * config.model.width, 48 // 4
    by_hand = 2 * (2 * 9 * channels**2) * (2 * side**2) * (3 - 1)  # two convolutions a block, two images, two blocks
    assert many - few == pytest.approx(by_hand, rel=0.15)


def test_flags_replace_what_the_recipe_has():
    config = tiny.config(data__load_size=(36, 36), num_steps=0, num_epochs=1)
    changed = benchmark.configure(config, size=48, batch=3, width=8, blocks=2, layers=2)
    assert changed.data.image_size == (48, 48) and changed.data.load_size == (72, 72)
    assert changed.batch_size == 3 and changed.num_steps > 0
    model = changed.model
    assert model.width == model.discriminator_width == model.siamese_width == 8
    assert model.num_blocks == model.discriminator_layers == 2
    same = benchmark.configure(config)
    assert same.model == config.model and same.data.image_size == config.data.image_size


def test_random_labels_come_in_groups():
    config = settings.with_labels(benchmark.configure(_config("match_gan"), batch=12))
    batch = settings.random_batch(config, "labelled")
    assert batch["image"].shape == (12, 16, 16, 3) and batch["image"].dtype == np.uint8
    assert len(config.data.attributes) == batch["label"].shape[1] == batch["target"].shape[1] == 5
    for i in range(0, 12, 4):
        assert (batch["label"][i : i + 4] == batch["label"][i]).all()
    assert (batch["target"].reshape(4, 3, 5) == batch["target"][:3]).all()


def test_calls_are_waited_for_and_warm_up_does_not_count():
    calls = []

    def call():
        time.sleep(0.05 if len(calls) < 2 else 0.002)
        calls.append(jnp.zeros(()))
        return calls[-1]

    times = measure.time_calls(call, 4)
    assert len(calls) == 6 and len(times) == 4 and 0.002 <= max(times) < 0.05
    assert measure.summary([3.0, 1.0, 2.0], 4) == {"median_s": 2.0, "min_s": 1.0, "images_per_s": 2.0}


def test_the_rate_of_products_is_a_machines():
    assert 1e8 < measure.product_rate(jnp.zeros(()).devices().pop(), "float32") < 1e15


def test_overhead_of_the_loop(monkeypatch):
    """A loop whose data take their time is slower than its steps; what was compiled does not count."""
    config = benchmark.configure(_config("op_gan"))
    with config.unlocked():
        config.data.name, config.log_steps, config.checkpoint_steps = "folder", 4, 1000
    monkeypatch.setattr(whole_loop, "_IMAGES", 4)
    monkeypatch.setattr(whole_loop, "_PAUSE", 0.0)
    following = whole_loop.loop._Streams.next
    monkeypatch.setattr(whole_loop.loop._Streams, "next", lambda *args: (time.sleep(0.2), following(*args))[1])
    told = benchmark.time_loop(config, 18, every=4)
    assert 0 < told["steps"] <= 12 and told["steps"] % 4 == 0
    assert told["loop_s"] >= 0.2 and told["loop_s"] > told["bare_s"] > 0
    assert told["overhead_percent"] == pytest.approx(100 * (told["loop_s"] / told["bare_s"] - 1))


def test_a_loop_too_short_to_tell():
    with pytest.raises(errors.ConfigError, match="allowed: at least 16 steps"):
        whole_loop._Stretches(4).summary()


def test_random_files_for_the_loop_of_a_method_with_labels(tmp_path):
    config = whole_loop._with_data(settings.configure(tiny.faces_config(data__name="celeba")), tmp_path / "data")
    resolved = whole_loop.loop.resolve(config)
    assert resolved.data.attributes == ("a", "b", "c", "d", "e")
    assert math.prod(resolved.data.image_size) == 256


def _launch(*args):
    command = [sys.executable, str(ROOT / "launch" / "benchmark.py"), "--config=configs/match_gan.py:published", *args]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)


def test_the_launcher_prints_json_last_and_leaves_a_trace(tmp_path):
    small = ("--size=16", "--width=4", "--blocks=1", "--layers=2", "--batch=8", "--devices=1", "--steps=2")
    done = _launch(*small, "--translate", "--json", f"--profile={tmp_path}")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    _check(report["translate"], 8)
    assert list(tmp_path.rglob("*.xplane.pb"))


def test_a_flag_that_cannot_be_ends_in_one_line():
    done = _launch("--steps=0")
    assert done.returncode == 2, done.stderr
    assert done.stderr == "error: --steps is 0; allowed: at least 1\n"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"width": -4}, "--width is -4; allowed: at least 1"),
        ({"size": 17}, r"config.data.image_size is \(17, 17\)"),
        ({"batch": 6}, "config.batch_size is 6; allowed: 0, or at least two groups"),
    ],
)
def test_sizes_that_cannot_be(flags, says):
    with pytest.raises(errors.ConfigError, match=says):
        benchmark.configure(_config("match_gan"), **flags)


def test_devices_that_are_not_there():
    with pytest.raises(errors.ConfigError, match="config.num_devices is 99"):
        benchmark.benchmark(benchmark.configure(tiny.faces_config(num_devices=99)))


def test_operations_that_are_not_counted_are_no_zero():
    """A GPU's convolutions are calls of cuDNN, which XLA does not count: a share of 0% would be made up."""
    config = benchmark.configure(_config("op_gan"), size=24, batch=2)
    program = programs.compile_translation(config)
    assert program.flops
    assert dataclasses.replace(program, devices=[types.SimpleNamespace(platform="gpu")]).flops is None
    report = benchmark.benchmark(config, steps=1, translate=True)
    report["translate"] |= {"flops": None, "product_share": None}
    assert any("; operations not counted" in line for line in benchmark.describe(report))
