"""Convolutions with PyTorch's conventions, and the forms of them that a CPU computes fastest.

Images are NHWC, kernels HWIO. XLA's own convolutions serve GPUs and TPUs. On a CPU some shapes take them many times as
long as a matrix product of that size, so there a convolution's value and its two gradients may each be computed in
another form of the same values; which, is decided for the platform that a program is lowered for. `plain_forms` turns
this off.

The ratios below are CPU seconds of XLA's own to those of the form that is used, JAX 0.10, one core, `compiler_options`
of `gan_ssl.training.compilation` in effect for both.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

Form = Callable[[jax.Array, jax.Array], jax.Array]  # of image and kernel
Gradient = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]  # of image, kernel and cotangent
_FEW = 8  # channels that leave the vector units of a matrix product idle
_plain = contextvars.ContextVar("plain_forms", default=False)


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """Makes what is traced in the block use XLA's own convolutions on all platforms, as exports to others need."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def by_platform(*arrays: jax.Array, cpu: Callable, default: Callable) -> jax.Array:
    """Computes `cpu(*arrays)` where the program is lowered for a CPU, `default(*arrays)`, of equal value, elsewhere."""
    return default(*arrays) if _plain.get() else lax.platform_dependent(*arrays, cpu=cpu, default=default)


def convolve(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    """Cross-correlates images with a kernel, zeros around them, as PyTorch's `Conv2d`.

    Args:
        x: `[batch, height, width, in]`.
        kernel: `[k, k, in, out]`.
        stride: step of the kernel in both directions.
        padding: zeros on each side.

    Returns:
        `[batch, h, w, out]`.
    """
    return _form(x.shape, kernel.shape, stride, padding)(x, kernel)


def _form(image: tuple[int, ...], kernel: tuple[int, ...], stride: int, padding: int) -> Form:
    """Chooses how to compute a convolution of these shapes."""
    plain = partial(_convolve, stride=stride, padding=padding)
    (_, height, width, inputs), (side, _, _, outputs) = image, kernel
    if stride == 2 and padding == 1 and side in (3, 4) and height % 2 == width % 2 == 0:
        if side == 4 and height == width == 2:
            return _on_cpu(plain, _middle)  # 16x2x2x512 to 1024: 100 : 1, gradients 40 : 1
        # The input gradient is a transposed convolution. 16x64x64x32 to 64, 4x4: 2.9 : 1; 16x4x4x256 to 512: 11 : 1;
        # derived once more, as a gradient penalty does, 4 to 16 : 1. Kernel gradient of 1x96x96x32 to 64: 3.6 : 1.
        back = lambda x, kernel, cotangent: convolve_transposed(cotangent, kernel.swapaxes(2, 3))
        return _on_cpu(plain, plain, back, _kernel_gradient(_blocks))
    if stride == 1 and side == 7 and outputs <= _FEW:  # 16x64x64x32 to 3: 4.1 : 1, kernel gradient 3.1 : 1
        columns = partial(_columns_of_outputs, padding=padding)
        return _on_cpu(plain, columns, _input_gradient(plain), _kernel_gradient(columns))
    if stride == 1 and side == 7 and inputs <= _FEW:  # input gradient of 1x102x102x3 to 32: 4.5 : 1
        columns = partial(_columns_of_inputs, padding=padding)
        return _on_cpu(plain, plain, _input_gradient(columns), _kernel_gradient(plain))
    return plain


def convolve_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """PyTorch's `ConvTranspose2d(stride=2, padding=1)` to exactly twice the size, for kernels of side 3 or 4.

    Args:
        x: `[batch, height, width, in]`.
        kernel: `[k, k, in, out]`, k in (3, 4), as the transposed kernel: tap (i, j) of input (y, x) lands on output
            (2y + i - 1, 2x + j - 1).

    Returns:
        `[batch, 2 height, 2 width, out]`.
    """
    # Kernel gradient of 16x32x32x64 to 32, 4x4: 50 : 1, as XLA's own is a dilated convolution.
    return _on_cpu(_convolve_transposed, _windows if kernel.shape[0] == 4 else _phases)(x, kernel)


def _input_gradient(form: Form) -> Gradient:
    return lambda x, kernel, cotangent: jax.vjp(lambda x: form(x, kernel), x)[1](cotangent)[0]


def _kernel_gradient(form: Form) -> Gradient:
    return lambda x, kernel, cotangent: jax.vjp(lambda kernel: form(x, kernel), kernel)[1](cotangent)[0]


def _on_cpu(plain: Form, value: Form, to_input: Gradient | None = None, to_kernel: Gradient | None = None) -> Form:
    """Computes `plain` in forms of equal value where the platform is a CPU: the value, and each of its gradients."""
    if _plain.get():
        return plain
    gradients = to_input or _input_gradient(value), to_kernel or _kernel_gradient(value)
    plain_gradients = _input_gradient(plain), _kernel_gradient(plain)

    def value_of(x, kernel):
        return by_platform(x, kernel, cpu=value, default=plain)

    def backward(saved, cotangent):
        both = zip(gradients, plain_gradients, strict=True)
        return tuple(by_platform(*saved, cotangent, cpu=cpu, default=default) for cpu, default in both)

    form = jax.custom_vjp(value_of)
    form.defvjp(lambda x, kernel: (value_of(x, kernel), (x, kernel)), backward)
    return form


def _convolve(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    pads = ((padding, padding), (padding, padding))
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _pad(x: jax.Array, before: int, after: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))


def _columns_of_outputs(x: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """Few outputs: one product a kernel column as channels, which are then shifted and added."""
    rows, columns, inputs, outputs = kernel.shape
    y = _convolve(_pad(x, padding, padding), kernel.transpose(0, 2, 1, 3).reshape(rows, 1, inputs, columns * outputs))
    width = y.shape[2] - columns + 1
    y = y.reshape(*y.shape[:3], columns, outputs)
    return sum(y[:, :, j : j + width, j] for j in range(columns))  # pyright: ignore[reportReturnType] columns >= 1


def _columns_of_inputs(x: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """Few inputs: the pixels under a kernel row are channels of one place."""
    rows, columns, inputs, outputs = kernel.shape
    x = _pad(x, padding, padding)
    width = x.shape[2] - columns + 1
    x = jnp.concatenate([x[:, :, j : j + width] for j in range(columns)], axis=-1)
    return _convolve(x, kernel.reshape(rows, 1, columns * inputs, outputs))


def _middle(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """4x4, stride 2, padding 1 on a 2x2 map, of which the outer taps see zeros only."""
    flat = x.reshape(x.shape[0], -1)
    return (flat @ kernel[1:3, 1:3].reshape(flat.shape[1], -1))[:, None, None]


def _blocks(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Stride 2, padding 1: a 2x2 convolution of blocks of 2x2 pixels, for even sides."""
    side, _, inputs, outputs = kernel.shape
    kernel = jnp.pad(kernel, ((0, 4 - side), (0, 4 - side), (0, 0), (0, 0)))
    kernel = kernel.reshape(2, 2, 2, 2, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    x = _pad(x, 1, 1)
    batch, height, width, _ = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, inputs).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, height // 2, width // 2, 4 * inputs)
    return _convolve(x, kernel.reshape(2, 2, 4 * inputs, outputs))


def _convolve_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    side = kernel.shape[0]
    pads = ((side - 2, 2), (side - 2, 2))
    return lax.conv_general_dilated(
        x, kernel[::-1, ::-1], (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _interleave(phases: jax.Array) -> jax.Array:
    """Turns `[batch, height, width, 2, 2, channels]` into `[batch, 2 height, 2 width, channels]`."""
    batch, height, width, _, _, channels = phases.shape
    return phases.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, channels)


def _windows(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """4x4: each 2x2 window of the input makes the four pixels around its middle, by one convolution."""
    inputs, outputs = kernel.shape[2:]
    # Kernel row 2 - 2 tap + phase carries a window's row `tap` to the first or second of its output rows.
    kernel = kernel.reshape(2, 2, 2, 2, inputs, outputs)[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    y = _convolve(_pad(x, 1, 1), kernel.reshape(2, 2, inputs, 4 * outputs))
    return _interleave(y.reshape(*y.shape[:3], 2, 2, outputs))[:, 1:-1, 1:-1]


def _phases(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """3x3: even output rows and columns see one input, odd ones two; a convolution each of the four."""
    height, width = x.shape[1:3]
    x = _pad(x, 0, 1)
    taps = (slice(1, 2), slice(None, None, -2))  # kernel row 1; rows 2 and 0
    made = [[_convolve(x[:, : height + p, : width + q], kernel[taps[p], taps[q]]) for q in range(2)] for p in range(2)]
    return _interleave(jnp.stack([jnp.stack(row, axis=3) for row in made], axis=3))
