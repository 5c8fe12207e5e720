"""A few thousand damaged inputs of every kind, inputs that hypothesis makes up, and the drill that makes them."""

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_ssl import config as configs
from gan_ssl import errors, interop
from gan_ssl.data import attribute_files, label_space
from gan_ssl.inference import translate_files
from tests import golden
from tests.conftest import ROOT
from tests.drills import fuzz, fuzz_kind, fuzz_kinds

_FIELDS = configs.flatten(configs.base_config())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("kinds", "cases"),
    [("image,label", 1000), ("attribute_list,csv,npz,safetensors", 500), ("override,config", 150), ("checkpoint", 60)],
)
def test_damaged_input_is_read_or_refused_in_one_line(kinds, cases):
    command = [sys.executable, "-m", "tests.drills.fuzz", f"--kind={kinds}", f"--cases={cases}", "--seed=7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs the extra torch")
def test_damaged_weights_of_pytorch():
    test_damaged_input_is_read_or_refused_in_one_line("pth", 300)


def test_a_case_depends_on_kind_seed_and_number_alone(tmp_path):
    for name in ("image", "csv", "npz", "override", "config"):
        first, again = ([k.case(random.Random(f"{name} 0 {i}")) for i in range(20)] for k in _twice(name, tmp_path))
        assert first == again and len(set(first)) > 10


def _twice(name, folder):
    return (fuzz_kinds.KINDS[name](folder) for _ in range(2))


def test_the_drill_sees_what_is_wrong(monkeypatch, capfd):
    def kind(run):
        made = fuzz_kind.Kind([b"seed"], run, ("x.png",))
        monkeypatch.setattr(fuzz_kinds, "KINDS", {"stub": lambda folder: made})
        found = fuzz.drill("stub", 1, 0)
        capfd.readouterr()
        return "\n".join(found)

    def refuse(message):
        def run(data):
            raise errors.DataError(message)

        return run

    def endless(data):
        while True:
            pass

    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.2)
    assert kind(lambda data: 1) == "" and kind(refuse("x.png: damaged")) == ""
    assert "ZeroDivisionError" in kind(lambda data: 1 / 0)
    assert "does not name" in kind(refuse("damaged"))
    assert "came too late" in kind(refuse("x.png: MemoryError"))
    assert "printed: 'oh\\n'" in kind(lambda data: os.write(2, b"oh\n"))
    assert "_TooLong" in kind(endless)
    monkeypatch.setattr(fuzz, "MOST_BYTES", -1)
    assert "of memory" in kind(lambda data: 1)


@given(st.text() | st.text("\n\r\x1b\u2028\u202e\udc80 a\\", max_size=50))
def test_every_error_is_one_line(text):
    message = str(errors.DataError(text))
    assert message.isprintable() and str(errors.DataError(message)) == message
    assert len(message.splitlines()) <= 1
    if text.isprintable():
        assert message == text


def test_a_long_error_keeps_both_ends():
    message = str(errors.DataError("x.csv: " + "9" * 10**6 + "; allowed: 0 or 1"))
    assert len(message) < 5000 and message.startswith("x.csv: 9") and message.endswith("9; allowed: 0 or 1")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(_FIELDS)), _JSON)
def test_any_value_in_a_config_file_is_taken_or_refused_by_name(name, value):
    tree = json.loads(configs.to_json(_valid()))
    group, _, leaf = name.rpartition(".")
    (tree[group] if group else tree)[leaf] = value
    try:
        config = configs.from_json(json.dumps(tree))
    except errors.ConfigError as error:
        assert f"config.{name.split('.')[0]}" in str(error) or "together" in str(error) or "config." in str(error)
    else:
        assert configs.from_json(configs.to_json(config)) == config


def _valid():
    config = configs.base_config()
    config.num_steps = 1
    return config


@settings(max_examples=150, deadline=None)
@given(_JSON)
def test_any_json_is_no_config(value):
    with pytest.raises(errors.ConfigError):
        configs.from_json(json.dumps(value))


_CELLS = st.text("01-,;\t \"'\r\nab\0\u2028é.png", max_size=60)


@settings(max_examples=200, deadline=None)
@given(_CELLS, st.booleans())
def test_any_text_is_a_table_or_refused_with_its_file(tmp_path_factory, text, as_csv):
    path = tmp_path_factory.getbasetemp() / f"table.{'csv' if as_csv else 'txt'}"
    path.write_bytes(text.encode())
    try:
        table = (attribute_files.read_csv if as_csv else attribute_files.read_list)(str(path))
    except errors.DataError as error:
        assert str(path) in str(error)
    else:
        label_space.LabelSpace(table.attributes)
        assert (
            table.labels.shape == (len(table.names), len(table.attributes)) == (len(table.lines), table.labels.shape[1])
        )
        assert set(np.unique(table.labels)) <= {0, 1} and len(set(table.names)) == len(table.names)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_weights_of_any_shape_are_a_network_or_refused(data):
    arrays = dict(golden.select(golden.load(), data.draw(st.sampled_from(["G_AB", "D_A"]))))
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from(sorted(arrays)))
        shape = data.draw(st.lists(st.integers(0, 9), max_size=5))
        dtype = data.draw(st.sampled_from([np.float32, np.float16, np.complex64, np.int8, "U3", bool]))
        renamed = data.draw(st.sampled_from([name, name, f"module.{name}", "main.0.weight", "conv2.weight", "é"]))
        arrays[renamed] = np.zeros(shape, dtype)
    try:
        interop.from_torch(interop.infer_net(arrays), arrays)
    except errors.WeightsError as error:
        assert str(error).isprintable()


_NAMES = st.lists(st.text("aAéE.\n1", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_NAMES, st.sampled_from([".png", ".PNG", ".jpg", ".png.jpg"])), min_size=1, max_size=8))
def test_targets_never_meet_and_stay_below_the_output(parts):
    names = sorted({name + ending for name, ending in parts})
    targets = translate_files._target_names(names)
    assert sorted(targets) == names
    folded = [target.casefold() for target in targets.values()]
    folders = {str(parent).casefold() for name in names for parent in Path(name).parents}
    assert len(set(folded)) == len(names) and not folders & set(folded)
    for name, target in targets.items():
        assert target.endswith(".png") and Path(target).parent == Path(name).parent
