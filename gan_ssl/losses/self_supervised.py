"""Losses of OP-GAN's siamese network (ECCV 2020, section 3.2), and of our twins."""

import jax
import jax.numpy as jnp
import optax

_EPSILON = 1e-6


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over the entries whose mask is true; 0 with zero gradient where none is."""
    mask = mask.astype(values.dtype)
    return jnp.sum(values * mask) / jnp.maximum(jnp.sum(mask), 1.0)


def content_consistency_loss(map_a: jax.Array, map_b: jax.Array, mask: jax.Array) -> jax.Array:
    """Published content registration: mean squared error of the two maps of the pairs that show the same content.

    Args:
        map_a: `[pairs, height, width]` content maps of the first patches.
        map_b: the same for the second patches.
        mask: `[pairs]` bool, true where both patches lie at the same position (scenario C1).

    Returns:
        A scalar, the mean over the pixels of the masked pairs; 0 with zero gradient when none is.
    """
    return masked_mean(jnp.mean(jnp.square(map_a - map_b), axis=(1, 2)), mask)


def map_correlation(map_a: jax.Array, map_b: jax.Array) -> jax.Array:
    """Pearson correlation over the pixels of each pair of maps: `[pairs]` in [-1, 1], about 0 for constant maps."""

    def standardise(content_map):
        flat = content_map.reshape(content_map.shape[0], -1)
        flat = flat - jnp.mean(flat, axis=1, keepdims=True)
        return flat / jnp.sqrt(jnp.sum(jnp.square(flat), axis=1, keepdims=True) + _EPSILON**2)

    return jnp.sum(standardise(map_a) * standardise(map_b), axis=1)


def content_contrast_loss(map_a: jax.Array, map_b: jax.Array, mask: jax.Array) -> jax.Array:
    """Keeps content maps alive (ours): squared positive correlation of the maps of pairs at other positions.

    Args:
        map_a: `[pairs, height, width]` content maps of the first patches.
        map_b: the same for the second patches.
        mask: `[pairs]` bool, true where both patches lie at the *same* position; these do not count.

    Returns:
        A scalar in [0, 1]; 0 with zero gradient when no pair counts.
    """
    return masked_mean(jnp.square(jax.nn.relu(map_correlation(map_a, map_b))), ~mask)


def domain_classification_loss(logits: jax.Array, classes: jax.Array) -> jax.Array:
    """Softmax cross-entropy of the domains of a pair.

    Args:
        logits: `[pairs, 3]`.
        classes: `[pairs]` int, 0 both of a, 1 both of b, 2 one of each.

    Returns:
        A scalar, the mean over pairs.
    """
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, classes))


def _unit(features: jax.Array) -> jax.Array:
    return features * jax.lax.rsqrt(jnp.sum(jnp.square(features), axis=-1, keepdims=True) + _EPSILON**2)


def place_contrast_loss(first: jax.Array, second: jax.Array, temperature: float = 0.1) -> jax.Array:
    """Twin registration (ours): each place must find its own twin among all places.

    Args:
        first: `[places, channels]` content features of real patches.
        second: the same places in another light.
        temperature: divides the cosines.

    Returns:
        A scalar, the cross-entropy over places, mean over both directions; log(places) for constant features.
    """
    logits = _unit(first) @ _unit(second).T / temperature
    own = jnp.diagonal(logits)
    rows = jax.nn.logsumexp(logits, axis=1)
    columns = jax.nn.logsumexp(logits, axis=0)
    return jnp.mean(0.5 * (rows + columns) - own)


def patch_contrast_loss(queries: jax.Array, keys: jax.Array, temperature: float = 0.07) -> jax.Array:
    """CUT's contrast: each place of a translation must find its own among those of the source (Park et al., eq. 2).

    Args:
        queries: `[places, channels]` of unit length, of the translation.
        keys: the same places of the source; no gradient flows into them.
        temperature: divides the cosines.

    Returns:
        A scalar, the mean over places; log(places) where all keys are alike.
    """
    logits = queries @ jax.lax.stop_gradient(keys).T / temperature
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - jnp.diagonal(logits))


def place_cosine(x: jax.Array, y: jax.Array) -> jax.Array:
    """Cosine of the features of each place: `[..., channels]` twice to `[...]` in [-1, 1]."""
    return jnp.sum(_unit(x) * _unit(y), axis=-1)


def relations(features: jax.Array) -> jax.Array:
    """Returns how alike the places of a patch are: cosines of the features less their mean over the places.

    As in F-LSeSim (Zheng et al., CVPR 2021), whose self-similarity these features have learnt from twins.

    Args:
        features: `[pairs, h, w, channels]`.

    Returns:
        `[pairs, h, w, h * w]` in [-1, 1]: of each place, its likeness to all.
    """
    pairs, height, width, channels = features.shape
    flat = features.reshape(pairs, height * width, channels)
    flat = _unit(flat - jnp.mean(flat, axis=1, keepdims=True))
    return (flat @ flat.swapaxes(1, 2)).reshape(pairs, height, width, height * width)


def place_certainty(features: jax.Array, twins: jax.Array, temperature: float = 0.1) -> jax.Array:
    """Returns how surely each place is found again in another light, among the places of its patch.

    Args:
        features: `[pairs, h, w, channels]` content features.
        twins: the same places in another light.
        temperature: divides the cosines.

    Returns:
        `[pairs, h, w]` probabilities, without gradient; 1 / (h w) for constant features.
    """
    pairs, height, width, channels = features.shape
    x, y = (_unit(f).reshape(pairs, height * width, channels) for f in (features, twins))
    found = jax.nn.softmax(x @ y.swapaxes(1, 2) / temperature, axis=-1)
    return jax.lax.stop_gradient(jnp.diagonal(found, axis1=1, axis2=2).reshape(pairs, height, width))


def feature_registration_loss(
    source: jax.Array, translated: jax.Array, mask: jax.Array, weight: jax.Array | float = 1.0
) -> jax.Array:
    """Holds a translation to the content of its source (ours): 1 - cosine, mean over places.

    Args:
        source: `[pairs, h, w, channels]` content features of source patches; no gradient flows into them.
        translated: the same for the translated patches.
        mask: `[pairs]` bool, true where both lie at the same position (scenario C1).
        weight: of each place, `[pairs, h, w]`.

    Returns:
        A scalar in [0, 2] for weights up to 1; 0 with zero gradient when the mask is empty.
    """
    cosine = place_cosine(jax.lax.stop_gradient(source), translated)
    return masked_mean(jnp.mean(weight * (1.0 - cosine), axis=(1, 2)), mask)
