"""Work directories: what is a place for one, and how its files are written."""

import sys

import pytest
from etils import epath

from gan_ssl import errors, evaluation
from gan_ssl.training import workdir
from tests import tiny


@pytest.mark.parametrize("address", ["gs://", "gs://bucket", "gs://bucket/", "gs:///run", "s3://bucket/run", "x://y/z"])
def test_an_address_that_is_no_folder_of_a_bucket_is_named(address):
    with pytest.raises(errors.ConfigError, match=f"the work directory is {address}; allowed: a folder, or gs://"):
        workdir.locate(address)


def test_a_bucket_without_its_extra_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setattr(workdir.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ConfigError, match=r'gs://bucket/run; this needs: pip install -e "\.\[gcs\]"'):
        workdir.read_config("gs://bucket/run")


def test_a_bucket_stays_a_bucket_and_a_folder_becomes_absolute(tmp_path, monkeypatch):
    pytest.importorskip("gcsfs", reason="the extra gcs is not installed")
    monkeypatch.chdir(tmp_path)
    assert str(workdir.locate("run")) == str(tmp_path / "run")
    assert str(workdir.locate("gs://bucket/run") / "checkpoints") == "gs://bucket/run/checkpoints"


def test_a_config_is_written_whole(tmp_path):
    config = tiny.config()
    workdir.write_config(str(tmp_path / "a" / "run"), config)
    assert workdir.read_config(str(tmp_path / "a" / "run")).to_dict() == config.to_dict()
    assert sorted(p.name for p in (tmp_path / "a" / "run").iterdir()) == ["config.json", "versions.json"]


def test_a_folder_is_moved_with_what_is_in_it(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "x").write_text("1")
    workdir.move_folder(epath.Path(tmp_path / "7"), epath.Path(tmp_path / "damaged" / "7_1"))
    assert (tmp_path / "damaged" / "7_1" / "x").read_text() == "1" and not (tmp_path / "7").exists()


def test_refusals_of_the_system_are_one_line_and_bugs_are_not():
    says = "cannot write to the work directory run: No space left"
    with pytest.raises(errors.TrainingError, match=says), workdir.writing("run"):
        raise OSError(28, "No space left on device")
    with pytest.raises(ValueError), workdir.writing("run"):
        raise ValueError("a bug")
    with pytest.raises(errors.TrainingError, match="gs://b/run: Forbidden"), workdir.writing("gs://b/run"):
        raise ValueError("Forbidden\nand much more")


def test_evaluate_wants_a_folder():
    with pytest.raises(errors.ConfigError, match="gs://bucket/run; allowed: a folder"):
        evaluation.evaluate("gs://bucket/run")
