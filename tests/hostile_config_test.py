"""Config values, config files and checkpoint folders that nobody meant."""

import os

import pytest

from gan_ssl import config as configs
from gan_ssl import errors
from gan_ssl.training import checkpoints, workdir
from tests import hostile
from tests.drills import fuzz_launch
from tests.hostile import no_test_hangs  # noqa: F401  used by itself


@pytest.mark.parametrize(
    ("override", "says"),
    [
        *((f"loss.cycle={v}", "config.loss.cycle is") for v in ("nan", "inf", "-inf", "1e400", "-1")),
        ("loss.cycle=true", "config.loss.cycle=true"),
        ("seed=1e400", "config.seed"),
        ("seed=" + "9" * 30, "at most 2147483647"),
        ("seed=" + "9" * 5000, "config.seed"),
        ("seed=0x" + "f" * 5000, "too long to be shown"),
        ("seed=²", "config.seed"),
        ("seed=None", "config.seed"),
        ("data.flip=maybe", "config.data.flip"),
        ("data.image_size=(8,)", "config.data.image_size is (8,)"),
        ("data.image_size=(9999999996,8)", "at most 16384"),
        ("data.image_size=('8','8')", "config.data.image_size is"),
        ("data.intensity_range=(0,'a')", "config.data.intensity_range is"),
        ("data.intensity_range=(0,1e400)", "config.data.intensity_range is"),
        ("data.class_names=(1,2)", "config.data.class_names is"),
        ("data.attributes=('a\\n',)", "that can be printed"),
        ("data.image_size=" + "(" * 300, "config.data.image_size"),
        ("data.dir=a\0b", "without NUL"),
        ("x" * 10**5 + "=1", "did you mean"),
    ],
)
def test_overrides_that_nobody_meant(override, says):
    hostile.refused(lambda: fuzz_launch.override(override), says, kind=errors.ConfigError)


def test_digits_of_other_scripts_are_numbers():
    assert fuzz_launch.override("seed=١٢").seed == 12


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 10**5, "not a config"),
        ('{"a":' * 10**5, "not a config"),
        ('{"seed": NaN}', "config.seed is nan"),
        ('{"loss": {"cycle": 1e400}}', "config.loss.cycle is inf"),
        ('{"seed": ' + "9" * 5000 + "}", "not a config"),
        ('{"data": {"name": {"a.b": 1}}}', "config.data.name is"),
        ('{"data.name": "faces"}', "config.data.name is no field"),
        ('{"__class__": 1}', "config.__class__ is no field"),
        ('{"__class__": {}}', "config.__class__ is no field"),
        ('{"data.name": {}}', "config.data.name is no field"),
        ('{"seed": {"x": 1}}', "config.seed is {'x': 1}"),
        ('{"data": {}}', "is missing"),
        ('{"data": 5}', "config.data is no field"),
        ('{"data": {"dir": "\\u0000"}}', "without NUL"),
        ('{"data": {"dir": "\\ud800"}}', "without NUL"),
        (b"\xff\xfe\0", "not a config"),
        (b"", "not a config"),
    ],
)
def test_config_files_that_nobody_meant(tmp_path, text, says):
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    hostile.refused(lambda: workdir.read_config(str(tmp_path)), path, says, kind=errors.CheckpointError)


def test_odd_entries_among_checkpoints(tmp_path):
    config = configs.base_config()
    config.num_steps = 1
    (tmp_path / "config.json").write_text(configs.to_json(config))
    folder, load = tmp_path / "checkpoints", lambda: checkpoints.load(str(tmp_path))
    folder.touch()
    refused = lambda *parts: hostile.refused(load, tmp_path, *parts, kind=errors.CheckpointError)
    refused("has no checkpoint")
    folder.unlink()
    folder.mkdir()
    for name in ("²", "١", "-1", "1.5", "1\n"):
        (folder / name).mkdir()
    refused("has no checkpoint")
    (folder / "7").touch()
    (folder / "8" / "record").mkdir(parents=True)
    os.mkfifo(folder / "9")
    refused("/7 has no record", "/8 is damaged", "/9 has no record")


def test_a_config_file_that_is_none(tmp_path):
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)):
        make(tmp_path / "config.json")
        hostile.refused(lambda: workdir.read_config(str(tmp_path)), "config.json", kind=errors.CheckpointError)
        (tmp_path / "config.json").rename(tmp_path / f"was_{make.__name__}")
