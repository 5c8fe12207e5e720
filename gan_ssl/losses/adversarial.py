"""Adversarial losses."""

import jax
import jax.numpy as jnp


def lsgan_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """Least-squares loss of a generator, whose translations should be judged 1 (Mao et al., ICCV 2017, eq. 2).

    Args:
        fake_logits: `[batch, ...]` logits of translations.

    Returns:
        A scalar, the mean over all logits.
    """
    return jnp.mean(jnp.square(fake_logits - 1.0))


def lsgan_discriminator_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Least-squares loss of a discriminator, halved as CycleGAN does to slow it against the generator.

    Args:
        real_logits: `[batch, ...]` logits of real images, whose goal is 1.
        fake_logits: `[batch, ...]` logits of translations, whose goal is 0.

    Returns:
        A scalar, half the sum of the two means.
    """
    return 0.5 * (jnp.mean(jnp.square(real_logits - 1.0)) + jnp.mean(jnp.square(fake_logits)))
