"""Distances between sets of features, and the Inception score: NumPy, float64."""

import numpy as np

from gan_ssl import errors

_CHUNK = 2048
_SMALLEST_PROBABILITY = 1e-16


class Moments:
    """Mean and covariance of features that come in batches, without keeping them.

    Batches are merged by their own means (Chan, Golub and LeVeque, 1979), so that a mean far from 0 costs no digits.

    Attributes:
        count: features seen so far.
        mean: `[dim]` float64.
    """

    def __init__(self, dim: int):
        self.count, self.mean = 0, np.zeros(dim)
        self._scatter = np.zeros((dim, dim))

    def update(self, features: np.ndarray) -> "Moments":
        """Adds `[n, dim]` features; returns itself."""
        for start in range(0, len(features), _CHUNK):
            part = np.asarray(features[start : start + _CHUNK], np.float64)
            mean = part.mean(axis=0)
            centred, shift, total = part - mean, mean - self.mean, self.count + len(part)
            self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * len(part) / total)
            self.mean = self.mean + shift * (len(part) / total)
            self.count = total
        return self

    @property
    def covariance(self) -> np.ndarray:
        """`[dim, dim]`, divided by count - 1."""
        return self._scatter / (self.count - 1)


def moments(features: np.ndarray) -> Moments:
    """Returns the moments of `[n, dim]` features."""
    return Moments(features.shape[1]).update(features)


def fid(x: Moments, y: Moments) -> float:
    """Frechet distance of two Gaussians (Heusel et al., NIPS 2017, eq. 6).

    The trace of the root of the covariances' product is the sum of the singular values of the product of their roots,
    which loses no digits where a covariance is singular, as it is with fewer pictures than features.

    Raises:
        DataError: a side has fewer than 2 features.
    """
    for side in (x, y):
        if side.count < 2:
            raise errors.DataError(f"a set of {side.count} pictures has no covariance; allowed: at least 2")
    covariances = x.covariance, y.covariance
    first, second = (_root(c) for c in covariances)
    overlap = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    distance = np.square(x.mean - y.mean).sum() + sum(np.trace(c) for c in covariances) - 2 * overlap
    return max(float(distance), 0.0)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Returns A `[dim, rank]` with A A^T the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])


def kid(
    x: np.ndarray, y: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Squared maximum mean discrepancy under the kernel (x.y / dim + 1)^3, unbiased (Binkowski et al., ICLR 2018).

    Args:
        x: `[n, dim]` features, at least 2.
        y: `[m, dim]` features, at least 2.
        subsets: how many random subsets to average over; 0 takes all features at once.
        subset_size: features of a subset and side; sets that are no larger are taken at once.
        seed: of the subsets.

    Returns:
        The mean, and the standard deviation over the subsets; 0 where all features are taken at once.

    Raises:
        DataError: a side has fewer than 2 features.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(x), len(y)) < 2:
        raise errors.DataError(f"sets of {len(x)} and {len(y)} pictures; allowed: at least 2 each")
    if not subsets or max(len(x), len(y)) <= subset_size:
        return _mmd(x, y), 0.0
    rng = np.random.default_rng(seed)
    size = min(subset_size, len(x), len(y))
    draw = lambda features: features[rng.choice(len(features), size, replace=False)]
    values = [_mmd(draw(x), draw(y)) for _ in range(subsets)]
    return float(np.mean(values)), float(np.std(values))


def _mmd(x: np.ndarray, y: np.ndarray) -> float:
    n, m = len(x), len(y)
    within = [(_kernel_sum(z, z) - _kernel(np.square(z).sum(axis=1), z.shape[1]).sum()) for z in (x, y)]
    return float(within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * _kernel_sum(x, y) / (n * m))


def _kernel(products: np.ndarray, dim: int) -> np.ndarray:
    return (products / dim + 1) ** 3


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Sums the kernel over all pairs, a block of rows at a time."""
    blocks = (x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK))
    return sum(_kernel(block @ y.T, x.shape[1]).sum() for block in blocks)


def inception_score(probabilities: np.ndarray, splits: int = 1) -> tuple[float, float]:
    """Exponential of the mean divergence of a picture's classes from all pictures' (Salimans et al., NIPS 2016).

    Args:
        probabilities: `[n, classes]`, rows that sum to 1.
        splits: equal parts of the pictures that are scored apart; published ones are of 10 parts of 50,000.

    Returns:
        The mean over the parts, between 1 and the number of classes, and their standard deviation.
    """
    probabilities = np.asarray(probabilities, np.float64)
    values = [np.exp(mean_divergence(part)) for part in np.array_split(probabilities, splits)]
    return float(np.mean(values)), float(np.std(values))


def mean_divergence(probabilities: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of the rows from their mean, in nats."""
    p = np.asarray(probabilities, np.float64)
    log = lambda q: np.log(np.maximum(q, _SMALLEST_PROBABILITY))
    return float((p * (log(p) - log(p.mean(axis=0, keepdims=True)))).sum(axis=1).mean())
