"""Losses against values computed by hand, and their gradients where they must vanish."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_ssl import losses
from gan_ssl.losses.self_supervised import place_certainty, relations


def test_l1_by_hand():
    assert losses.l1_loss(jnp.array([1.0, -2.0]), jnp.array([0.0, 2.0])) == 2.5


def test_lsgan_by_hand():
    real, fake = jnp.array([1.0, 0.0]), jnp.array([2.0, 1.0])
    assert losses.lsgan_generator_loss(fake) == 0.5
    assert losses.lsgan_discriminator_loss(real, fake) == 0.5 * (0.5 + 2.5)


def test_content_consistency_counts_masked_pairs_only():
    a = jnp.stack([jnp.ones((2, 2)), jnp.zeros((2, 2)), jnp.full((2, 2), 9.0)])
    b = jnp.zeros((3, 2, 2))
    assert losses.content_consistency_loss(a, b, jnp.array([True, True, False])) == 0.5


@pytest.mark.parametrize(
    "loss", [losses.content_consistency_loss, lambda a, b, m: losses.content_contrast_loss(a, b, ~m)]
)
def test_empty_mask_gives_zero_and_no_gradient(loss):
    a, b = (jax.random.normal(k, (3, 4, 4)) for k in jax.random.split(jax.random.PRNGKey(0)))
    value, gradients = jax.value_and_grad(loss, (0, 1))(a, b, jnp.zeros(3, bool))
    assert value == 0
    chex.assert_trees_all_equal(gradients, (jnp.zeros_like(a), jnp.zeros_like(b)))


def test_empty_mask_of_registration():
    f = jax.random.normal(jax.random.PRNGKey(0), (3, 2, 2, 5))
    value, gradient = jax.value_and_grad(losses.feature_registration_loss, 1)(f, 2 * f + 1, jnp.zeros(3, bool))
    assert value == 0
    chex.assert_trees_all_equal(gradient, jnp.zeros_like(f))


def test_contrast_of_equal_opposite_and_constant_maps():
    ramp = jnp.arange(16.0).reshape(1, 4, 4)
    other = jnp.array([False])
    chex.assert_trees_all_close(losses.content_contrast_loss(ramp, 3 * ramp + 1, other), 1.0, atol=1e-5)
    assert losses.content_contrast_loss(ramp, -ramp, other) == 0
    constant = jnp.ones((1, 4, 4))
    value, gradient = jax.value_and_grad(losses.content_contrast_loss)(constant, ramp, other)
    assert value == 0
    assert np.isfinite(gradient).all()


def test_domain_classification_by_hand():
    uniform = losses.domain_classification_loss(jnp.zeros((4, 3)), jnp.array([0, 1, 2, 2]))
    chex.assert_trees_all_close(uniform, np.log(3.0), rtol=1e-6)


def test_place_contrast_is_log_places_for_constant_features():
    constant = jnp.ones((6, 3))
    chex.assert_trees_all_close(losses.place_contrast_loss(constant, constant), np.log(6.0), rtol=1e-5)


def test_a_constant_siamese_is_no_minimum_of_the_twin_loss():
    key = jax.random.PRNGKey(1)
    first = 1.0 + 1e-2 * jax.random.normal(key, (6, 8))
    second = first + 1e-3 * jax.random.normal(jax.random.fold_in(key, 1), (6, 8))
    value, gradient = jax.value_and_grad(losses.place_contrast_loss)(first, second)
    lower = losses.place_contrast_loss(first - 0.5 * gradient / jnp.linalg.norm(gradient), second)
    assert lower < value - 1e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10.0))
def test_place_contrast_is_least_for_twins_and_invariant_to_scale(seed, scale):
    features = jax.random.normal(jax.random.PRNGKey(seed), (5, 16))
    best = losses.place_contrast_loss(features, features)
    chex.assert_trees_all_close(losses.place_contrast_loss(features * scale, features), best, rtol=1e-3, atol=1e-5)
    assert best <= losses.place_contrast_loss(features, jnp.roll(features, 1, axis=0))


def test_registration_minimum_scale_and_stopped_source():
    source = jax.random.normal(jax.random.PRNGKey(0), (2, 3, 3, 8))
    mask = jnp.array([True, False])
    chex.assert_trees_all_close(losses.feature_registration_loss(source, 5 * source, mask), 0.0, atol=1e-6)
    chex.assert_trees_all_close(losses.feature_registration_loss(source, -source, mask), 2.0, atol=1e-6)
    gradient = jax.grad(losses.feature_registration_loss)(source, source + 1.0, mask)
    chex.assert_trees_all_equal(gradient, jnp.zeros_like(source))


def test_relations_by_hand_and_their_invariance():
    two = jnp.array([[3.0, 1.0], [-1.0, 1.0]]).reshape(1, 1, 2, 2)  # less the mean: (2, 0) and (-2, 0)
    chex.assert_trees_all_close(relations(two), jnp.array([[1.0, -1.0], [-1.0, 1.0]]).reshape(1, 1, 2, 2), atol=1e-5)

    features = jax.random.normal(jax.random.PRNGKey(0), (2, 3, 4, 5))
    turn, _ = jnp.linalg.qr(jax.random.normal(jax.random.PRNGKey(1), (5, 5)))
    turned = 3 * features @ turn + 1.0  # other features that say the same
    assert relations(features).shape == (2, 3, 4, 12)
    chex.assert_trees_all_close(relations(turned), relations(features), atol=1e-4)


def test_certainty_is_chance_for_constant_features_and_sure_for_distinct_ones():
    constant, distinct = jnp.ones((2, 2, 3, 6)), jnp.eye(6).reshape(1, 2, 3, 6)
    chex.assert_trees_all_close(place_certainty(constant, constant), jnp.full((2, 2, 3), 1 / 6), rtol=1e-5)
    surely = np.exp(10.0) / (np.exp(10.0) + 5)
    chex.assert_trees_all_close(place_certainty(distinct, distinct), jnp.full((1, 2, 3), surely), rtol=1e-5)
    gradient = jax.grad(lambda f: jnp.sum(place_certainty(f, distinct)))(distinct + 0.1)
    chex.assert_trees_all_equal(gradient, jnp.zeros_like(distinct))


def test_registration_weighs_places():
    source = jax.random.normal(jax.random.PRNGKey(0), (2, 3, 3, 8))
    weight, mask = jnp.zeros((2, 3, 3)).at[:, 0, 0].set(0.5), jnp.array([True, True])
    chex.assert_trees_all_close(losses.feature_registration_loss(source, -source, mask, weight), 1 / 9, rtol=1e-5)


def test_wasserstein_by_hand():
    real, fake = jnp.array([[1.0], [3.0]]), jnp.array([[-1.0], [0.0]])
    assert losses.wasserstein_discriminator_loss(real, fake) == -2.5
    assert losses.wasserstein_generator_loss(fake) == 0.5


def test_gradient_penalty_by_hand():
    images = jnp.ones((3, 2, 2, 1))
    slopes = jnp.array([0.0, 0.5, 2.0])[:, None, None, None]  # norms 0, 1 and 4 over 4 pixels
    assert losses.gradient_penalty(lambda x: x * slopes, images) == pytest.approx((1 + 0 + 9) / 3)


def test_gradient_penalty_has_a_finite_gradient_where_the_critic_is_flat():
    penalty = lambda w: losses.gradient_penalty(lambda x: w * x, jnp.ones((2, 4, 4, 3)))
    value, gradient = jax.value_and_grad(penalty)(0.0)
    assert value == 1.0 and jnp.isfinite(gradient)


def test_label_classification_by_hand():
    logits, labels = jnp.array([[-2.0, 2.0]]), jnp.array([[0.0, 1.0]])
    # A negative label costs log(1 + exp(-2)) at logit -2, and so does a positive one at 2.
    assert losses.label_classification_loss(logits, labels, exclusive=False) == pytest.approx(2 * 0.1269, abs=1e-4)
    assert losses.label_classification_loss(logits, labels, exclusive=True) == pytest.approx(
        np.log1p(np.exp(-4)), rel=1e-4
    )


def test_match_loss_by_hand():
    logits = jnp.array([[0.0, 0.0], [0.0, 2.0]])
    wanted = (np.log(2) + np.log1p(np.exp(-2))) / 2
    assert losses.match_loss(logits, jnp.array([False, True])) == pytest.approx(wanted)
    assert losses.match_loss(logits, jnp.array([0.0, 1.0])) == pytest.approx(wanted)
