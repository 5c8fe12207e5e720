"""The loop: it resumes to the bit, stops at what is not finite, and says what it cannot do."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from gan_ssl import errors
from gan_ssl.data import loading
from gan_ssl.methods import op_gan
from gan_ssl.training import checkpoints, loop, metrics
from gan_ssl.training.metrics import TIMES
from tests import tiny
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tiny.folder(tmp_path_factory.mktemp("images"))


def _config(images, **overrides):
    fields = {"data__name": "folder", "data__dir": images, "log_steps": 2, "checkpoint_steps": 3} | overrides
    return tiny.config(**fields)


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """An undisturbed run of 8 steps with pictures."""
    workdir = tmp_path_factory.mktemp("whole")
    state = loop.train_and_evaluate(_config(images, sample_steps=8), str(workdir))
    return workdir, state


def _read_metrics(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_metrics_pictures_config_and_the_last_step(whole):
    workdir, state = whole
    assert int(state.step) == 8
    lines = _read_metrics(workdir)
    assert [line["step"] for line in lines] == [2, 3, 4, 6, 8]
    wanted = {"train/generator/cycle", "train/siamese/correlation_same", "train/siamese/domain_accuracy"}
    assert wanted <= lines[0].keys()
    assert all(np.isfinite(v) for line in lines for v in line.values())
    with Image.open(workdir / "samples" / "step_0000008.png") as picture:
        assert np.asarray(picture).std() > 10
    assert checkpoints.load(str(workdir)).step == 8
    assert json.loads((workdir / "versions.json").read_text())["jax"] == jax.__version__
    assert any((workdir / "events").iterdir())


def test_20_steps_equal_10_and_a_new_process_and_10(images, whole, tmp_path, monkeypatch):
    """Here 8 and 4 + 4: parameters, optimisers, pools, random state, data position, and the lines of metrics."""

    class Killed(Exception):
        pass

    def die(self, step, state, positions):
        save(self, step, state, positions)
        if step == 3:
            self.close()
            raise Killed

    save = checkpoints.Checkpointer.save
    monkeypatch.setattr(checkpoints.Checkpointer, "save", die)
    config = _config(images, sample_steps=8)
    with pytest.raises(Killed):
        loop.train_and_evaluate(config, str(tmp_path))
    monkeypatch.undo()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5}\n{"step": 6, "tra')  # what a crash may leave
    code = (
        "from tests import conftest, tiny; from gan_ssl.training import loop; from gan_ssl.config import from_json;"
        f"loop.train_and_evaluate(from_json(open({str(tmp_path / 'config.json')!r}).read()), {str(tmp_path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
    template = op_gan.create_state(jax.random.PRNGKey(0), config)
    runs = []
    for workdir in (whole[0], tmp_path):
        with contextlib.closing(checkpoints.Checkpointer(str(workdir))) as checkpointer:
            runs.append(checkpointer.restore(template))
    (wanted, wanted_positions), (got, positions) = runs
    chex.assert_trees_all_equal(got, wanted)
    assert positions == wanted_positions == {"unpaired": 8}
    pick = lambda lines: [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
    assert pick(_read_metrics(tmp_path)) == pick(_read_metrics(whole[0]))


def test_a_finished_run_does_nothing_more(images, whole):
    workdir, state = whole
    again = loop.train_and_evaluate(_config(images, sample_steps=8), str(workdir))
    chex.assert_trees_all_equal(again.generator.params, state.generator.params)


def test_fields_that_shape_the_trajectory_may_not_change(images, whole):
    with pytest.raises(errors.ConfigError, match=r"config.loss.domain \(was 1.0, is 0.5\).*another work directory"):
        loop.train_and_evaluate(_config(images, loss__domain=0.5), str(whole[0]))


def test_num_steps_below_where_the_run_stands_is_refused(images, whole):
    with pytest.raises(errors.ConfigError, match="config.num_steps is 4; allowed: at least 8"):
        loop.train_and_evaluate(_config(images, num_steps=4), str(whole[0]))


def test_init_from_takes_weights_and_fresh_optimisers(images, whole):
    state = loop.create_train_state(_config(images, init_from=str(whole[0])))
    chex.assert_trees_all_equal(state.generator.params, whole[1].generator_params())
    assert int(state.generator.step) == 0
    with pytest.raises(errors.CheckpointError, match="config.init_from.*has shape"):
        loop.create_train_state(_config(images, init_from=str(whole[0]), model__width=8))


def test_a_loss_that_is_not_finite_stops_with_step_and_term():
    running = metrics.RunningMetrics()
    running.add(4, {"generator/cycle": np.float32(1.0)})
    running.add(5, {"generator/cycle": np.float32(np.nan)})
    with pytest.raises(errors.TrainingError, match="generator/cycle is nan at step 5"):
        running.flush()


def test_a_run_that_diverges_leaves_the_last_good_checkpoint(images, tmp_path):
    with pytest.raises(errors.TrainingError, match="at step"):
        rates = {"optimizer__learning_rate": 1e30, "optimizer__discriminator_learning_rate": 1e30}
        loop.train_and_evaluate(_config(images, checkpoint_steps=1, **rates), str(tmp_path))
    loaded = checkpoints.load(str(tmp_path))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(loaded.params["discriminator"]))


def test_epochs_become_steps(images):
    assert loop.resolve(_config(images, num_steps=0, num_epochs=3)).num_steps == 6  # ceil(5 / 4) a pass


def test_a_work_directory_below_a_plain_file_is_named(images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.TrainingError, match="cannot write to the work directory"):
        loop.train_and_evaluate(_config(images), str(tmp_path / "file" / "run"))


def test_settings_that_cannot_run_leave_the_work_directory_free(images, tmp_path):
    with pytest.raises(errors.DataError):
        loop.train_and_evaluate(_config(images, data__dir=str(tmp_path / "gone")), str(tmp_path / "run"))
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_images_that_vanish_in_mid_run_are_one_error_and_the_run_goes_on_when_they_are_back(tmp_path, monkeypatch):
    folder = Path(tiny.folder(tmp_path / "images"))
    config, run = _config(str(folder), num_steps=60, data__workers=0), str(tmp_path / "run")
    monkeypatch.setattr(loading, "CACHE_BYTES", 0)  # else all images of so small a set are in memory by then
    add = metrics.RunningMetrics.add

    def vanish(self, step, values):
        if step == 4:
            (folder / "trainA").rename(folder / "gone")
        add(self, step, values)

    monkeypatch.setattr(metrics.RunningMetrics, "add", vanish)
    with pytest.raises(errors.DataError, match=r"trainA.*\.png"):
        loop.train_and_evaluate(config, run)
    saved = checkpoints.load(run).step
    assert 3 <= saved < 60
    monkeypatch.undo()
    (folder / "gone").rename(folder / "trainA")
    with config.unlocked():
        config.num_steps = saved + 1
    assert int(loop.train_and_evaluate(config, run).step) == saved + 1


@pytest.mark.parametrize(
    ("grey", "coloured", "says"),
    [(False, 0, "=True"), (False, 1, ""), (True, 0, ""), (True, 1, "translations have none"), (False, 2, "")],
)
def test_grey_and_coloured_images_are_told_apart(grey, coloured, says, caplog):
    """Grey faces once got green mouths: of colours that no image has, the user hears before the first step."""
    domains = [np.full((2, 4, 4, 3), 7, np.uint8) for _ in "ab"]
    for domain in domains[:coloured]:
        domain[1, 2, 3, 0] = 8
    loop.advise(tiny.config(model__grey=grey), {**dict(zip("ab", domains, strict=True)), "label": np.zeros((2, 5))})
    assert says in caplog.text and bool(caplog.records) == bool(says)
