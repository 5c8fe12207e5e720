"""The launchers as a user starts them: from any folder, with mistakes."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_QUICK = "--config=configs/op_gan.py:quick"


def _launch(name, *args, cwd=ROOT):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, str(ROOT / "launch" / f"{name}.py"), *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--config=configs/op_gan.py:qick", "--workdir=run"), "no variant 'qick'; allowed: quick"),
        ((_QUICK, "--workdir=run", "--config.loss.cycel=5"), "did you mean config.loss.cycle?"),
        ((_QUICK, "--workdir=run", "--config.model.upsample=cubic"), "allowed: one of transpose, resize, antialias"),
        (("--config=configs/nope.py", "--workdir=run"), "no file"),
        ((_QUICK,), "--workdir is missing"),
        ((_QUICK, "--workdir=run", "--process_id=1"), "--process_id is 1, but --coordinator is missing"),
        (("--config=configs/op_gan.py", "--workdir=run", "--config.data.dir=gone"), "gone"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2_before_anything_is_written(tmp_path, args, says):
    done = _launch("train", *args, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert says in line
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_evaluate_and_translate_name_a_missing_run(tmp_path):
    for name, args in (("evaluate", ()), ("translate", (f"--input={ROOT / 'LICENSE'}", "--output=y"))):
        done = _launch(name, "--workdir=nowhere", *args, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "nowhere" in done.stderr and "Traceback" not in done.stderr
