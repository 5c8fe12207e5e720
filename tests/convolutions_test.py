"""Each form that a CPU uses equals XLA's own convolution in values, gradients and gradients of gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_ssl.networks.convolutions import convolve, convolve_transposed, plain_forms

# Image, kernel, stride, padding.
_CASES = {
    "strided 4x4": ((2, 8, 12, 3), (4, 4, 3, 5), 2, 1),
    "strided 4x4 on 2x2": ((2, 2, 2, 4), (4, 4, 4, 5), 2, 1),
    "strided 4x4 on 2x4": ((2, 2, 4, 4), (4, 4, 4, 5), 2, 1),
    "strided 3x3": ((2, 6, 8, 3), (3, 3, 3, 5), 2, 1),
    "few outputs": ((2, 10, 9, 9), (7, 7, 9, 3), 1, 3),
    "few outputs, no padding": ((2, 10, 9, 9), (7, 7, 9, 1), 1, 0),
    "few inputs": ((2, 9, 10, 3), (7, 7, 3, 9), 1, 3),
}
_TRANSPOSED = {"transposed 4x4": ((2, 3, 5, 4), (4, 4, 4, 3)), "transposed 3x3": ((2, 3, 5, 4), (3, 3, 4, 3))}


def _normal(shape, seed):
    return jax.random.normal(jax.random.PRNGKey(seed), shape)


def _all_of(f, x, kernel):
    """Values, gradients, and the gradient of a gradient's square, which a gradient penalty takes."""
    value = lambda x, k: jnp.sum(jnp.tanh(f(x, k)))
    slope = lambda x, k: jnp.sum(jnp.square(jax.grad(value)(x, k)))
    return jax.jit(lambda x, k: (f(x, k), jax.grad(value, (0, 1))(x, k), jax.grad(slope, (0, 1))(x, k)))(x, kernel)


def _assert_equal(f, image, kernel):
    x, kernel = _normal(image, 0), _normal(kernel, 1) / np.sqrt(np.prod(kernel[:3]))
    ours = _all_of(f, x, kernel)
    with plain_forms():
        wanted = _all_of(lambda x, k: f(x, k), x, kernel)
    for got, want in zip(jax.tree.leaves(ours), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("case", _CASES)
def test_forms_equal_the_plain_convolution(case):
    image, kernel, stride, padding = _CASES[case]
    _assert_equal(partial(convolve, stride=stride, padding=padding), image, kernel)


@pytest.mark.parametrize("case", _TRANSPOSED)
def test_forms_equal_the_plain_transposed_convolution(case):
    _assert_equal(convolve_transposed, *_TRANSPOSED[case])


def test_transposed_is_the_adjoint_of_strided():
    x, y, kernel = _normal((1, 6, 8, 3), 0), _normal((1, 3, 4, 5), 1), _normal((4, 4, 3, 5), 2)
    forward = jnp.vdot(convolve(x, kernel, 2, 1), y)
    np.testing.assert_allclose(jnp.vdot(x, convolve_transposed(y, kernel.swapaxes(2, 3))), forward, rtol=1e-5)


def _is_plain(f, platform, image, kernel):
    """Whether a program for a platform has the convolution with the kernel as it is given."""
    shapes = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (image, kernel))
    text = jax.jit(lambda *args: f(*args)).trace(*shapes).lower(lowering_platforms=(platform,)).as_text()
    operand = f"tensor<{'x'.join(map(str, kernel))}xf32>) ->"
    return any("stablehlo.convolution" in line and operand in line for line in text.splitlines())


@pytest.mark.parametrize("case", ["strided 4x4 on 2x2", "few outputs"])
def test_other_platforms_and_the_switch_get_the_plain_convolution(case):
    image, kernel, stride, padding = _CASES[case]
    f = partial(convolve, stride=stride, padding=padding)
    assert _is_plain(f, "cuda", image, kernel) and _is_plain(f, "tpu", image, kernel)
    assert not _is_plain(f, "cpu", image, kernel)
    with plain_forms():
        assert _is_plain(f, "cpu", image, kernel)


def test_half_precision_goes_through_all_forms():
    for image, kernel, stride, padding in _CASES.values():
        made = convolve(
            _normal(image, 0).astype(jnp.bfloat16), _normal(kernel, 1).astype(jnp.bfloat16), stride, padding
        )
        exact = convolve(_normal(image, 0), _normal(kernel, 1), stride, padding)
        assert made.dtype == jnp.bfloat16
        np.testing.assert_allclose(made.astype(jnp.float32), exact, rtol=0, atol=0.03 * np.abs(exact).max())
