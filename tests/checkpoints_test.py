"""Checkpoints: device counts, relative paths, missing runs."""

import json
import shutil

import chex
import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath
from flax.serialization import to_state_dict

from gan_ssl import errors
from gan_ssl.config import validate
from gan_ssl.methods import image_pool, op_gan
from gan_ssl.training import checkpoints, digests, parallel, workdir
from tests import tiny


@pytest.fixture(scope="module")
def config():
    return validate(tiny.config(batch_size=8))


@pytest.fixture(scope="module")
def state(config):
    return op_gan.create_state(jax.random.PRNGKey(3), config)


def test_saved_from_8_devices_read_on_1_and_2_by_a_relative_path(config, state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sharded = parallel.shard_state(state, jax.devices()[:8])
    workdir.write_config("run", config)
    checkpointer = checkpoints.Checkpointer("run")
    checkpointer.save(5, parallel.gather_state(sharded), {"unpaired": 5})
    checkpointer.close()
    checkpointer = checkpoints.Checkpointer("run")
    restored, positions = checkpointer.restore(op_gan.create_state(jax.random.PRNGKey(0), config))
    checkpointer.close()
    assert positions == {"unpaired": 5}
    for count in (1, 2):
        there = parallel.gather_state(parallel.shard_state(restored, jax.devices()[:count]))
        chex.assert_trees_all_equal(to_state_dict(there), to_state_dict(jax.device_get(state)))
    loaded = checkpoints.load("run")
    assert loaded.step == 5
    chex.assert_trees_all_equal(loaded.params["generator"], jax.device_get(state.averaged))
    chex.assert_trees_all_equal(loaded.last, jax.device_get(state.generator.params))


def test_newest_are_kept_and_a_step_can_be_picked(config, state, tmp_path):
    workdir.write_config(str(tmp_path), config)
    checkpointer = checkpoints.Checkpointer(str(tmp_path), keep=2)
    for step in (1, 2, 3):
        checkpointer.save(step, jax.device_get(state), {})
    checkpointer.close()
    assert checkpoints.load(str(tmp_path), step=2).step == 2
    with pytest.raises(errors.CheckpointError, match=r"no checkpoint of step 1; there are: \[2, 3\]"):
        checkpoints.load(str(tmp_path), step=1)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(errors.CheckpointError, match="holds no run"):
        checkpoints.load(str(tmp_path))


def test_save_weights_is_read_by_load_and_never_overwrites(config, state, tmp_path):
    params = {"generator": state.generator.params, "discriminator": state.discriminator.params}
    checkpoints.save_weights(str(tmp_path / "w"), config, params)
    loaded = checkpoints.load(str(tmp_path / "w"))
    chex.assert_trees_all_equal(loaded.params, jax.device_get(params))
    with pytest.raises(errors.CheckpointError, match="already holds a run"):
        checkpoints.save_weights(str(tmp_path / "w"), config, params)


def test_devices_divide_the_batch():
    assert len(parallel.choose_devices(8)) == 8
    assert len(parallel.choose_devices(6)) == 6
    assert len(parallel.choose_devices(1)) == 1
    with pytest.raises(errors.ConfigError, match="config.num_devices is 9"):
        parallel.choose_devices(9, 9)
    with pytest.raises(errors.ConfigError, match="config.batch_size is 4; allowed: a multiple of 3 devices"):
        parallel.choose_devices(4, 3)


def test_pool_fills_then_swaps_half_of_the_time():
    pool = image_pool.create(2, 3, (1, 1, 1), "float32")
    exchange = jax.jit(image_pool.exchange)
    key, shown = jax.random.PRNGKey(0), []
    for i in range(200):
        keys = jax.random.split(jax.random.fold_in(key, i), 2)
        pool, out = exchange(pool, keys, np.full((2, 1, 1, 1), i, np.float32))
        shown.append(np.asarray(out).reshape(2))
    shown = np.array(shown)
    np.testing.assert_array_equal(shown[:3], [[0, 0], [1, 1], [2, 2]])  # filling: the images themselves
    past = shown[3:] != np.arange(3, 200)[:, None]
    assert 0.4 < past.mean() < 0.6
    assert (shown[3:] <= np.arange(3, 200)[:, None]).all()
    assert (past[:, 0] != past[:, 1]).any()  # places draw for themselves


@pytest.fixture
def saved(config, state, tmp_path):
    """A run with checkpoints of steps 1, 2 and 3."""
    workdir.write_config(str(tmp_path), config)
    checkpointer = checkpoints.Checkpointer(str(tmp_path), keep=3)
    for step in (1, 2, 3):
        checkpointer.save(step, jax.device_get(state).replace(step=np.int32(step)), {"unpaired": step})
    checkpointer.close()
    return tmp_path


def _damage(path, change):
    """Changes all large files: the storage keeps some arrays twice and reads either."""
    for file in path.rglob("*"):
        if file.is_file() and file.stat().st_size > 2000:
            file.write_bytes(change(file.read_bytes()))


def _truncate(path):
    _damage(path, lambda content: content[: len(content) // 2])


def _alter(path):
    middle = lambda content: len(content) // 2
    _damage(path, lambda c: c[: middle(c)] + bytes([c[middle(c)] ^ 0x10]) + c[middle(c) + 1 :])


def _move_stream(path):
    record = path / "record" / "metadata"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"positions": {"unpaired": 7}}))


@pytest.mark.parametrize("damage", [_truncate, _alter, _move_stream, lambda path: shutil.rmtree(path / "state")])
def test_damaged_checkpoints_are_passed_over_and_never_cost_the_good_one(saved, config, damage, caplog):
    damage(saved / "checkpoints" / "3")
    assert checkpoints.load(str(saved)).step == 2  # a reader passes over it, and leaves it where it is
    assert "3 is damaged" in caplog.text and (saved / "checkpoints" / "3").exists()
    with pytest.raises(errors.CheckpointError, match="3 is damaged"):
        checkpoints.load(str(saved), step=3)
    checkpointer = checkpoints.Checkpointer(str(saved), keep=3)
    restored, positions = checkpointer.restore(op_gan.create_state(jax.random.PRNGKey(0), config))
    assert (int(restored.step), positions) == (2, {"unpaired": 2})
    checkpointer.save(3, restored.replace(step=np.int32(3)), {"unpaired": 3})  # the step can be saved again
    checkpointer.close()
    assert checkpoints.load(str(saved)).step == 3
    assert len(list((saved / "damaged").iterdir())) == 1


def test_all_damaged_is_an_error_and_no_new_start(saved, config):
    for step in (1, 2, 3):
        _truncate(saved / "checkpoints" / str(step))
    checkpointer = checkpoints.Checkpointer(str(saved), keep=3)
    with pytest.raises(errors.CheckpointError, match="no checkpoint can be used"):
        checkpointer.restore(op_gan.create_state(jax.random.PRNGKey(0), config))
    checkpointer.close()


def test_another_layout_is_refused_by_its_number(saved):
    for file in (saved / "checkpoints").glob("*/record/metadata"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"layout": 7}))
    with pytest.raises(errors.CheckpointError, match="has layout 7; allowed: 1"):
        checkpoints.load(str(saved))


def test_layout_1_which_summed_places_whole_is_read_and_checked(saved):
    assert checkpoints.load(str(saved)).step == 3
    reader = ocp.PyTreeCheckpointHandler()
    for step in (2, 3):
        tree = jax.tree.map(
            np.asarray, reader.restore(epath.Path(saved).resolve() / "checkpoints" / str(step) / "state")
        )
        file = saved / "checkpoints" / str(step) / "record" / "metadata"
        sha = digests.of_layout_1(tree) if step == 2 else "0" * 64
        file.write_text(json.dumps(json.loads(file.read_text()) | {"layout": 1, "sha256": sha}))
    reader.close()
    assert checkpoints.load(str(saved)).step == 2


def test_the_checksum_does_not_depend_on_who_hashed_which_places(state):
    tree = to_state_dict(jax.device_get(state))
    halves = [tree | {"places": jax.tree.map(lambda x: x[4 * i : 4 * i + 4], tree["places"])} for i in range(2)]  # noqa: B023
    shares = [digests.hash_places(half) for half in halves]
    assert digests.join(halves[1], shares, {}) == digests.join(halves[0], shares, {}) == digests.digest(tree)
    assert digests.join(halves[0], shares[::-1], {}) == digests.digest(tree)  # new pools are all alike
    tree["places"]["a"]["count"] = np.arange(8, dtype=np.int32)
    assert digests.digest(tree) != digests.join(halves[0], shares, {})


def test_what_cannot_be_written_is_one_line(config, state, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    checkpointer = checkpoints.Checkpointer(str(tmp_path))
    monkeypatch.setattr(checkpointer._manager, "save", full)
    with pytest.raises(errors.TrainingError, match="No space left on device; the ones before are whole"):
        checkpointer.save(1, jax.device_get(state), {})
    checkpointer.close()
