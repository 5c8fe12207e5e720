"""What all training streams share: the order of images, their size, crops and flips.

Everything random is a function of numbers, the seed first, and of nothing else.
"""

import functools

import numpy as np
from ml_collections import ConfigDict

from gan_ssl.data import images
from gan_ssl.data.source import Source, load_size

# Resized images kept a process, so that a small set is decoded once.
CACHE_BYTES = 256 * 2**20
# What random bits are for: the second number that they depend on.
ORDER, AUGMENTATION, TARGETS, GROUPS, SUBSET = range(5)


class ResizedImages:
    """The images of a source at one size and depth; the first that fit into `cache_bytes` are kept."""

    def __init__(self, source: Source, size: tuple[int, int], bits: int, cache_bytes: int, center_crop: int = 0):
        """See the class; `center_crop` is as in `fit`."""
        self._source, self._size, self._bits, self._center_crop = source, size, bits, center_crop
        self._cache: dict[int, np.ndarray] = {}
        self._slots = cache_bytes // (size[0] * size[1] * 3 * bits // 8)

    @classmethod
    def of(cls, config: ConfigDict, source: Source, center_crop: int = 0) -> "ResizedImages":
        """Makes one as a config says, with half of a loader process's share of the cache."""
        share = CACHE_BYTES // (2 * max(1, config.data.workers))
        return cls(source, load_size(config), config.data.bits, share, center_crop)

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self._source)

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns image `index`, [*size, 3]; callers must not write to it."""
        if index in self._cache:
            return self._cache[index]
        image = fit(self._source[index]["image"], self._size, self._bits, self._center_crop)
        # All images are visited in turn: evicting one for another would only lose both.
        if len(self._cache) < self._slots:
            self._cache[index] = image
        return image


def fit(image: np.ndarray, size: tuple[int, int], bits: int, center_crop: int = 0) -> np.ndarray:
    """Brings an image to a size and depth.

    Args:
        image: [height, width, 3] uint8 or uint16.
        size: (height, width) wanted; the aspect may change.
        bits: 8 or 16.
        center_crop: side of the square that is cut out of the middle first, at most the image's shorter side; 0 takes
            the whole image.

    Returns:
        [*size, 3] uint8 or uint16.
    """
    if center_crop:
        side = min(center_crop, *image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        image = image[top : top + side, left : left + side]
    return images.to_bits(images.resize(np.ascontiguousarray(image), size), bits)


def shuffled_index(n: int, length: int, seed: int, *domain: int) -> int:
    """Returns the image that example n takes of a domain; every image once before any comes again."""
    epoch, place = divmod(n, length)
    return int(random_order(length, seed, ORDER, *domain, epoch)[place])


def augment(image: np.ndarray, size: tuple[int, int], flip: bool, bits: np.ndarray) -> np.ndarray:
    """Crops an image at random and may mirror it.

    Args:
        image: [height, width, 3], at least as large as `size`.
        size: (height, width) of the crop.
        flip: whether half of all images are mirrored.
        bits: 3 random uint32.

    Returns:
        [*size, 3], contiguous: Grain's workers pass other arrays through pipes, which then block when they close.
    """
    top, left = (int(bits[i]) % (image.shape[i] - size[i] + 1) for i in range(2))
    crop = image[top : top + size[0], left : left + size[1]]
    return np.ascontiguousarray(crop[:, ::-1] if flip and bits[2] & 1 else crop)


def random_bits(count: int, *numbers: int) -> np.ndarray:
    """Returns `count` uint32 that depend on the numbers alone; NumPy promises to keep them over its versions."""
    return np.random.SeedSequence(numbers).generate_state(count)


@functools.lru_cache(maxsize=64)  # Domains or label combinations, and the passes that prefetching straddles.
def random_order(length: int, *numbers: int) -> np.ndarray:
    """Returns a permutation of `length` indices that depends on the numbers alone; callers must not write to it."""
    return np.argsort(random_bits(length, *numbers), kind="stable").astype(np.int32)
