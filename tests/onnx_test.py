"""ONNX files through onnxruntime against the run's own translations, in the environment of the extra `onnx`."""

import json

import pytest

import gan_ssl.export
from tests import exported, tiny

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # jax2onnx's libraries warn of each other
pytest.importorskip("jax2onnx", reason='needs, in an environment of its own, pip install -e ".[onnx]"')
import onnxruntime  # noqa: E402


def _run(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    return session, lambda *arrays: session.run(["translations"], dict(zip(names, arrays, strict=True)))[0]


@pytest.mark.parametrize(("direction", "upsample", "skip"), [("a2b", "resize", True), ("b2a", "transpose", False)])
def test_op_gan_translates_as_the_run(tmp_path, direction, upsample, skip):
    workdir = exported.workdir(tmp_path / "run", tiny.config(model__upsample=upsample, model__skip=skip))
    session, run = _run(gan_ssl.export.export(workdir, "onnx", tmp_path / "x.onnx", direction))
    exported.assert_translates(run, workdir, direction)
    assert json.loads(session.get_modelmeta().custom_metadata_map["gan_ssl"])["direction"] == direction


@pytest.mark.parametrize(
    "model",
    [
        {"upsample": "antialias", "skip": True, "mask": True, "condition": "norms"},
        {"upsample": "transpose", "skip": False, "mask": False, "condition": "planes"},
    ],
)
def test_match_gan_translates_as_the_run(tmp_path, model):
    config = tiny.faces_config(**{f"model__{name}": value for name, value in model.items()})
    workdir = exported.workdir(tmp_path / "run", config)
    session, run = _run(gan_ssl.export.export(workdir, "onnx", tmp_path / "x.onnx"))
    assert [x.name for x in session.get_inputs()] == ["images", "labels"]
    exported.assert_translates(run, workdir)
