"""Signals: a run that is told to stop saves first."""

import os
import signal
import subprocess
import sys

import pytest

from gan_ssl import errors
from gan_ssl.training import checkpoints, loop, metrics
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
        "    for _ in range(2): os.kill(os.getpid(), signal.SIGTERM)  # as a launcher does to a process and its group\n"
        "    time.sleep(0.7); assert stop.signal == 'SIGTERM'\n"
        "    print('asked', flush=True); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "asked\n" and done.returncode == 128 + signal.SIGTERM
