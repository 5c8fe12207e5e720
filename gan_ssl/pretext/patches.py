"""OP-GAN's patch pairs (ECCV 2020, section 3.1): two of the 18 patches of an image and its translation."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp


class PatchPairs(NamedTuple):
    """Pairs of patches, image-major; `n` is batch x pairs an image."""

    first: jax.Array  # [n, height // grid, width // grid, channels]
    second: jax.Array  # the same
    pair_class: jax.Array  # [n] int32: 0 both of a, 1 both of b, 2 one of each
    same_position: jax.Array  # [n] bool: one of each, at the same grid position


def cut_patches(images: jax.Array, grid: int) -> jax.Array:
    """Cuts images into a grid; rows and columns that are left over on the far sides are dropped.

    Args:
        images: `[batch, height, width, channels]`.
        grid: patches a side.

    Returns:
        `[batch, grid * grid, height // grid, width // grid, channels]`, row by row.
    """
    batch, height, width, channels = images.shape
    h, w = height // grid, width // grid
    cut = images[:, : grid * h, : grid * w].reshape(batch, grid, h, grid, w, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(batch, grid * grid, h, w, channels)


def _counts(pairs_per_image: int | Sequence[int]) -> tuple[int, int, int, int]:
    if not isinstance(pairs_per_image, int):
        d1, d2, c1, c2 = pairs_per_image
        return d1, d2, c1, c2
    if pairs_per_image % 4:
        raise ValueError(f"pairs_per_image is {pairs_per_image}; allowed: a multiple of 4, or 4 counts")
    each = pairs_per_image // 4
    return each, each, each, each


def _draw_places(key: jax.Array, counts: Sequence[int], places: int) -> tuple[jax.Array, jax.Array]:
    """Draws the two indices into the `2 x places` patches of one image pair, for the counts of D1, D2, C1, C2."""
    total = sum(counts)
    drawn, shift = jax.random.uniform(key, (2, total))  # one draw: every call of the generator is long to compile
    first = (drawn * places).astype(jnp.int32)
    other = (first + 1 + (shift * (places - 1)).astype(jnp.int32)) % places  # never the same place
    d1, d2, c1, _ = counts
    index = jnp.arange(total)
    in_d1, in_d2, in_c1 = index < d1, (index >= d1) & (index < d1 + d2), (index >= d1 + d2) & (index < d1 + d2 + c1)
    first_side = jnp.where(in_d2, 1, 0)
    second_side = jnp.where(in_d1, 0, 1)
    second = jnp.where(in_c1, first, other)
    return first + places * first_side, second + places * second_side


def sample_patch_pairs(
    rng: jax.Array, a: jax.Array, b: jax.Array, grid: int = 3, pairs_per_image: int | Sequence[int] = 4
) -> PatchPairs:
    """Draws pairs of patches from each image and its translation.

    Every image has the same number of pairs of each scenario (D1 both of a, D2 both of b, C1 one of each at the same
    position, C2 one of each at others), so that a mean over the pairs of a device is part of the global mean. Both
    patches come from the same image pair, and never is a patch paired with itself.

    Args:
        rng: one key, or one a batch place (`[batch, ...]`).
        a: `[batch, height, width, channels]` images of domain a.
        b: the same for domain b; `b[i]` is the translation of `a[i]` or the reverse.
        grid: patches a side.
        pairs_per_image: a multiple of 4, shared evenly, or the four counts of D1, D2, C1, C2.

    Returns:
        The pairs, image-major.

    Raises:
        ValueError: `pairs_per_image` is a number that 4 does not divide.
    """
    counts = _counts(pairs_per_image)
    batch, places, total = a.shape[0], grid * grid, sum(counts)
    keys = per_example_keys(rng, batch)
    first, second = jax.vmap(lambda key: _draw_places(key, counts, places))(keys)
    patches = jnp.concatenate([cut_patches(a, grid), cut_patches(b, grid)], axis=1)
    take = jax.vmap(lambda patch, index: patch[index])
    flat = lambda x: x.reshape(batch * total, *x.shape[2:])
    d1, d2, c1, c2 = counts
    pair_class = jnp.repeat(jnp.array([0, 1, 2, 2], jnp.int32), jnp.array(counts), total_repeat_length=total)
    same = jnp.array([False] * (d1 + d2) + [True] * c1 + [False] * c2)
    return PatchPairs(
        flat(take(patches, first)), flat(take(patches, second)), jnp.tile(pair_class, batch), jnp.tile(same, batch)
    )


def per_example_keys(rng: jax.Array, batch: int) -> jax.Array:
    """Returns a key a batch place: the given ones, or one key folded with each place."""
    single = jnp.issubdtype(rng.dtype, jax.dtypes.prng_key) and rng.ndim == 0 or rng.ndim == 1 and rng.dtype == "uint32"
    if not single:
        return rng
    return jax.vmap(lambda i: jax.random.fold_in(rng, i))(jnp.arange(batch))
