"""Set distances against a float64 SciPy computation, and against sets whose distance is known."""

import numpy as np
import pytest
import scipy.linalg

from gan_ssl import errors
from gan_ssl.evaluation import distribution


def _features(seed=0, n=300, dim=12, shift=0.0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, dim)) @ rng.standard_normal((dim, dim)) + shift).astype(np.float32)


def _scipy_fid(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(first + second - 2 * root)


def _fid(x, y):
    return distribution.fid(distribution.moments(x), distribution.moments(y))


def test_fid_is_scipys():
    x, y = _features(0), _features(1, n=250, shift=0.7)
    assert _fid(x, y) == pytest.approx(_scipy_fid(x, y), rel=1e-6)
    assert _fid(y, x) == pytest.approx(_fid(x, y), rel=1e-9)


def test_fid_of_gaussians_that_differ_in_scale_and_place():
    x = _features()
    assert _fid(x, x + np.float32(2)) == pytest.approx(4 * 12, rel=1e-4)
    assert _fid(x, 3 * x) == pytest.approx(
        np.square(2 * x.mean(0)).sum() + 4 * np.trace(np.cov(x, rowvar=False)), rel=1e-4
    )


@pytest.mark.parametrize("count", [2, 30, 300])
def test_fid_of_a_set_with_itself_is_zero(count):
    """Singular covariances too, and far from the origin."""
    x = _features(n=count, dim=64) * 30 + 500
    assert _fid(x, x) < 1e-6 * np.trace(np.cov(x, rowvar=False))
    assert _fid(x / 30, x / 30) < 1e-3


def test_moments_of_batches_are_those_of_the_whole():
    x = _features(shift=1e4)
    streamed = distribution.Moments(12)
    for start in range(0, 300, 7):
        streamed.update(x[start : start + 7])
    assert streamed.count == 300
    np.testing.assert_allclose(streamed.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(streamed.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-9, atol=1e-9)


def _plain_kid(x, y):
    k = lambda a, b: (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3
    n, m = len(x), len(y)
    within = lambda z: sum(k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j)
    across = sum(k(a, b) for a in x for b in y)
    return within(x) / (n * (n - 1)) + within(y) / (m * (m - 1)) - 2 * across / (n * m)


def test_kid_is_the_plain_sum():
    x, y = _features(0, n=9, dim=3), _features(1, n=7, dim=3)
    mean, std = distribution.kid(x, y)
    assert mean == pytest.approx(_plain_kid(x, y), rel=1e-6) and std == 0.0


def test_subsets_agree_with_the_whole():
    x = np.random.default_rng(0).standard_normal((900, 4))
    whole = distribution.kid(x[:500], x[500:] + 0.5, subsets=0)[0]
    mean, spread = distribution.kid(x[:500], x[500:] + 0.5, subsets=50, subset_size=100)
    assert 0 < spread < whole and mean == pytest.approx(whole, abs=spread)
    assert distribution.kid(x[:500], x[500:] + 0.5, subsets=50, subset_size=100) == (mean, spread)
    assert abs(distribution.kid(x[:500], x[500:], subsets=0)[0]) < 0.05 * whole


def test_inception_score_between_one_and_the_number_of_classes():
    assert distribution.inception_score(np.full((6, 3), 1 / 3))[0] == pytest.approx(1.0)
    assert distribution.inception_score(np.eye(3).repeat(4, axis=0))[0] == pytest.approx(3.0)
    p = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    expected = np.exp(np.mean([scipy.special.rel_entr(row, p.mean(0)).sum() for row in p]))
    assert distribution.inception_score(p)[0] == pytest.approx(expected, rel=1e-6)
    assert distribution.inception_score(p, splits=4)[1] > 0


def test_single_pictures_are_refused():
    one, many = _features(n=1), _features()
    with pytest.raises(errors.DataError, match="at least 2"):
        _fid(one, many)
    with pytest.raises(errors.DataError, match="sets of 1 and 300"):
        distribution.kid(one, many)
