"""Photometric twins (ours): the same patch in another light, from which the siamese network learns content."""

import jax
import jax.numpy as jnp

from gan_ssl.pretext.patches import per_example_keys

DEFAULT_STRENGTH = {
    "log_gamma": 1.2,
    "gain": 0.6,
    "offset": 0.2,
    "noise": 0.06,
    "grey": 1.0,
    "negative": 0.4,
    "local": 0.0,
}
_DARKEST = 1e-4  # keeps the gradient of a power finite at black


def photometric_twin(rng: jax.Array, patches: jax.Array, strength: dict[str, float] | None = None) -> jax.Array:
    """Draws another light for each image's patches; geometry stays.

    On [0, 1], in this order: gamma exp(U(-g, g)); a gain and an offset a channel; a gain that changes smoothly over the
    patch, exp(U(-l, l)) at its corners and middles; clip; a mix with grey by a uniform share; the negative with a
    probability; Gaussian noise of sigma U(0, n); clip.

    Args:
        rng: one key, or one an image (`[batch, ...]`).
        patches: `[batch, ..., height, width, channels]` float in [-1, 1]; all patches of an image get one light.
        strength: `log_gamma`, `gain`, `offset`, `noise`, `grey`, `negative`, `local`; missing ones as in
            `DEFAULT_STRENGTH`.

    Returns:
        The twins, in the shape and range of `patches`.
    """
    full = DEFAULT_STRENGTH | (strength or {})
    return jax.vmap(lambda key, x: _twin(key, x, full))(per_example_keys(rng, patches.shape[0]), patches)


def _twin(key: jax.Array, patches: jax.Array, strength: dict[str, float]) -> jax.Array:
    light, grain = jax.random.split(key)
    channels = patches.shape[-1]
    drawn = jax.random.uniform(light, (5 + 2 * channels,))  # one draw: every call is long to compile
    gamma, mixed, share, negative, sigma = drawn[:5]
    gain, offset = 2.0 * drawn[5:].reshape(2, channels) - 1.0
    x = (patches + 1.0) / 2.0
    x = jnp.power(jnp.clip(x, _DARKEST, 1.0), jnp.exp(strength["log_gamma"] * (2.0 * gamma - 1.0)))
    x = x * (1.0 + strength["gain"] * _over_pixels(gain, x)) + strength["offset"] * _over_pixels(offset, x)
    if strength["local"]:
        x = x * jnp.exp(strength["local"] * _smooth(jax.random.fold_in(light, 1), x))
    x = jnp.clip(x, 0.0, 1.0)
    share = jnp.where(mixed < strength["grey"], share, 0.0)
    x = x + share * (jnp.mean(x, axis=-1, keepdims=True) - x)
    x = jnp.where(negative < strength["negative"], 1.0 - x, x)
    x = jnp.clip(x + strength["noise"] * sigma * jax.random.normal(grain, x.shape), 0.0, 1.0)
    return 2.0 * x - 1.0


def _smooth(key: jax.Array, patches: jax.Array) -> jax.Array:
    """Draws a smooth field a patch, in [-1, 1]: `[..., height, width, 1]`."""
    *leading, height, width, _ = patches.shape
    field = jax.random.uniform(key, (*leading, 3, 3, 1), minval=-1.0)
    return jax.image.resize(field, (*leading, height, width, 1), "bilinear")


def _over_pixels(per_channel: jax.Array, x: jax.Array) -> jax.Array:
    return per_channel.reshape((1,) * (x.ndim - 1) + per_channel.shape)
