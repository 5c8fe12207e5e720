"""Work directories in a bucket: a local stand-in, which gcsfs, TensorStore and Orbax reach as they do the real one."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from gan_ssl.training import checkpoints, loop, metrics, workdir
from gan_ssl.training.metrics import TIMES
from tests import tiny
from tests.conftest import ROOT

pytest.importorskip("gcsfs", reason="the extra gcs is not installed")

_SETTINGS = {"data__name": "folder", "log_steps": 1, "checkpoint_steps": 2, "sample_steps": 4}
_CHILD = """
import json, sys
from tests import buckets_test, conftest, tiny
from gan_ssl.training import checkpoints, locks, loop, metrics
locks.RENEWED_S, locks.STALE_S, locks.SETTLED_S = 1.0, 4.0, 0.2
"""

# Dies at step argv[2], once the last checkpoint is written; at the end prints what there is.
_TRAIN = """
import os, signal
from etils import epath
from gan_ssl import config as configs
config = configs.from_json(open(sys.argv[1]).read())
add, save = metrics.RunningMetrics.add, checkpoints.Checkpointer.save
def dying_add(self, step, values):
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, step, values)
def whole_save(self, *args):
    save(self, *args)
    self._manager.wait_until_finished()
metrics.RunningMetrics.add, checkpoints.Checkpointer.save = dying_add, whole_save
metrics._FLUSHED_S = 0.0
run = epath.Path("gs://bucket/runs/one")
loop.train_and_evaluate(config, str(run))
names = [str(p.relative_to(run)) for p in run.glob("*/*")]
loaded = checkpoints.load(str(run))
print(json.dumps([loaded.step, buckets_test.bits(loaded.params), metrics.read_metrics(str(run)), names]))
"""
# No training: what the parts make of a bucket.
_PARTS = """
from etils import epath
from gan_ssl import errors
from gan_ssl.training import workdir
def told(f, *args):
    try:
        f(*args)
    except errors.GanSslError as error:
        return f"{type(error).__name__}: {error}"
def hold(address):
    with locks.alone_in(address):
        pass
run = epath.Path("gs://bucket/runs/parts")
with locks.alone_in(str(run)):
    second = told(hold, str(run))
    mine = json.loads((run / "lease.json").read_text())["owner"]
(run / "checkpoints" / "7" / "state" / "d").mkdir(parents=True, exist_ok=True)
for name in ("record", "state/a", "state/d/b"):
    (run / "checkpoints" / "7" / name).write_text(name)
workdir.move_folder(run / "checkpoints" / "7", run / "damaged" / "7_1")
moved = [(run / "damaged" / "7_1" / name).read_text() for name in ("record", "state/a", "state/d/b")]
left = (run / "checkpoints").exists() or (run / "lease.json").exists()
print(json.dumps([second, mine, moved, left, told(hold, "gs://buckt/run"), told(checkpoints.load, str(run))]))
"""


@pytest.fixture(scope="module")
def bucket():
    """Returns a function that runs code where `gs://bucket` is an emulated one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([sys.executable, "-m", "tests.bucket_server", str(port)], cwd=ROOT)
    env = os.environ | {
        "STORAGE_EMULATOR_HOST": address,
        "TENSORSTORE_GCS_HTTP_URL": address,
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",
        "GOOGLE_CLOUD_PROJECT": "none",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "FSSPEC_GCS_TOKEN": "anon",
    }

    def run(code, *args):
        command = [sys.executable, "-c", _CHILD + code, *args]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)

    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        yield run
    finally:
        server.kill()
        server.wait()


def bits(params):
    """Returns a hash of all parameters."""
    return hashlib.sha256(b"".join(np.asarray(x).tobytes() for x in jax.tree.leaves(params))).hexdigest()


def _without_times(lines):
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_bucket_to_the_bits_of_an_undisturbed_one(bucket, tmp_path):
    config = tiny.config(data__dir=tiny.folder(tmp_path / "images"), **_SETTINGS)
    workdir.write_config(str(tmp_path), config)
    killed = bucket(_TRAIN, str(tmp_path / "config.json"), "6")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = bucket(_TRAIN, str(tmp_path / "config.json"), "0")
    assert ended.returncode == 0, ended.stderr
    assert "waiting at most" in ended.stderr  # for the lease of the run that was killed
    step, digest, lines, names = json.loads(ended.stdout.splitlines()[-1])
    loop.train_and_evaluate(config, str(tmp_path / "whole"))
    whole = checkpoints.load(str(tmp_path / "whole"))
    assert (step, digest) == (8, bits(whole.params))
    assert _without_times(lines) == _without_times(metrics.read_metrics(str(tmp_path / "whole")))
    assert [n.split("-")[0] for n in names if n.startswith("metrics/")] == ["metrics/000000000", "metrics/000000004"]
    assert len([n for n in names if n.startswith("events/")]) == 2
    assert {"samples/step_0000004.png", "samples/step_0000008.png"} <= set(names)


def test_the_lease_the_moves_and_a_mistyped_bucket(bucket):
    done = bucket(_PARTS)
    assert done.returncode == 0, done.stderr
    second, owner, moved, left, mistyped, empty = json.loads(done.stdout.splitlines()[-1])
    assert second.startswith(f"TrainingError: another run is training in gs://bucket/runs/parts ({owner} renewed lease")
    assert moved == ["record", "state/a", "state/d/b"] and not left
    assert mistyped.startswith("TrainingError: cannot write to the work directory gs://buckt/run: ")
    assert empty.startswith("CheckpointError: gs://bucket/runs/parts holds no run")
