"""Exported files, run without the library, against the run's own translations."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax import export as jax_export
from PIL import Image

import gan_ssl.export
from gan_ssl import errors, inference, interop, methods
from gan_ssl.networks.convolutions import plain_forms
from gan_ssl.training import checkpoints
from tests import exported, tiny
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def op_gan(tmp_path_factory):
    return exported.workdir(tmp_path_factory.mktemp("op_gan") / "streets", tiny.config())


@pytest.fixture(scope="module")
def match_gan(tmp_path_factory):
    return exported.workdir(tmp_path_factory.mktemp("match_gan") / "faces", tiny.faces_config())


def _run(path):
    program = jax_export.deserialize(bytearray(path.read_bytes()))
    assert program.platforms == ("cpu", "cuda", "tpu")
    return program.call


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_stablehlo_of_op_gan_translates_as_the_run(op_gan, tmp_path, direction):
    path = gan_ssl.export.export(op_gan, "stablehlo", tmp_path / "made" / "x.stablehlo", direction)
    exported.assert_translates(_run(path), op_gan, direction, shapes=exported.SHAPES[: 2 if direction == "a2b" else 1])
    about = json.loads((tmp_path / "made" / "x.stablehlo.json").read_text())
    assert about["method"] == "op_gan" and about["direction"] == direction and about["image_size"] == [24, 24]
    assert about["inputs"]["images"] == about["outputs"]["translations"]
    assert about["inputs"]["images"]["shape"] == ["batch", "4*h", "4*w", "3"]


def test_stablehlo_of_match_gan_translates_as_the_run(match_gan, tmp_path):
    path = gan_ssl.export.export(match_gan, "stablehlo", tmp_path / "x.stablehlo")
    exported.assert_translates(_run(path), match_gan)
    about = json.loads((tmp_path / "x.stablehlo.json").read_text())
    assert about["attributes"] == ["Black_Hair", "Blond_Hair", "Brown_Hair", "Smiling", "Eyeglasses"]
    assert about["exclusive"] == [["Black_Hair", "Blond_Hair", "Brown_Hair"]]
    assert about["inputs"]["labels"] == {"shape": ["batch", "5"], "dtype": "float32", "values": [0, 1]}


@pytest.mark.parametrize(
    ("method", "model"),
    [
        ("op_gan", {"upsample": "transpose", "skip": True}),
        ("op_gan", {"upsample": "antialias", "skip": False}),
        ("match_gan", {"upsample": "transpose", "skip": False, "mask": False, "condition": "planes"}),
        ("match_gan", {"upsample": "antialias", "skip": True, "mask": True, "condition": "norms"}),
    ],
)
def test_every_form_of_the_generators_can_be_traced_with_free_sides(method, model):
    make = tiny.config if method == "op_gan" else tiny.faces_config
    config = make(**{f"model__{name}": value for name, value in model.items()})
    program = gan_ssl.export.make_program(_loaded(config))
    with plain_forms():
        made = jax.make_jaxpr(program.translate)(*program.inputs.values())
    assert made.out_avals[0].shape == program.inputs["images"].shape
    # Those with symbolic slices are what jax2onnx cannot write.
    assert not [eqn for eqn in made.eqns if eqn.primitive.name == "gather"]


def test_a_run_in_half_precision_is_exported_in_full():
    config = tiny.config(precision="bfloat16", model__remat=True)
    program = gan_ssl.export.make_program(_loaded(config), "b2a")
    text = str(jax.make_jaxpr(program.translate)(*program.inputs.values()))
    assert "bf16" not in text and "remat" not in text and "checkpoint" not in text
    assert config.precision == "bfloat16" and config.model.remat


def _loaded(config):
    state = jax.eval_shape(lambda key: methods.get(config.method).create_state(key, config), jax.random.key(0))
    params = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), state.generator.params)
    return checkpoints.Loaded(config, 0, {"generator": params})


def test_safetensors_are_the_weights_under_published_names(op_gan, match_gan, tmp_path):
    for workdir, name, place in ((op_gan, "model.1.weight", "b2a"), (match_gan, "encoder.0.weight", "")):
        direction = place or None
        path = gan_ssl.export.export(workdir, "safetensors", tmp_path / "x.safetensors", direction)
        arrays = interop.read(path)
        assert name in arrays
        wanted = checkpoints.load(workdir).params["generator"]
        made = interop.from_torch(interop.infer_net(arrays), arrays)
        jax.tree.map(np.testing.assert_array_equal, made, wanted[place] if place else wanted)


def test_the_snippet_of_the_docs_needs_jax_alone(op_gan, tmp_path):
    gan_ssl.export.export(op_gan, "stablehlo", tmp_path / "night2day.stablehlo")
    picture = exported.pictures("op_gan", 1, 50, 60)[0] // 257
    Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "night.png")
    text = (ROOT / "docs" / "serving.md").read_text()
    (snippet,) = [block.partition("```")[0] for block in text.split("```python\n")[1:] if "deserialize" in block]
    check = "import sys; assert not [m for m in sys.modules if m.split('.')[0] in ('gan_ssl', 'flax', 'orbax')]"
    done = subprocess.run(
        [sys.executable, "-c", f"{snippet}\n{check}"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    wanted = inference.load(op_gan).translate(picture.astype(np.uint8))
    made = np.asarray(Image.open(tmp_path / "day.png"))
    assert made.shape == wanted.shape and np.abs(made.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("method", "kwargs", "says"),
    [
        ("op_gan", {"direction": "b2c"}, "'b2c'; allowed: a2b, b2a"),
        ("match_gan", {"direction": "a2b"}, "no option of match_gan"),
        ("op_gan", {"output": "x.onnx"}, "x.onnx; allowed: a file that ends in .stablehlo"),
        ("op_gan", {"step": 7}, "no checkpoint of step 7"),
    ],
)
def test_mistakes_are_named(request, tmp_path, monkeypatch, method, kwargs, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.GanSslError, match=says):
        gan_ssl.export.export(request.getfixturevalue(method), "stablehlo", **kwargs)
    assert not list(tmp_path.iterdir())


def test_the_file_is_named_after_the_run_and_none_is_left_half_written(op_gan, match_gan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for workdir, name in ((op_gan, "streets_a2b.safetensors"), (match_gan, "faces.safetensors")):
        assert str(gan_ssl.export.export(workdir, "safetensors")) == name
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / "in the way.stablehlo").mkdir()
    with pytest.raises(errors.WeightsError, match="in the way.stablehlo: cannot be written"):
        gan_ssl.export.export(op_gan, "stablehlo", "in the way.stablehlo")
    assert not list(tmp_path.glob("*.partial"))


def test_onnx_without_its_packages_names_them(op_gan, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(errors.ConfigError, match=r"needs, in an environment of its own: pip install -e \"\.\[onnx\]\""):
        gan_ssl.export.export(op_gan, "onnx")


def test_the_launcher_writes_a_file_or_one_line(match_gan, tmp_path):
    command = [sys.executable, str(ROOT / "launch" / "export.py"), f"--workdir={match_gan}", "--format=safetensors"]
    for more, code, says in (([], 0, "wrote step 0"), (["--direction=b2a"], 2, "error: --direction is b2a")):
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == code and says in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.safetensors", "faces.safetensors.json"]
