"""MatchGAN through the loop: every kind of step, both streams, and a run that goes on to the bit."""

import json

import chex
import numpy as np
import pytest
from PIL import Image

from gan_ssl.training import checkpoints, loop
from gan_ssl.training.metrics import TIMES
from tests import tiny


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    return tiny.classes(tmp_path_factory.mktemp("classes"))


def _config(classes, **overrides):
    fields = {"data__name": "classes", "data__dir": classes, "data__attributes": (), "data__exclusive": ()}
    return tiny.faces_config(**fields, batch_size=0, log_steps=2, checkpoint_steps=5, **overrides)


def test_a_run_goes_on_to_the_bit(classes, tmp_path):
    whole = loop.train_and_evaluate(_config(classes, num_steps=8, sample_steps=8), str(tmp_path / "whole"))
    first = _config(classes, num_steps=8, sample_steps=8)

    class Stop(Exception):
        pass

    save = checkpoints.Checkpointer.save

    def die(self, step, state, positions):
        save(self, step, state, positions)
        self.close()
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints.Checkpointer, "save", die)
        with pytest.raises(Stop):
            loop.train_and_evaluate(first, str(tmp_path / "halves"))
    halves = loop.train_and_evaluate(first, str(tmp_path / "halves"))
    chex.assert_trees_all_equal(
        (halves.generator.params, halves.generator.opt_state, halves.discriminator.params, halves.averaged),
        (whole.generator.params, whole.generator.opt_state, whole.discriminator.params, whole.averaged),
    )
    read = lambda name: [json.loads(x) for x in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    strip = lambda line: {k: v for k, v in line.items() if k not in TIMES}
    assert [strip(line) for line in read("halves")] == [strip(line) for line in read("whole")]
    config = checkpoints.load(str(tmp_path / "whole")).config
    assert config.data.attributes == ("calm", "glad", "stunned") and config.data.exclusive == (config.data.attributes,)
    assert config.batch_size == 12  # three combinations of four images
    with Image.open(tmp_path / "whole" / "samples" / "step_0000008.png") as picture:
        assert np.asarray(picture).std() > 5
