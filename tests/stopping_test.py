"""Signals and locks: a run that is told to stop saves first, and a work directory has one run at a time."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gan_ssl import errors
from gan_ssl.training import checkpoints, loop, metrics, stopping
from tests import tiny
from tests.conftest import ROOT


def _config(root):
    return tiny.config(data__name="folder", data__dir=tiny.folder(root), log_steps=2, checkpoint_steps=100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on(tmp_path, monkeypatch, number):
    config, run = _config(tmp_path / "images"), str(tmp_path / "run")
    report = metrics.RunningMetrics.add

    def add(self, step, values):
        if step == 3:
            os.kill(os.getpid(), number)
        report(self, step, values)

    monkeypatch.setattr(metrics.RunningMetrics, "add", add)
    handler = signal.getsignal(number)
    with pytest.raises(errors.Interrupted, match="stopped and saved at step 3") as stopped:
        loop.train_and_evaluate(config, run)
    assert stopped.value.exit_code == 75 and signal.getsignal(number) is handler
    assert checkpoints.load(run).step == 3
    monkeypatch.undo()
    assert int(loop.train_and_evaluate(config, run).step) == 8


def test_a_second_signal_ends_at_once():
    code = (
        "import os, signal, time; from gan_ssl.training import stopping\n"
        "with stopping.listening() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.2); assert stop.signal == 'SIGTERM'\n"
        "    print('asked', flush=True); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "asked\n" and done.returncode == 128 + signal.SIGTERM


def test_a_second_run_is_refused_until_the_first_one_dies(tmp_path):
    code = (
        "import sys, time; from gan_ssl.training import stopping\n"
        "with stopping.alone_in(sys.argv[1]): print('held', flush=True); time.sleep(600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(errors.TrainingError, match="another run is training in"), stopping.alone_in(str(tmp_path)):
            pass
    finally:
        holder.kill()
        holder.communicate()
    deadline = time.monotonic() + 10
    while True:  # the lock dies with its process
        try:
            with stopping.alone_in(str(tmp_path)):
                return
        except errors.TrainingError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
