"""The cluster scripts against stand-ins for gcloud, srun, squeue, scontrol and kubectl that record what they are told.

The stand-in for gcloud runs what is sent over ssh, in a folder that is the virtual machine.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gan_ssl import errors
from tests.conftest import ROOT

_SCRIPTS = ("launch/tpu_pod.sh", "launch/slurm.sh", "launch/gke/run.sh")
_TRAIN = (
    "--config=configs/op_gan.py:quick",
    "--workdir=gs://bucket/run",
    '--config.data.attributes=("A & B","C\'s $HOME")',
)

_GCLOUD = """
import json, os, pathlib, shutil, subprocess, sys
here, args = pathlib.Path(os.environ["HERE"]), sys.argv[1:]
with (here / "calls").open("a") as file:
    file.write(json.dumps(args) + "\\n")
assert args[:3] == ["compute", "tpus", "tpu-vm"] and "--zone=here-a" in args, args
verb, state, vm = args[3], here / "state", here / "vm"
now = state.read_text() if state.exists() else ""
flags = dict(a[2:].split("=", 1) for a in args if a.startswith("--") and "=" in a)
if verb == "describe":
    print(now)
    sys.exit(not now)
elif verb == "create":
    assert not now
    refused = here / "no_capacity"
    if refused.exists():
        refused.unlink()
        sys.exit(1)
    vm.mkdir()
    state.write_text("READY")
elif verb == "delete":
    shutil.rmtree(vm)
    state.unlink()
elif now != "READY":
    sys.exit(255)
elif verb == "scp":
    shutil.copy(args[4], vm)
elif verb == "ssh":
    sys.exit(subprocess.run(["bash", "-c", flags["command"]], cwd=vm, env={**os.environ, "HOME": str(vm)}).returncode)
"""
# `python3.11 -m venv` makes a "python" that records its arguments and ends as the next line of `ends` says.
_PYTHON = """#!/usr/bin/env bash
mkdir -p venv/bin
cp "$HERE/trainer" venv/bin/python
echo 'echo "$@" >> "$HERE/installed"' > venv/bin/pip
chmod +x venv/bin/*
"""
_TRAINER = """#!/usr/bin/env bash
printf '%s\\n' "$PWD" "$@" > "$HERE/trained"
end=$(head -n 1 "$HERE/ends"); sed -i 1d "$HERE/ends"
echo "training, to end with $end"
case $end in
  preempt) printf PREEMPTED > "$HERE/state"; sleep 0.2; kill -KILL -- -$(cat ~/run.pid) ;;
  vanish) kill -KILL -- -$(cat ~/run.pid) ;;
  hang) trap 'echo saved > "$HERE/saved"; exit 75' TERM; sleep 100 & wait ;;
  *) exit "$end" ;;
esac
"""


def _script(path, text):
    path.write_text(text if text.startswith("#!") else f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder for what the stand-ins in its `bin` record."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def _run(script, *args, cwd=ROOT, **env):
    command = [str(ROOT / script), *args]
    return subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("script", _SCRIPTS)
def test_shellcheck_has_nothing_to_say(script):
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not checker:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([checker, str(ROOT / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("script", _SCRIPTS)
def test_without_arguments_they_say_what_they_want(script):
    done = _run(script, SLURM_JOB_ID="")
    assert done.returncode == 2 and ("launch/" in done.stderr or "sbatch" in done.stderr)


@pytest.fixture
def tpu(here, monkeypatch):
    for name, text in (("gcloud", _GCLOUD), ("python3.11", _PYTHON)):
        _script(here / "bin" / name, text)
    _script(here / "trainer", _TRAINER)
    for name, value in {"ZONE": "here-a", "ACCELERATOR": "v5litepod-16", "RUNTIME": "v2", "PAUSE": "0.1"}.items():
        monkeypatch.setenv(name, value)
    return here


def _calls(here, verb):
    calls = [json.loads(line)[3:] for line in (here / "calls").read_text().splitlines()]
    return [call for call in calls if call[0] == verb]


def test_tpu_create_install_start_follow_delete(tpu):
    (tpu / "ends").write_text("0\n")
    for command in ("create", "install"):
        done = _run("launch/tpu_pod.sh", command, "pod", SPOT="1")
        assert done.returncode == 0, done.stderr
    assert _calls(tpu, "create") == [
        ["create", "pod", "--zone=here-a", "--accelerator-type=v5litepod-16", "--version=v2", "--spot"]
    ]
    assert (tpu / "vm" / "gan_ssl" / "launch" / "train.py").read_text() == (ROOT / "launch" / "train.py").read_text()
    assert (tpu / "installed").read_text() == "install -q -e gan_ssl[tpu,gcs]\n"
    assert _run("launch/tpu_pod.sh", "start", "pod", *_TRAIN).returncode == 0
    assert "--worker=all" in _calls(tpu, "ssh")[-1]
    done = _run("launch/tpu_pod.sh", "follow", "pod", *_TRAIN)
    assert done.returncode == 0 and "training, to end with 0" in done.stdout, done.stderr
    assert (tpu / "trained").read_text().splitlines() == [str(tpu / "vm" / "gan_ssl"), "launch/train.py", *_TRAIN]
    assert _run("launch/tpu_pod.sh", "delete", "pod").returncode == 0
    assert not (tpu / "state").exists()


def test_tpu_follow_starts_again_what_was_interrupted_or_preempted_until_it_is_done(tpu):
    (tpu / "ends").write_text("75\npreempt\nvanish\n0\n")
    (tpu / "no_capacity").touch()
    done = _run("launch/tpu_pod.sh", "follow", "pod", *_TRAIN)  # there is no TPU yet
    assert done.returncode == 0, done.stderr
    assert (tpu / "ends").read_text() == ""
    assert len(_calls(tpu, "create")) == 3 and len(_calls(tpu, "delete")) == 1  # one refused, one lost to preemption
    assert all("--spot" not in call for call in _calls(tpu, "create"))
    assert "pod is gone" in done.stderr and "pod is PREEMPTED" in done.stderr and "not resumed" in done.stderr


@pytest.mark.parametrize("code", [errors.ConfigError.exit_code, 1])
def test_tpu_follow_ends_with_the_code_of_what_a_new_start_cannot_mend(tpu, code):
    (tpu / "ends").write_text(f"{code}\n0\n")
    assert _run("launch/tpu_pod.sh", "follow", "pod", *_TRAIN).returncode == code
    assert (tpu / "ends").read_text() == "0\n"


def test_tpu_resume_waits_for_a_tpu_that_is_being_made_and_start_ends_what_runs(tpu):
    (tpu / "state").write_text("CREATING")
    done = _run("launch/tpu_pod.sh", "resume", "pod", *_TRAIN)
    assert done.returncode == 1 and "pod is CREATING" in done.stderr and not _calls(tpu, "create")
    (tpu / "state").unlink()
    (tpu / "ends").write_text("hang\n0\n")
    assert _run("launch/tpu_pod.sh", "resume", "pod", *_TRAIN).returncode == 0
    deadline = time.monotonic() + 30
    while "hang" in (tpu / "ends").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)  # until it listens to the signal
    assert _run("launch/tpu_pod.sh", "start", "pod", *_TRAIN).returncode == 0
    assert (tpu / "saved").exists()
    assert _run("launch/tpu_pod.sh", "follow", "pod", *_TRAIN).returncode == 0


@pytest.mark.parametrize(
    ("script", "first"), [("launch/tpu_pod.sh", ("start", "pod")), ("launch/gke/run.sh", ("pod",))]
)
def test_a_work_directory_on_a_disk_that_goes_with_its_machine_is_refused(tpu, script, first):
    done = _run(script, *first, "--config=configs/op_gan.py", "--workdir=runs/one")
    assert done.returncode == 2 and "--workdir must be gs://" in done.stderr
    assert not (tpu / "calls").exists()


@pytest.fixture
def slurm(here, monkeypatch):
    """`srun` becomes what the file `step` says; the job's state is that of the file `state`."""
    _script(here / "bin" / "srun", '#!/usr/bin/env bash\nprintf "%s\\n" "$@" >> "$HERE/srun"\nexec bash "$HERE/step"\n')
    _script(here / "bin" / "squeue", '#!/usr/bin/env bash\necho "$@" > "$HERE/squeue"; cat "$HERE/state"\n')
    _script(here / "bin" / "scontrol", '#!/usr/bin/env bash\necho "$@" > "$HERE/scontrol"\n')
    (here / "state").write_text("RUNNING\n")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_SUBMIT_DIR", str(ROOT))
    return here


@pytest.mark.parametrize(
    ("code", "state", "again"),
    [
        (0, "RUNNING", False),
        (75, "RUNNING", True),
        (75, "COMPLETING", False),
        (2, "RUNNING", False),
        (1, "RUNNING", False),
    ],
)
def test_slurm_queues_a_run_again_that_was_interrupted_and_not_cancelled(slurm, code, state, again):
    (slurm / "step").write_text(f"exit {code}")
    (slurm / "state").write_text(f"{state}\n")
    done = _run("launch/slurm.sh", *_TRAIN, cwd=slurm, PYTHON="/shared/venv/bin/python")
    assert done.returncode == code, done.stderr
    assert (slurm / "srun").read_text().splitlines() == ["/shared/venv/bin/python", "launch/train.py", *_TRAIN]
    assert (slurm / "scontrol").exists() == again
    if again:
        assert (slurm / "scontrol").read_text() == "requeue 12\n" and "--jobs=12" in (slurm / "squeue").read_text()


def test_slurm_waits_while_the_tasks_save_and_sends_no_second_signal(slurm):
    """Slurm may signal the batch script too; the tasks, which have had theirs, must be left to save."""
    (slurm / "step").write_text('trap "echo x >> $HERE/signals" TERM; touch "$HERE/there"; sleep 2; exit 75')
    script = subprocess.Popen([str(ROOT / "launch/slurm.sh"), *_TRAIN], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (slurm / "there").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    script.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    script.send_signal(signal.SIGTERM)
    assert script.wait(timeout=30) == 75
    script.communicate()
    assert not (slurm / "signals").exists() and (slurm / "scontrol").read_text() == "requeue 12\n"


def test_slurm_signals_before_the_time_limit_and_may_requeue():
    options = [line for line in (ROOT / "launch/slurm.sh").read_text().splitlines() if line.startswith("#SBATCH")]
    assert {"#SBATCH --signal=TERM@120", "#SBATCH --requeue", "#SBATCH --open-mode=append"} <= set(options)


def test_gke_applies_a_jobset_that_starts_again_but_for_what_a_new_start_cannot_mend(here):
    _script(
        here / "bin" / "kubectl",
        '#!/usr/bin/env bash\necho "$@" >> "$HERE/calls"; [ "$1" != apply ] || cat > "$HERE/applied"\n',
    )
    sizes = {"IMAGE": "registry/gan_ssl:1", "ACCELERATOR": "tpu-v5-lite-podslice", "TOPOLOGY": "4x4"}
    sizes |= {"HOSTS": "4", "CHIPS": "4"}
    done = _run("launch/gke/run.sh", "mine", *_TRAIN, "--config.seed=3", **sizes)
    assert done.returncode == 0, done.stderr
    assert (here / "calls").read_text().splitlines() == ["delete jobset mine --ignore-not-found", "apply -f -"]
    (jobset,) = yaml.safe_load_all((here / "applied").read_text())
    assert (jobset["kind"], jobset["apiVersion"]) == ("JobSet", "jobset.x-k8s.io/v1alpha2")
    assert jobset["metadata"] == {"name": "mine"}
    (hosts,) = jobset["spec"]["replicatedJobs"]
    job = hosts["template"]["spec"]
    assert (job["parallelism"], job["completions"], job["backoffLimit"]) == (4, 4, 0)
    pod = job["template"]["spec"]
    (train,) = pod["containers"]
    assert train["args"] == [*_TRAIN, "--config.seed=3"] and train["image"] == "registry/gan_ssl:1"
    assert train["resources"]["limits"] == {"google.com/tpu": 4}
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "4x4"
    assert pod["restartPolicy"] == "Never" and pod["terminationGracePeriodSeconds"] >= 30
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob" and rule["onExitCodes"]["containerName"] == train["name"]
    assert errors.ConfigError.exit_code in rule["onExitCodes"]["values"]
    assert errors.Interrupted.exit_code not in rule["onExitCodes"]["values"]
    policy = jobset["spec"]["failurePolicy"]
    assert policy["maxRestarts"] >= 100
    assert {"action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"], "name": "stays-failed"} in policy[
        "rules"
    ]


def test_gke_names_what_is_missing_and_applies_nothing(here):
    _script(here / "bin" / "kubectl", '#!/usr/bin/env bash\necho "$@" >> "$HERE/calls"\n')
    done = _run("launch/gke/run.sh", "mine", *_TRAIN, IMAGE="x", ACCELERATOR="y", TOPOLOGY="2x2", HOSTS="1", CHIPS="")
    assert done.returncode != 0 and "set CHIPS" in done.stderr
    assert not (here / "calls").exists()
