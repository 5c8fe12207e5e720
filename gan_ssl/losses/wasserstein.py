"""Wasserstein critics with a gradient penalty (Gulrajani et al., NeurIPS 2017), as StarGAN and MatchGAN use them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def wasserstein_discriminator_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Mean logit of fakes minus that of real images (StarGAN, eq. 8, without its penalty).

    Args:
        real_logits: of any shape, for real images.
        fake_logits: of any shape, for translations.

    Returns:
        A scalar, to be minimised by the discriminator.
    """
    return jnp.mean(fake_logits) - jnp.mean(real_logits)


def wasserstein_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """Minus the mean logit of fakes (StarGAN, eq. 8).

    Args:
        fake_logits: of any shape, for translations.

    Returns:
        A scalar, to be minimised by the generator.
    """
    return -jnp.mean(fake_logits)


def gradient_penalty(critic: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
    """Squared distance from 1 of the norm of the critic's gradient, an image at a time (StarGAN, eq. 8).

    Args:
        critic: from `[batch, ...]` images to logits of any shape; an image's logits are summed and depend on no other
            image.
        images: where to measure, as a rule random blends of real and fake ones.

    Returns:
        The mean over images; its gradient is finite where the critic's gradient is zero.
    """
    slope = jax.grad(lambda x: jnp.sum(critic(x)))(images)
    squared = jnp.sum(jnp.square(slope), axis=tuple(range(1, slope.ndim)))
    # The derivative of a square root at 0 is infinite, and stays so behind a `where` that is not safe on both sides.
    positive = squared > 0
    norm = jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)
    return jnp.mean(jnp.square(norm - 1.0))
