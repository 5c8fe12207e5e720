"""OP-GAN's siamese network: content and domain features of two patches, with shared weights (ECCV 2020, section 3)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_ssl.networks.layers import Conv, instance_norm, kaiming_init, normal_init

NORMALISATIONS = ("none", "l2", "softmax", "standardize")
_EPSILON = 1e-6


def normalise_map(content_map: jax.Array, how: str) -> jax.Array:
    """Normalises each content map over its pixels.

    Args:
        content_map: `[batch, height, width]` float.
        how: `none`; `l2` (unit norm, as attention transfer does); `softmax` (non-negative, sum 1); `standardize` (zero
            mean, unit variance, so that a constant map cannot satisfy the content loss for free).

    Returns:
        The same shape.

    Raises:
        ValueError: `how` is none of the four.
    """
    if how == "none":
        return content_map
    flat = content_map.reshape(content_map.shape[0], -1)
    if how == "l2":
        flat = flat * jax.lax.rsqrt(jnp.sum(jnp.square(flat), axis=1, keepdims=True) + _EPSILON)
    elif how == "softmax":
        flat = jax.nn.softmax(flat, axis=1)
    elif how == "standardize":
        flat = flat - jnp.mean(flat, axis=1, keepdims=True)
        flat = flat * jax.lax.rsqrt(jnp.mean(jnp.square(flat), axis=1, keepdims=True) + _EPSILON)
    else:
        raise ValueError(f"normalise is {how!r}; allowed: {', '.join(NORMALISATIONS)}")
    return flat.reshape(content_map.shape)


class Siamese(nn.Module):
    """Tells whether two patches show the same content, and which domains they lie in.

    Attributes:
        width: the trunk has 2, 4 and then 8 times as many channels; the features have 8 times as many.
        strides: of the trunk's convolutions; (2, 2, 2) for 85-pixel patches, (1, 2, 2) for 21 to 32 pixels; more of
            them see more.
        normalise: of the content map, see `normalise_map`.
        kernel_init: `normal` (N(0, 0.02), published) or `kaiming` (features that start at unit scale, which the twin
            task needs).
        dtype: what is computed in; parameters, statistics of norms and all that is returned are float32.
    """

    width: int = 64
    strides: Sequence[int] = (2, 2, 2)
    normalise: str = "none"
    kernel_init: str = "normal"
    dtype: str = "float32"

    def setup(self):
        init = kaiming_init if self.kernel_init == "kaiming" else normal_init()
        self.trunk = [
            Conv(self.width * min(2 ** (i + 1), 8), 3, stride=stride, padding=1, normed=True, kernel_init=init)
            for i, stride in enumerate(self.strides)
        ]
        # In the maps form a bias of these two would cancel: it would have no gradient but rounding noise.
        self.content = Conv(8 * self.width, 3, padding=1, use_bias=False, kernel_init=init)
        self.attend = Conv(1, 1, use_bias=False, kernel_init=init)
        self.domain = Conv(8 * self.width, 3, padding=1, kernel_init=init)
        self.classify = nn.Dense(3, kernel_init=init)

    def features(self, patches: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Computes the content and domain features.

        Args:
            patches: `[batch, height, width, channels]` float in [-1, 1].

        Returns:
            Two arrays `[batch, h, w, 8 * self.width]`.
        """
        x = patches.astype(self.dtype)
        for layer in self.trunk:
            x = nn.leaky_relu(instance_norm(layer(x)), 0.2)
        return self.content(x).astype(jnp.float32), self.domain(x).astype(jnp.float32)

    def content_map(self, content: jax.Array, size: tuple[int, int]) -> jax.Array:
        """Turns content features into an attention map `[batch, *size]` of the patch's size, normalised."""
        attention = self.attend(content)[..., 0]
        resized = jax.image.resize(attention, (attention.shape[0], *size), "bilinear")
        return normalise_map(resized, self.normalise)

    def domain_logits(self, first: jax.Array, second: jax.Array) -> jax.Array:
        """Classifies pairs of domain features: logits `[batch, 3]` for both of a, both of b, one of each."""
        pair = jnp.concatenate([first, second], axis=-1)
        return self.classify(jnp.mean(pair, axis=(1, 2)))

    def __call__(self, first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Compares pairs of patches.

        Args:
            first: `[pairs, height, width, channels]` float in [-1, 1].
            second: the same shape.

        Returns:
            The two content maps `[pairs, height, width]` and the domain logits `[pairs, 3]`.
        """
        content, domain = self.features(jnp.concatenate([first, second]))
        map_a, map_b = jnp.split(self.content_map(content, (first.shape[1], first.shape[2])), 2)
        return map_a, map_b, self.domain_logits(*jnp.split(domain, 2))
