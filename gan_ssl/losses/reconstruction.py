"""Losses between an image and what should equal it."""

import jax
import jax.numpy as jnp


def l1_loss(x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean absolute error: CycleGAN's cycle and identity losses (Zhu et al., ICCV 2017, eq. 2).

    Args:
        x: an array of any shape.
        y: the same shape.

    Returns:
        A scalar, the mean over all elements.
    """
    return jnp.mean(jnp.abs(x - y))
