"""Metrics on disk: one file that is appended to, or in a bucket one segment a start."""

import json
import subprocess
import sys

import numpy as np
import pytest
from etils import epath
from tensorboardX.proto import event_pb2

from gan_ssl.training import metrics
from tests.conftest import ROOT


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_after_the_checkpoint_and_lines_cut_short_are_dropped_and_no_other_is_touched(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 2, "a": 1.0}\n[]\n{"step": 4, "a": 2.0}\n{"step": 6, "a": 3.0}\n{"step": 8, "a')
    writer = metrics.MetricWriter(str(tmp_path), 4)
    writer.write(6, {"a": 4.0})
    writer.close()
    assert _lines(path) == [{"step": 2, "a": 1.0}, {"step": 4, "a": 2.0}, {"step": 6, "a": 4.0}]
    assert metrics.read_metrics(str(tmp_path)) == _lines(path)
    assert not (tmp_path / "metrics.jsonl.new").exists()


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A folder in a bucket's place; files in it are written whole, or not at all."""
    for name in ("metrics", "events", "samples"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(metrics, "in_bucket", lambda workdir: True)
    monkeypatch.setattr(metrics, "locate", epath.Path)
    return tmp_path


def test_in_a_bucket_each_start_is_a_segment_and_the_later_start_counts(bucket):
    starts = [(0, (2, 4, 6)), (4, (6, 8)), (2, (4, 6))]  # the last one because the checkpoint of step 4 was damaged
    for i, (start, steps) in enumerate(starts):
        writer = metrics.MetricWriter(str(bucket), start)
        for step in steps:
            writer.write(step, {"a": 10.0 * i + step})
        writer.picture(steps[-1], np.zeros((2, 2, 3), np.uint8))
        writer.close()
    assert [x["a"] for x in metrics.read_metrics(str(bucket))] == [2.0, 24.0, 26.0]
    assert len(list((bucket / "metrics").iterdir())) == len(list((bucket / "events").iterdir())) == 3
    assert {p.name for p in (bucket / "samples").iterdir()} == {"step_0000006.png", "step_0000008.png"}


def test_in_a_bucket_lines_are_there_once_they_are_flushed(bucket):
    writer = metrics.MetricWriter(str(bucket), 0)
    folder = writer._sent.folder
    writer.write(2, {"a": 1.0})
    assert metrics.read_metrics(str(bucket)) == []  # sent every half minute
    writer.flush()
    assert metrics.read_metrics(str(bucket)) == [{"step": 2, "a": 1.0}]
    (event_file,) = (bucket / "events").iterdir()
    assert event_file.stat().st_size > 50
    writer.close()
    assert not folder.exists()


def test_in_a_bucket_long_segments_are_ended(bucket, monkeypatch):
    monkeypatch.setattr(metrics, "_SEGMENT_BYTES", 500)
    monkeypatch.setattr(metrics, "_FLUSHED_S", -1.0)
    writer = metrics.MetricWriter(str(bucket), 0)
    for step in range(1, 41):
        writer.write(step, {"a": float(step)})
    writer.close()
    sizes = [p.stat().st_size for p in (bucket / "metrics").iterdir()]
    assert len(sizes) > 2 and max(sizes) < 600
    assert [x["step"] for x in metrics.read_metrics(str(bucket))] == list(range(1, 41))


def test_a_run_without_metrics_has_none(tmp_path):
    assert metrics.read_metrics(str(tmp_path)) == []


@pytest.mark.parametrize("lines", [3, 300])
def test_a_full_disk_is_one_error_and_no_hang(tmp_path, lines):
    """A limit of the size of files stands for it: a write is cut short and refused in the same way."""
    code = (
        "import resource, sys; from gan_ssl import errors; from gan_ssl.training import metrics\n"
        "writer = metrics.MetricWriter(sys.argv[1], 0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try:\n"
        "    for step in range(int(sys.argv[2])):\n"
        "        writer.write(step, {'a': 1.0, 'b': 2.0})\n"
        "    writer.close()\n"
        "    print('whole')\n"
        "except errors.TrainingError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(lines)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    wanted = "whole" if lines == 3 else f"cannot write to the work directory {tmp_path}: File too large"
    assert done.returncode == 0 and done.stdout == f"{wanted}\n", done.stderr


def _events(path):
    """Reads the events of a file: each after its length and the length's checksum, before its own checksum."""
    data, events = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        events.append(event_pb2.Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return events


def test_tensorboard_gets_scalars_pictures_and_what_to_forget(tmp_path):
    for start in (0, 2):
        writer = metrics.MetricWriter(str(tmp_path), start)
        writer.write(start + 2, {"train/a": 0.5})
        writer.picture(start + 2, np.full((2, 3, 3), 7, np.uint8))
        writer.close()
    first, second = (
        _events(path) for path in sorted((tmp_path / "events").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    )
    assert first[0].file_version == "brain.Event:2"
    assert (first[1].step, first[1].summary.value[0].tag, first[1].summary.value[0].simple_value) == (2, "train/a", 0.5)
    picture = first[2].summary.value[0].image
    assert (picture.height, picture.width, picture.encoded_image_string[:4]) == (2, 3, b"\x89PNG")
    assert second[1].step == 3 and second[1].session_log.status == event_pb2.SessionLog.START
    assert len(first) == 3 and len(second) == 4
