"""Patch pairs and twins: what is drawn, and that it depends on nothing but the keys."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_ssl import pretext

_GRID, _SIDE = 3, 12


def _coded_images(batch, domain):
    """Images whose pixels tell (image, domain, patch)."""
    rows = np.arange(_SIDE) * _GRID // _SIDE
    patch = rows[:, None] * _GRID + rows[None, :]
    code = np.zeros((batch, _SIDE, _SIDE, 3), np.float32)
    code[..., 0] = np.arange(batch)[:, None, None]
    code[..., 1] = domain
    code[..., 2] = patch
    return jnp.asarray(code)


def test_cut_patches_row_by_row():
    patches = pretext.cut_patches(_coded_images(2, 0), _GRID)
    chex.assert_shape(patches, (2, 9, 4, 4, 3))
    np.testing.assert_array_equal(patches[1, :, 0, 0, 2], np.arange(9))
    assert (patches.std(axis=(2, 3)) == 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([4, 8, (2, 1, 3, 0), (0, 0, 5, 1)]))
def test_pairs_are_what_their_classes_say(seed, pairs):
    pairs_per_image = pairs if isinstance(pairs, int) else sum(pairs)
    counts = (pairs // 4,) * 4 if isinstance(pairs, int) else pairs
    drawn = pretext.sample_patch_pairs(jax.random.PRNGKey(seed), _coded_images(3, 0), _coded_images(3, 1), _GRID, pairs)
    first, second = (np.asarray(x[:, 0, 0]) for x in (drawn.first, drawn.second))
    np.testing.assert_array_equal(first[:, 0], np.repeat(np.arange(3), pairs_per_image))  # image-major
    np.testing.assert_array_equal(first[:, 0], second[:, 0])  # of one image pair
    domains = first[:, 1] + second[:, 1]
    np.testing.assert_array_equal(np.array([0, 2, 1])[drawn.pair_class], domains)
    same = (first[:, 2] == second[:, 2]) & (drawn.pair_class == 2)
    np.testing.assert_array_equal(same, drawn.same_position)
    assert not ((first == second).all(axis=1)).any()  # never the same patch twice
    assert drawn.same_position.sum() == 3 * counts[2]


def test_all_positions_and_all_other_positions_are_drawn():
    drawn = pretext.sample_patch_pairs(
        jax.random.PRNGKey(0), _coded_images(400, 0), _coded_images(400, 1), _GRID, (0, 0, 1, 1)
    )
    first, second = np.asarray(drawn.first[:, 0, 0, 2]), np.asarray(drawn.second[:, 0, 0, 2])
    assert set(first) == set(range(9))
    assert set((second - first)[1::2] % 9) == set(range(1, 9))


def test_keys_of_places_do_not_depend_on_the_batch():
    a, b = _coded_images(4, 0), _coded_images(4, 1)
    keys = jax.random.split(jax.random.PRNGKey(3), 4)
    whole = pretext.sample_patch_pairs(keys, a, b)
    halves = [pretext.sample_patch_pairs(keys[i : i + 2], a[i : i + 2], b[i : i + 2]) for i in (0, 2)]
    chex.assert_trees_all_equal(whole, jax.tree.map(lambda *x: jnp.concatenate(x), *halves))


def test_pairs_per_image_must_be_shared_evenly():
    with pytest.raises(ValueError, match="pairs_per_image is 5"):
        pretext.sample_patch_pairs(jax.random.PRNGKey(0), _coded_images(1, 0), _coded_images(1, 1), _GRID, 5)


def test_a_twin_of_a_flat_patch_is_flat_and_in_range():
    flat = jnp.full((8, 2, 6, 6, 3), 0.3)
    twins = pretext.photometric_twin(jax.random.PRNGKey(0), flat, {"noise": 0.0})
    chex.assert_equal_shape([flat, twins])
    assert float(jnp.max(jnp.std(twins, axis=(1, 2, 3)))) < 1e-6
    assert float(jnp.max(jnp.abs(twins))) <= 1.0
    assert float(jnp.std(twins.mean(axis=(1, 2, 3, 4)))) > 0.05  # another light for each image


def test_strength_zero_changes_nothing_and_one_negative_inverts():
    none = dict.fromkeys(pretext.DEFAULT_STRENGTH, 0.0)
    patches = jax.random.uniform(jax.random.PRNGKey(1), (2, 5, 5, 3), minval=-0.9, maxval=0.9)
    chex.assert_trees_all_close(pretext.photometric_twin(jax.random.PRNGKey(0), patches, none), patches, atol=1e-6)
    negative = pretext.photometric_twin(jax.random.PRNGKey(0), patches, none | {"negative": 1.0})
    chex.assert_trees_all_close(negative, -patches, atol=1e-6)


def test_local_light_is_smooth_and_an_image_s_own():
    none = dict.fromkeys(pretext.DEFAULT_STRENGTH, 0.0)
    grey = jnp.full((2, 3, 12, 12, 3), -0.5)  # 0.25 on [0, 1]
    lit = (pretext.photometric_twin(jax.random.PRNGKey(0), grey, none | {"local": 0.7}) + 1.0) / 2.0
    gain = jnp.log(lit / 0.25)
    assert 0.3 < float(jnp.max(jnp.abs(gain))) <= 0.7 + 1e-5
    assert float(jnp.max(jnp.abs(jnp.diff(gain, axis=2)))) < 2 * 0.7 * 3 / 12 + 1e-5  # no edge is drawn
    chex.assert_trees_all_close(lit[..., 0], lit[..., 1])
    assert float(jnp.min(jnp.std(gain, axis=(2, 3)))) > 0.01


def test_twins_keep_geometry():
    """The order of brightness along a ramp survives any light but the negative, which reverses it."""
    ramp = jnp.broadcast_to(jnp.linspace(-0.8, 0.8, 16)[None, None, :, None], (20, 4, 16, 3))
    strength = {"noise": 0.0, "negative": 0.0, "grey": 0.0}
    twins = pretext.photometric_twin(jax.random.PRNGKey(5), ramp, strength)
    assert (jnp.diff(twins, axis=2) >= -1e-6).all()
