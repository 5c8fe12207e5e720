"""Real processes on loopback: they agree, read each other's checkpoints, end together, and survive a death."""

import json
import shutil

import numpy as np
import pytest

from gan_ssl.training import compilation, loop
from gan_ssl.training.locks import alone_in
from tests.drills import common, hosts


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with images and an undisturbed run of two processes, all of whose checkpoints are kept."""
    root = tmp_path_factory.mktemp("hosts")
    images = common.make_images("op_gan", root / "images")
    run = root / "undisturbed_2"
    hosts.finish(_flags("op_gan", images, run, keep_checkpoints=hosts.STEPS), 2, root / "undisturbed_2.log")
    return root


def _alone(method, images, workdir, **overrides):
    """Trains in this process on as many devices as the processes have in all, and with their options of XLA: none."""
    config = common.tiny_config(method, images, **(hosts.TINY[method] | {"num_devices": hosts.DEVICES} | overrides))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "compiler_options", lambda platform: {})
        loop.train_and_evaluate(config, str(workdir))


def _flags(method, images, workdir, **overrides):
    return hosts.arguments(method, images, workdir, *(f"--config.{k}={v}" for k, v in overrides.items()))


def _assert_agree(ours, wanted):
    """Compares losses and gradients (as Adam's mean keeps them) after one step, at 1e-6 of what is largest in each.

    Not to the bit: within a process XLA adds what four devices give in another order than Gloo does across processes,
    and float addition is not associative. With one order for both (all_gather, then additions one after the other) and
    as many threads, 1 and 2 processes made the same bits in all arrays and losses of 4 steps.
    """
    (arrays, lines), (wanted_arrays, wanted_lines) = ours, wanted
    assert lines[0].keys() == wanted_lines[0].keys()
    for name, value in lines[0].items():  # metrics.jsonl has six digits
        np.testing.assert_allclose(value, wanted_lines[0][name], rtol=6e-6, atol=2e-6, err_msg=name)
    means = [name for name in wanted_arrays if "['mu']" in name]
    assert means
    for name in means:
        bound = 1e-6 * max(np.abs(wanted_arrays[name]).max(), 1e-6)
        np.testing.assert_allclose(arrays[name], wanted_arrays[name], rtol=0, atol=bound, err_msg=name)
    for name in (n for n in wanted_arrays if "places" in n):
        np.testing.assert_allclose(arrays[name], wanted_arrays[name], rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_processes_agree_and_read_each_others_checkpoints(root, tmp_path):
    """Two processes against one on the same four devices; then what two wrote is gone on with by one, and back."""
    images, run = str(root / "images"), tmp_path / "run"
    _alone("op_gan", images, tmp_path / "alone", num_steps=1)
    _assert_agree(common.read(root / "undisturbed_2", 1), common.read(tmp_path / "alone"))

    shutil.copytree(root / "undisturbed_2", run)
    longer = {"num_steps": hosts.STEPS + 1, "keep_checkpoints": 2}
    _alone("op_gan", images, run, **longer)
    hosts.finish(_flags("op_gan", images, run, **longer), 2, tmp_path / "back")  # has nothing more to do
    assert f"resumed from step {hosts.STEPS + 1}" in (tmp_path / "back.0").read_text()
    arrays, lines = common.read(run)
    assert [line["step"] for line in lines] == list(range(1, hosts.STEPS + 2))
    assert arrays["['places']['a']['images']"].shape[0] == 12 and np.all(arrays["['places']['a']['count']"] == 2)
    assert json.loads((run / "config.json").read_text())["num_steps"] == hosts.STEPS + 1


@pytest.mark.slow
@pytest.mark.parametrize("method", common.METHODS)
def test_1_2_and_4_processes_agree_and_go_on_with_each_others_runs(method, tmp_path):
    images, short = common.make_images(method, tmp_path / "images"), {"num_steps": 1}
    runs = {count: tmp_path / f"run_{count}" for count in (1, 2, 4)}
    _alone(method, images, runs[1], **short)
    for count in (2, 4):
        hosts.finish(_flags(method, images, runs[count], **short), count, tmp_path / f"log_{count}")
    _assert_agree(common.read(runs[4]), common.read(runs[1]))
    assert not common.differences(runs[4], runs[2])
    _alone(method, images, runs[4], num_steps=2)
    hosts.finish(_flags(method, images, runs[4], num_steps=3), 2, tmp_path / "log_2")
    arrays, lines = common.read(runs[4])
    assert arrays["['step']"] == 3 and [line["step"] for line in lines] == [1, 2, 3]


def test_the_dead_are_noticed_and_the_run_goes_on_to_the_same_bits(root):
    assert not hosts.drill("op_gan", root, 1, seed=1, counts=(2,))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "deaths"), [("op_gan", 3), ("match_gan", 2)])
def test_five_deaths(method, deaths, tmp_path):
    assert not hosts.drill(method, tmp_path, deaths, seed=2)


def _ends(launchers, log):
    return hosts.wait(launchers, hosts.LIMIT_S), [lines[0] for lines in hosts.errors_in(log, 2) if len(lines) == 1]


def test_what_one_host_cannot_do_ends_all_with_its_reason(tmp_path):
    given = hosts.arguments("op_gan", common.make_images("op_gan", tmp_path / "images"), tmp_path / "run")
    log = tmp_path / "log"
    codes, reasons = _ends(hosts.start(given, 2, log, {1: ["--config.data.dir=gone"]}), log)
    assert codes == [2, 2]
    assert reasons[0].startswith("error: process 1 ended: gone") and reasons[1].startswith("error: gone")


@pytest.mark.slow
def test_a_second_run_is_refused_on_all_hosts(tmp_path):
    """Process 0 alone looks at the lock."""
    given, log = (
        hosts.arguments("op_gan", common.make_images("op_gan", tmp_path / "images"), tmp_path / "run"),
        tmp_path / "log",
    )
    (tmp_path / "run").mkdir()
    with alone_in(str(tmp_path / "run")):
        codes, reasons = _ends(hosts.start(given, 2, log), log)
    assert codes == [2, 2]
    assert all("another run is training in" in reason for reason in reasons) and "process 0 ended" in reasons[1]
