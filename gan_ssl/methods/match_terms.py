"""What MatchGAN's match head adds to each player's objective."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from ml_collections import ConfigDict

from gan_ssl import losses, networks, pretext
from gan_ssl.methods.state import AXIS, Metrics


def score(
    net: networks.ConditionalDiscriminator, params: dict, features: jax.Array, labels: jax.Array, order: np.ndarray
) -> Metrics:
    """Scores the pairs of a global batch; each device takes an equal share of them.

    Pairs cross devices, so features and labels are gathered over the batch axis; their gradients flow back to the
    devices that computed them.

    Args:
        net: the discriminator.
        params: its parameters.
        features: `[per_device, h, w, channels]` of this device's images.
        labels: `[per_device, num_labels]` of these images.
        order: `[groups, images_per_group]` places of the global batch whose labels are equal.

    Returns:
        `match`, the loss over this device's share of the pairs, and `match_accuracy`.
    """
    first, second, _ = pretext.match_triplets(*order.shape)
    share = features.shape[0]
    take = lambda places: lax.dynamic_slice(
        jnp.asarray(order.ravel()[places]), (lax.axis_index(AXIS) * share,), (share,)
    )
    first, second = take(first), take(second)
    features, labels = (lax.all_gather(x, AXIS, tiled=True) for x in (features, labels))
    # Groups differ in their labels unless there are fewer combinations than groups.
    same = jnp.all(labels[first] == labels[second], axis=-1)
    logits = net.apply({"params": params}, features[first], features[second], method="match_features")
    accuracy = jnp.mean((jnp.argmax(logits, axis=-1) == same).astype(jnp.float32))
    return {"match": losses.match_loss(logits, same), "match_accuracy": accuracy}


def groups(config: ConfigDict, interleaved: bool) -> np.ndarray:
    """Returns `[groups, images_per_group]` places of equal labels: real ones lie side by side, targets interleaved."""
    size = config.data.images_per_group
    places = np.arange(config.batch_size)
    return places.reshape(size, -1).T if interleaved else places.reshape(-1, size)
