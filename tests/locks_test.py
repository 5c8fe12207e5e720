"""One run at a time in a work directory, by a file lock or by a lease."""

import json
import subprocess
import sys
import threading
import time

import pytest

from gan_ssl import errors
from gan_ssl.training import locks
from tests.conftest import ROOT


def test_a_second_run_is_refused_until_the_first_one_dies(tmp_path):
    code = (
        "import sys, time; from gan_ssl.training import locks\n"
        "with locks.alone_in(sys.argv[1]): print('held', flush=True); time.sleep(600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(errors.TrainingError, match="another run is training in"), locks.alone_in(str(tmp_path)):
            pass
    finally:
        holder.kill()
        holder.communicate()
    deadline = time.monotonic() + 10
    while True:  # the lock dies with its process
        try:
            with locks.alone_in(str(tmp_path)):
                return
        except errors.TrainingError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def leased(tmp_path, monkeypatch):
    """A folder that is locked as a bucket is, a hundred times as fast."""
    monkeypatch.setattr(locks, "in_bucket", lambda workdir: True)
    for name in ("RENEWED_S", "STALE_S", "SETTLED_S"):
        monkeypatch.setattr(locks, name, getattr(locks, name) / 50)
    return tmp_path


def _write(folder, age, owner="node-7, process 12"):
    lease = {"owner": owner, "id": "theirs", "time": time.time() - age}
    (folder / "lease.json").write_text(json.dumps(lease))


def test_a_lease_says_whose_it_is_is_renewed_and_ends_with_its_run(leased):
    with locks.alone_in(str(leased)):
        first = json.loads((leased / "lease.json").read_text())
        assert "process" in first["owner"] and abs(first["time"] - time.time()) < 5
        deadline = time.monotonic() + 10
        while json.loads((leased / "lease.json").read_text() or "{}").get("time", 0) <= first["time"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert not (leased / "lease.json").exists()
    assert "lease" not in [thread.name for thread in threading.enumerate()]


def test_a_living_lease_is_refused_with_owner_and_age(leased):
    _write(leased, age=0)

    def renew():
        time.sleep(locks.RENEWED_S)
        _write(leased, age=0)

    thread = threading.Thread(target=renew)
    thread.start()
    says = "node-7, process 12 renewed lease.json 0 s ago"
    with pytest.raises(errors.TrainingError, match=says), locks.alone_in(str(leased)):
        pass
    thread.join()
    assert json.loads((leased / "lease.json").read_text())["id"] == "theirs"


@pytest.mark.parametrize(
    ("age", "waited"),
    [
        (0, lambda: locks.STALE_S),  # killed a moment ago
        (3600, lambda: 1.5 * locks.RENEWED_S),  # long ago; clocks can be wrong, so it is watched for a renewal
        (-3600, lambda: locks.STALE_S),  # its clock was ahead
    ],
)
def test_a_dead_lease_is_taken_over_when_it_was_watched_for_long_enough(leased, age, waited):
    _write(leased, age)
    began = time.monotonic()
    with locks.alone_in(str(leased)):
        assert waited() <= time.monotonic() - began < waited() + 10
        assert json.loads((leased / "lease.json").read_text())["id"] != "theirs"


def test_of_two_that_take_it_at_once_the_last_one_has_it(leased, monkeypatch):
    write = locks._Lease._write

    def overtaken(self):
        write(self)
        _write(leased, age=0, owner="node-8, process 3")

    monkeypatch.setattr(locks._Lease, "_write", overtaken)
    with pytest.raises(errors.TrainingError, match="node-8, process 3"), locks.alone_in(str(leased)):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{", '{"owner": 3}'])
def test_a_lease_that_says_nothing_is_taken(leased, text):
    (leased / "lease.json").write_text(text)
    with locks.alone_in(str(leased)):
        assert json.loads((leased / "lease.json").read_text())["owner"]


def test_a_run_that_lost_its_lease_ends_its_process(tmp_path):
    code = (
        "import sys, time; from gan_ssl.training import locks\n"
        "locks.in_bucket = lambda workdir: True\n"
        "locks.RENEWED_S, locks.SETTLED_S = 0.3, 0.0\n"
        "with locks.alone_in(sys.argv[1]): print('held', flush=True); time.sleep(600)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout.readline() == "held\n"
        deadline = time.monotonic() + 30
        while run.poll() is None:  # again and again: a renewal that was under way may write over the first one
            assert time.monotonic() < deadline
            _write(tmp_path, age=0)
            time.sleep(0.1)
        said = run.communicate()[1]
    finally:
        run.kill()
    assert run.returncode == errors.TrainingError.exit_code
    assert "node-7, process 12" in said and "taken for dead" in said
