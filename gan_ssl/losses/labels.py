"""Losses over labels: reading an image's own, and telling whether two images carry the same (MatchGAN)."""

import jax
import jax.numpy as jnp
import optax


def label_classification_loss(logits: jax.Array, labels: jax.Array, exclusive: bool) -> jax.Array:
    """Classifies labels (StarGAN, eqs. 2 and 3).

    Args:
        logits: `[batch, num_labels]`.
        labels: `[batch, num_labels]`, 0 or 1; one-hot where `exclusive`.
        exclusive: whether exactly one label holds. Softmax cross-entropy then, else binary cross-entropy summed over
            the labels, which label spaces that mix groups use as well.

    Returns:
        The mean over the batch.
    """
    if exclusive:
        return jnp.mean(optax.softmax_cross_entropy(logits, labels))
    return jnp.mean(jnp.sum(optax.sigmoid_binary_cross_entropy(logits, labels), axis=-1))


def match_loss(logits: jax.Array, same: jax.Array) -> jax.Array:
    """Tells whether the two images of a pair carry the same labels (MatchGAN's match loss).

    Args:
        logits: `[pairs, 2]`; logit 1 stands for the same labels.
        same: `[pairs]` bool, or 0 and 1.

    Returns:
        Softmax cross-entropy, the mean over the pairs; ln 2 for a head that cannot tell.
    """
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, same.astype(jnp.int32)))
