"""CycleGAN's pool of past translations (Shrivastava et al., CVPR 2017), one for each place of the global batch."""

import jax
import jax.numpy as jnp
from flax import struct
from jax import lax


class ImagePool(struct.PyTreeNode):
    """Past translations.

    Attributes:
        images: `[places, size, height, width, channels]`.
        count: `[places]` int32, how many are filled.
    """

    images: jax.Array
    count: jax.Array


def create(places: int, size: int, shape: tuple[int, int, int], dtype: str) -> ImagePool:
    """Makes an empty pool of `size` images of the given shape a place."""
    return ImagePool(jnp.zeros((places, size, *shape), dtype), jnp.zeros((places,), jnp.int32))


def exchange(pool: ImagePool, rngs: jax.Array, images: jax.Array) -> tuple[ImagePool, jax.Array]:
    """Puts new translations in and takes out what the discriminator sees.

    A pool that is not full keeps a copy and gives the image back. A full one gives, with probability one half, a past
    image and keeps the new one in its stead.

    Args:
        pool: of as many places as there are images.
        rngs: a key a place.
        images: `[places, height, width, channels]`.

    Returns:
        The pool and the images to show, in the shape and dtype of `images`.
    """
    return jax.vmap(_exchange_one)(pool, rngs, images)


def _exchange_one(pool: ImagePool, rng: jax.Array, image: jax.Array) -> tuple[ImagePool, jax.Array]:
    size = pool.images.shape[0]
    coin, place = jax.random.uniform(rng, (2,))
    filling = pool.count < size
    swap = ~filling & (coin < 0.5)
    index = jnp.where(filling, pool.count, (place * size).astype(jnp.int32))
    past = lax.dynamic_index_in_dim(pool.images, index, keepdims=False)
    kept = jnp.where(filling | swap, image.astype(past.dtype), past)
    images = lax.dynamic_update_index_in_dim(pool.images, kept, index, 0)
    shown = jnp.where(swap, past.astype(image.dtype), image)
    return ImagePool(images, pool.count + filling), shown
