"""The layers that both methods share: convolutions with PyTorch's conventions, norms, up- and downsampling.

Images are NHWC, kernels HWIO. Paddings and the transposed convolution follow PyTorch, whose weights people bring.
"""

import math
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

Initializer = Callable[..., jax.Array]
_CHUNK = 2**16
NORM_EPSILON = 1e-5


@jax.jit
def _normal_chunk(key: jax.Array) -> jax.Array:
    return jax.random.normal(key, (_CHUNK,), jnp.float32)


@jax.jit
def _uniform_chunk(key: jax.Array) -> jax.Array:
    return jax.random.uniform(key, (_CHUNK,), jnp.float32, -1.0, 1.0)


def _draw(chunk: Callable[[jax.Array], jax.Array], key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws chunks of one size, so that one small program serves all kernels: one a shape takes a CPU half a minute."""
    size = math.prod(shape)
    chunks = [chunk(jax.random.fold_in(key, i)) for i in range(-(-size // _CHUNK))]
    return jnp.concatenate(chunks)[:size].reshape(shape)


def normal_init(stddev: float = 0.02) -> Initializer:
    """Returns an initialiser N(0, stddev); CycleGAN's by default."""

    def init(key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
        return (stddev * _draw(_normal_chunk, key, shape)).astype(dtype)

    return init


def kaiming_init(key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
    """Draws N(0, 2 / fan-in) (He et al., ICCV 2015), so that features start at unit scale."""
    return normal_init(math.sqrt(2.0 / math.prod(shape[:-1])))(key, shape, dtype)


def uniform_init(key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
    """Draws U(-1 / sqrt(fan-in), 1 / sqrt(fan-in)), PyTorch's default, which StarGAN's networks start from."""
    return (_draw(_uniform_chunk, key, shape) / math.sqrt(math.prod(shape[:-1]))).astype(dtype)


def instance_norm(x: jax.Array) -> jax.Array:
    """Normalises each image and channel over space, without affine parameters; statistics in float32.

    Args:
        x: `[batch, height, width, channels]`.

    Returns:
        The same shape and dtype, zero mean and unit variance (biased, epsilon 1e-5) over height and width.
    """
    y = x.astype(jnp.float32)
    y = y - jnp.mean(y, axis=(1, 2), keepdims=True)
    variance = jnp.mean(jnp.square(y), axis=(1, 2), keepdims=True)
    return (y * lax.rsqrt(variance + NORM_EPSILON)).astype(x.dtype)


def convolve(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    """Cross-correlates NHWC images with an HWIO kernel, zeros around them, as PyTorch's `Conv2d`."""
    if jax.default_backend() == "cpu" and stride == 1 and kernel.shape[0] == 7 and kernel.shape[-1] <= 4:
        return _convolve_by_columns(x, kernel, padding)
    return _plain_convolve(x, kernel, stride, padding)


def _plain_convolve(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    pads = ((padding, padding), (padding, padding))
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve_by_columns(x: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """A large kernel with few outputs: one product a kernel column as channels, which are then shifted and added.

    XLA's own takes 6 times as long forward on a CPU (16x32x32x16 to 3); backward it is the faster one.
    """
    rows, columns, inputs, outputs = kernel.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    y = _plain_convolve(x, kernel.transpose(0, 2, 1, 3).reshape(rows, 1, inputs, columns * outputs))
    width = y.shape[2] - columns + 1
    y = y.reshape(*y.shape[:3], columns, outputs)
    return sum(y[:, :, j : j + width, j] for j in range(columns))


def _columns_forward(x: jax.Array, kernel: jax.Array, padding: int):
    return _convolve_by_columns(x, kernel, padding), (x, kernel)


def _columns_backward(padding: int, saved: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    return jax.vjp(lambda x, kernel: _plain_convolve(x, kernel, 1, padding), *saved)[1](cotangent)


_convolve_by_columns.defvjp(_columns_forward, _columns_backward)


def halve_by_patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A 4x4 convolution with stride 2 and padding 1 as patches times a matrix, for sides that are even.

    A gradient penalty differentiates its discriminator twice, which takes XLA's own convolutions 5 times as long on a
    CPU; in all else the two are level.
    """
    batch, height, width, inputs = x.shape
    rows, columns = height // 2, width // 2
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # 2x2 pixels side by side in one place, of which a patch holds 2x2.
    x = x.reshape(batch, rows + 1, 2, columns + 1, 2, inputs).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, rows + 1, columns + 1, 4 * inputs)
    patches = [x[:, i : i + rows, j : j + columns] for i in range(2) for j in range(2)]
    kernel = kernel.reshape(2, 2, 2, 2, inputs, -1).transpose(0, 2, 1, 3, 4, 5)
    return jnp.concatenate(patches, axis=-1) @ kernel.reshape(16 * inputs, -1)


def convolve_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """PyTorch's `ConvTranspose2d(stride=2, padding=1)` to exactly twice the size, for kernels of side 3 or 4.

    Each output phase is a stride-1 convolution; all four run as one, followed by a depth-to-space. XLA's own weight
    gradient of a dilated convolution is some fifty times slower on a CPU.

    Args:
        x: `[batch, height, width, in]`.
        kernel: `[k, k, in, out]`, k in (3, 4), as the transposed kernel: tap (i, j) of input (y, x) lands on output
            (2y + i - 1, 2x + j - 1).

    Returns:
        `[batch, 2 height, 2 width, out]`.
    """
    side, _, inputs, outputs = kernel.shape
    low, taps = side - 3, side - 1  # input rows before its own that an output row sees, and rows in all
    # Kernel index that carries input row y + tap - low to output row 2y + phase.
    rows = [(phase, tap, phase + 1 - 2 * (tap - low)) for phase in range(2) for tap in range(taps)]
    rows = [row for row in rows if 0 <= row[2] < side]
    phases = jnp.zeros((taps, taps, inputs, 2, 2, outputs), kernel.dtype)
    for p, t, i in rows:
        for q, s, j in rows:
            phases = phases.at[t, s, :, p, q].set(kernel[i, j])
    pads = (low, taps - 1 - low)
    y = convolve(jnp.pad(x, ((0, 0), pads, pads, (0, 0))), phases.reshape(taps, taps, inputs, 4 * outputs))
    batch, height, width, _ = x.shape
    y = y.reshape(batch, height, width, 2, 2, outputs).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, 2 * height, 2 * width, outputs)


def upsample_bilinear(x: jax.Array) -> jax.Array:
    """Doubles height and width bilinearly with half-pixel centres and replicated edges."""
    for axis in (1, 2):
        size = x.shape[axis]
        part = lambda start, stop, x=x, axis=axis: lax.slice_in_dim(x, start, stop, axis=axis)
        # Concatenated, not padded: on a CPU the gradient is 2 to 16 times as fast, a whole step of `quick` 1.2 times.
        before = jnp.concatenate([part(0, 1), part(0, size - 1)], axis)
        after = jnp.concatenate([part(1, size), part(size - 1, size)], axis)
        pair = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
    return x


def average_halve(x: jax.Array) -> jax.Array:
    """Averages 2x2. XLA may recompute a maximum's input in its gradient, find no place equal to it, and give NaN."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def blur_downsample(x: jax.Array) -> jax.Array:
    """Halves height and width after a [1, 2, 1] binomial blur with reflected edges (the antialiased stride)."""
    for axis in (1, 2):
        pads = [(0, 0)] * 4
        pads[axis] = (1, 1)
        padded = jnp.pad(x, pads, mode="reflect")
        size = x.shape[axis]
        taps = [lax.slice_in_dim(padded, i, i + size, stride=2, axis=axis) for i in range(3)]
        x = 0.25 * taps[0] + 0.5 * taps[1] + 0.25 * taps[2]
    return x


class Conv(nn.Module):
    """A convolution with PyTorch's padding.

    Attributes:
        features: output channels.
        kernel: side of the kernel.
        stride: step of the kernel.
        padding: pixels added on each side.
        pad_mode: `zero` or `reflect`.
        use_bias: whether there is a bias.
        normed: whether an affine-free norm follows. The bias then keeps its parameter, since published weights have
            it, but gets no gradient: the true one is 0, and Adam would turn its rounding noise into steps.
        planes: last input channels that are constant over space, a norm following. What the kernel's middle makes of
            them is constant and removed by the norm, so the middle gets no gradient either; they act by the border.
        patches: whether a CPU multiplies patches with a matrix, see `halve_by_patches`.
        kernel_init: initialiser of the kernel.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pad_mode: str = "zero"
    use_bias: bool = True
    normed: bool = False
    planes: int = 0
    patches: bool = False
    kernel_init: Initializer = normal_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param(
            "kernel", self.kernel_init, (self.kernel, self.kernel, x.shape[-1], self.features), jnp.float32
        )
        if self.planes:
            middle = (self.kernel // 2, self.kernel // 2, slice(x.shape[-1] - self.planes, None))
            kernel = kernel.at[middle].set(lax.stop_gradient(kernel[middle]))
        padding = self.padding
        if self.patches and jax.default_backend() == "cpu":
            return add_bias(self, halve_by_patches(x, kernel.astype(x.dtype)))
        if self.pad_mode == "reflect" and padding:
            x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="reflect")
            padding = 0
        return add_bias(self, convolve(x, kernel.astype(x.dtype), self.stride, padding))


class ConvTranspose(nn.Module):
    """A stride-2 transposed convolution to twice the size; attributes as in `Conv`."""

    features: int
    kernel: int = 3
    use_bias: bool = True
    normed: bool = False
    kernel_init: Initializer = normal_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param(
            "kernel", self.kernel_init, (self.kernel, self.kernel, x.shape[-1], self.features), jnp.float32
        )
        return add_bias(self, convolve_transposed(x, kernel.astype(x.dtype)))


def add_bias(layer: Conv | ConvTranspose, y: jax.Array) -> jax.Array:
    """Adds the layer's bias, if it has one, with no gradient where a norm follows."""
    if not layer.use_bias:
        return y
    bias = layer.param("bias", nn.initializers.zeros, (layer.features,), jnp.float32)
    bias = lax.stop_gradient(bias) if layer.normed else bias
    return y + bias.astype(y.dtype)[None, None, None]


class AffineInstanceNorm(nn.Module):
    """Instance norm with a scale and a bias a channel, which labels may shift (Dumoulin et al., ICLR 2017)."""

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None = None) -> jax.Array:
        """Normalises `[batch, height, width, channels]`; `labels` is `[batch, num_labels]` or None."""
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)[None]
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)[None]
        if labels is not None:
            shape = (labels.shape[-1], channels)
            scale = scale + labels @ self.param("label_scale", nn.initializers.zeros, shape, jnp.float32)
            bias = bias + labels @ self.param("label_bias", nn.initializers.zeros, shape, jnp.float32)
        return instance_norm(x) * scale.astype(x.dtype)[:, None, None] + bias.astype(x.dtype)[:, None, None]


class WholeMap(nn.Module):
    """A convolution whose kernel covers the whole map, without bias: `[batch, h, w, c]` to `[batch, features]`."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", uniform_init, (*x.shape[1:], self.features), jnp.float32)
        return jnp.reshape(x, (x.shape[0], -1)) @ kernel.astype(x.dtype).reshape(-1, self.features)
