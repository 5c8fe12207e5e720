"""The registry: a third method is a module, a recipe and a line; all else comes with the house."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_ssl import errors, evaluation, inference, methods
from gan_ssl.training import loop
from tests import tiny


def test_a_third_method_needs_a_module_and_a_line(tmp_path, monkeypatch):
    monkeypatch.setitem(methods._METHODS, "throw_away", "tests.throw_away")
    images = tiny.folder(tmp_path / "images")
    config = tiny.config(method="throw_away", data__name="folder", data__dir=images, num_steps=4, sample_steps=4)
    run = str(tmp_path / "run")
    loop.train_and_evaluate(config, run)
    config.num_steps = 6
    assert int(loop.train_and_evaluate(config, run).step) == 6  # from step 4
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all("train/generator/identity" in line for line in lines)
    with Image.open(tmp_path / "run" / "samples" / "step_0000004.png") as picture:
        assert np.asarray(picture).std() > 5
    translated = inference.load(run).translate(np.full((24, 24, 3), 200, np.uint8), "a2b")
    assert translated.shape == (24, 24, 3)
    result = evaluation.evaluate(run)
    assert result["step"] == 6 and "siamese" in result["missing"]


def test_unknown_method_is_named():
    with pytest.raises(errors.ConfigError, match="'nothing'; allowed: op_gan, match_gan, cut"):
        methods.get("nothing")
