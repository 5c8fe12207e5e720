"""How processes find each other, and what the small parent makes of a child's end; `drills/hosts_test.py` runs some."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import jax
import pytest

from gan_ssl import errors
from gan_ssl.training import guard, hosts
from tests.conftest import ROOT
from tests.drills.common import free_port

_CLUSTERS = {
    "slurm": {
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "node[1-4]",
        "SLURM_NTASKS": "4",
        "SLURM_PROCID": "2",
        "SLURM_LOCALID": "0",
    },
    "open mpi": {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:1", "OMPI_COMM_WORLD_SIZE": "4"},
}


def test_nothing_is_waited_for_where_there_is_no_cluster():
    began = time.monotonic()
    assert hosts.find() == hosts.Peers(1)
    assert time.monotonic() - began < 5
    with hosts.joined(hosts.Peers(1)):
        assert hosts.is_first() and hosts.gather({"a": 1}) == [{"a": 1}]


@pytest.mark.parametrize("cluster", _CLUSTERS)
def test_jax_finds_its_peers_and_one_process_can_be_asked_for(cluster, monkeypatch):
    for name, value in _CLUSTERS[cluster].items():
        monkeypatch.setenv(name, value)
    assert hosts.find() == hosts.Peers(4)
    assert hosts.find(count=1) == hosts.Peers(1)


def test_a_cluster_that_does_not_count_its_processes_is_told(monkeypatch):
    for name, value in (_CLUSTERS["slurm"] | {"SLURM_NTASKS": "many"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.ConfigError, match="cannot be counted .*allowed: --coordinator"):
        hosts.find()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"process_id": 1}, "--process_id is 1, but --coordinator is missing"),
        ({"coordinator": "a:1"}, "--coordinator is a:1, but --num_processes is missing"),
        ({"coordinator": "a:1", "count": 2}, "--coordinator is a:1, but --process_id is missing"),
        ({"count": 2}, "--num_processes is 2, but --coordinator is missing"),
        ({"coordinator": "a:1", "count": 2, "process_id": 2}, "--process_id is 2; allowed: 0 to .* 1"),
        ({"coordinator": "a", "count": 2, "process_id": 0}, "--coordinator is 'a'; allowed: HOST:PORT"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(given, says):
    with pytest.raises(errors.ConfigError, match=says):
        hosts.find(**given)


_FATAL = (
    "F1125 19:25:00.1 7 client.h:80] Terminating process because the JAX distributed service detected fatal errors. "
)
_SILENT = "UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):\n{}\nThe tasks have crashed.\n"


@pytest.mark.parametrize(
    ("said", "end", "code", "says"),
    [
        ("", "sys.exit(3)", 3, ""),
        ("loss 1\n", "os.kill(os.getpid(), 9)", 137, "loss 1\nerror: this process was ended by SIGKILL"),
        (
            "E1125 19:25:00.1 7 coordination_service.cc:1549] " + _SILENT.format(1) + _FATAL + _SILENT.format(1),
            "os.abort()",
            75,
            "error: process 1 died or cannot be reached; start again to go on",
        ),
        (
            _FATAL + _SILENT.format("/job:jax_worker/replica:0/task:2\n/job:jax_worker/replica:0/task:3"),
            "os.abort()",
            75,
            "error: process 2, 3 died or cannot be reached; start again to go on",
        ),
        (
            _FATAL + "absl::Status: DEADLINE_EXCEEDED: Deadline Exceeded\n",
            "os.abort()",
            75,
            "error: process 0 died or cannot be reached; start again to go on",
        ),
        (
            _FATAL + "absl::Status: DEADLINE_EXCEEDED: Deadline Exceeded\n\nRPC: /xla/RegisterTask\n",
            "os.abort()",
            75,
            "error: not all processes came within 5 minutes; start again to go on",
        ),
        ("E1125 19:25:00.1 7 agent.cc:2] Polled an error\nerror: gone\n", "sys.exit(75)", 75, "error: gone"),
        (
            "terminate called after throwing an instance of 'gloo::EnforceNotMet'\n  what():  [enforce fail at p.cc:1]",
            "os.abort()",
            75,
            "error: another process died or cannot be reached; start again to go on",
        ),
        (
            "terminate called without an active exception\n",
            "os.abort()",
            134,
            "terminate called without an active exception\nerror: this process was ended by SIGABRT",
        ),
    ],
)
def test_the_parent_says_in_one_line_why_its_child_ended(said, end, code, says, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\nfrom gan_ssl.training import guard\n"
        "if not guard.is_guarded(): sys.exit(guard.run())\n"
        f"sys.stderr.write({said!r}); sys.stderr.flush()\n{end}\n"
    )
    done = subprocess.run([sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, env=_env())
    assert (done.returncode, done.stderr.strip()) == (code, says)


def _env():
    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_the_child_dies_with_its_parent_and_hears_its_signals(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, sys, time\nfrom gan_ssl.training import guard, stopping\n"
        "if not guard.is_guarded(): sys.exit(guard.run())\n"
        "guard.follow()\n"
        "with stopping.listening() as stop:\n"
        "    print(__import__('os').getpid(), flush=True)\n"
        "    while not stop.signal: time.sleep(0.01)\n"
        "    print(stop.signal, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, str(program)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=_env())
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGTERM)
    assert parent.stdout.readline() == "SIGTERM\n"
    parent.kill()
    assert parent.stdout.read() == ""  # comes to its end when the child, which writes there too, is gone
    parent.wait()
    parent.stdout.close()
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(child, 0)
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("cause", "lost"),
    [
        (ValueError("UNKNOWN: Gloo AllGather failed: Connection closed by peer"), True),
        (jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: Barrier timed out"), True),
        (ConnectionRefusedError("connection refused"), False),  # a bucket's, say
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), False),
    ],
)
def test_a_lost_host_is_told_from_other_faults_by_what_lies_below(cause, lost):
    error = errors.TrainingError("a checkpoint cannot be written")
    error.__cause__ = cause
    assert hosts._is_loss(error) == lost


def _run_two(tmp_path, body):
    """Runs two processes that have joined, of which each is `me`; returns their codes and what they printed."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\n"
        "from gan_ssl import errors\nfrom gan_ssl.training import hosts\n"
        "me = int(sys.argv[1])\n"
        "try:\n"
        f"    with hosts.joined(hosts.Peers(2, 'localhost:{free_port()}', me)):\n"
        f"{textwrap.indent(textwrap.dedent(body), ' ' * 8)}"
        "except errors.GanSslError as error:\n"
        "    print(error)\n"
        "    sys.exit(error.exit_code)\n"
    )
    how = {"cwd": ROOT, "stdout": subprocess.PIPE, "text": True, "env": _env() | {"JAX_PLATFORMS": "cpu"}}
    both = [subprocess.Popen([sys.executable, str(program), str(i)], **how) for i in (0, 1)]
    said = [process.communicate(timeout=150)[0].strip() for process in both]
    return [process.returncode for process in both], said


@pytest.mark.parametrize(("dies", "code"), [(True, 75), (False, 2)])
def test_what_goes_wrong_where_another_has_died_came_of_that(dies, code, tmp_path):
    """A library that finds a peer's file missing, or its connection closed, may call it anything."""
    body = f"""
        hosts.gather(me)
        if me and {dies}: os._exit(9)
        if me: time.sleep(60)
        raise errors.TrainingError('a part is missing')
    """
    codes, said = _run_two(tmp_path, body)
    assert codes == [code, 9 if dies else 2]
    assert "a part is missing" in said[0] and ("another process died" in said[0]) == dies


@pytest.mark.slow
def test_a_process_may_compile_for_longer_than_gloo_waits(tmp_path):
    """XLA gives all 30 seconds to be connected, and says nothing of how to change that."""
    body = """
        import jax, numpy as np
        from gan_ssl.training import parallel
        parallel.connect(jax.devices())
        if me: time.sleep(35)
        mean = jax.pmap(lambda x: jax.lax.pmean(x, 'batch'), axis_name='batch')
        print(float(mean(np.full(jax.local_device_count(), me))[0]))
    """
    codes, said = _run_two(tmp_path, body)
    assert codes == [0, 0] and [text.splitlines()[-1] for text in said] == ["0.5", "0.5"]


def test_native_lines_about_broken_connections_are_hushed():
    line = "E1125 19:25:00.123456    7 coordination_service_agent.cc:400] Polled an error"
    assert guard._HUSHED.match(line) and not guard._HUSHED.match(line.replace("coordination_service_agent", "gpu"))
