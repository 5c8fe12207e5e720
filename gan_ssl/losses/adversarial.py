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


def relaxed_generator_loss(fake_logits: jax.Array, enough: float) -> jax.Array:
    """Least-squares loss of a generator, content once its translations are judged real enough (ours).

    The best discriminator says p / (p + q) where real images have density p and translations q. Where a class has a
    share r times as large in the source domain as in the target domain, a faithful translation is judged 1 / (1 + r):
    the plain loss pays for turning it into something else. Up to `enough` = 1 / (1 + r) this one does not, as
    asymmetrically relaxed alignment allows such ratios (Wu et al., ICML 2019).

    Args:
        fake_logits: `[batch, ...]` logits of translations.
        enough: above 0 and at most 1.

    Returns:
        A scalar, the mean over all logits; its gradient at a logit of 0 is that of `lsgan_generator_loss`.
    """
    return jnp.mean(jnp.square(jax.nn.relu(enough - fake_logits))) / enough


def lsgan_discriminator_loss(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Least-squares loss of a discriminator, halved as CycleGAN does to slow it against the generator.

    Args:
        real_logits: `[batch, ...]` logits of real images, whose goal is 1.
        fake_logits: `[batch, ...]` logits of translations, whose goal is 0.

    Returns:
        A scalar, half the sum of the two means.
    """
    return 0.5 * (jnp.mean(jnp.square(real_logits - 1.0)) + jnp.mean(jnp.square(fake_logits)))
