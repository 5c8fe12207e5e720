"""The conditional networks: shapes, what the match heads can and cannot see."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl import interop
from gan_ssl.networks import ConditionalDiscriminator, ConditionalGenerator


@pytest.mark.parametrize(
    ("upsample", "skip"), [("transpose", False), ("transpose", True), ("resize", True), ("antialias", False)]
)
def test_generator_keeps_shape_and_heeds_labels(upsample, skip):
    net = ConditionalGenerator(4, 1, upsample, skip)
    images, labels = jax.random.uniform(jax.random.PRNGKey(0), (2, 16, 24, 3)), jnp.array([[1.0, 0.0], [0.0, 1.0]])
    params = net.init(jax.random.PRNGKey(1), images, labels)["params"]
    translated = net.apply({"params": params}, images, labels)
    chex.assert_shape(translated, images.shape)
    assert np.abs(translated).max() <= 1
    assert not np.allclose(translated, net.apply({"params": params}, images, labels[::-1]))


def _discriminator(head):
    net = ConditionalDiscriminator(4, 2, 3, head)
    images = jax.random.normal(jax.random.PRNGKey(0), (4, 16, 16, 3))
    return net, net.init(jax.random.PRNGKey(1), images)["params"], images


@pytest.mark.parametrize("head", ["compare", "concat"])
def test_discriminator_runs_its_trunk_once_for_all_heads(head):
    net, params, images = _discriminator(head)
    source, label = net.apply({"params": params}, images)
    chex.assert_shape([source, label], [(4, 4, 4, 1), (4, 3)])
    features = net.apply({"params": params}, images, method="features")
    heads = net.apply({"params": params}, features, method="heads")
    chex.assert_trees_all_close(heads, (source, label), rtol=1e-5)
    matched = net.apply({"params": params}, images[:2], images[2:], method="match")
    from_features = net.apply({"params": params}, features[:2], features[2:], method="match_features")
    chex.assert_trees_all_close(matched, from_features, rtol=1e-4, atol=1e-6)


def test_concat_is_additive_and_compare_symmetric():
    """`concat` scores f(x1) + g(x2), so that no exchange of partners changes its sum: it cannot compare."""
    for head in ("concat", "compare"):
        net, params, images = _discriminator(head)
        match = lambda i, j, net=net, params=params, images=images: net.apply(
            {"params": params}, images[i : i + 1], images[j : j + 1], method="match"
        )
        additive = np.allclose(match(0, 2) + match(1, 3), match(0, 3) + match(1, 2), atol=1e-5)
        symmetric = np.allclose(match(0, 1), match(1, 0), atol=1e-5)
        assert (additive, symmetric) == ((True, False) if head == "concat" else (False, True))


def test_labels_enter_by_the_border_alone_unless_they_shift_the_norms():
    """A norm removes what a constant plane adds; far from the border two labels then differ by a shift at most."""
    images, labels = jax.random.normal(jax.random.PRNGKey(0), (1, 32, 32, 3)), jnp.eye(2)
    nets = {c: ConditionalGenerator(2, 0, condition=c) for c in ("planes", "norms")}
    params = {c: net.init(jax.random.PRNGKey(1), images, labels[:1])["params"] for c, net in nets.items()}
    flat = jax.tree.map(jnp.copy, params["planes"])
    border = (
        flat["conv_in"]["kernel"]
        .at[:, :, 3:]
        .set(0.0)
        .at[3, 3, 3:]
        .set(params["planes"]["conv_in"]["kernel"][3, 3, 3:])
    )
    flat["conv_in"]["kernel"] = border  # the middle of the kernel alone sees the planes
    first, second = (nets["planes"].apply({"params": flat}, images, labels[i : i + 1]) for i in range(2))
    np.testing.assert_allclose(first, second, atol=1e-4)
    shifted = jax.tree.map(lambda x: x + 0.1, params["norms"])
    first, second = (nets["norms"].apply({"params": shifted}, images, labels[i : i + 1] * (1 + i)) for i in range(2))
    assert not np.allclose(first, second, atol=1e-3)


def test_the_mask_keeps_what_it_does_not_cover():
    net = ConditionalGenerator(2, 0, mask=True)
    images, labels = jax.random.uniform(jax.random.PRNGKey(0), (1, 8, 8, 3), minval=-1), jnp.ones((1, 1))
    params = net.init(jax.random.PRNGKey(1), images, labels)["params"]
    translated = net.apply({"params": params}, images, labels)
    assert np.abs(translated).max() <= 1
    blank = jax.tree.map(jnp.zeros_like, params)  # colours 0, mask one half
    np.testing.assert_allclose(net.apply({"params": blank}, images, labels), images / 2, atol=1e-6)


@pytest.mark.parametrize("mask", [False, True])
def test_a_grey_generator_keeps_grey_images_grey(mask):
    net = ConditionalGenerator(2, 1, "resize", True, mask, grey=True)
    images = jnp.repeat(jax.random.uniform(jax.random.PRNGKey(0), (2, 8, 8, 1), minval=-1), 3, axis=-1)
    labels = jnp.eye(2)
    params = net.init(jax.random.PRNGKey(1), images, labels)["params"]
    translated = net.apply({"params": params}, images, labels)
    np.testing.assert_array_equal(translated, np.repeat(translated[..., :1], 3, axis=-1))
    # Public code has no such mean: its weights give it themselves.
    plain = ConditionalGenerator(2, 1, "resize", True, mask)
    taken = interop.from_torch(plain, interop.to_torch(net, params))
    assert np.ptp(plain.apply({"params": params}, images, labels), axis=-1).max() > 1e-3
    np.testing.assert_allclose(plain.apply({"params": taken}, images, labels), translated, atol=1e-5)
