"""The layers that both methods share: convolutions with PyTorch's conventions, norms, up- and downsampling.

Images are NHWC, kernels HWIO. Paddings and the transposed convolution follow PyTorch, whose weights people bring.
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gan_ssl.networks.convolutions import by_platform, convolve, convolve_transposed

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


def instance_norm(x: jax.Array, scale: jax.Array | None = None, bias: jax.Array | None = None) -> jax.Array:
    """Normalises each image and channel over space; statistics in float32.

    Args:
        x: `[batch, height, width, channels]`.
        scale: `[batch, channels]` or `[1, channels]` float32 to multiply the result with; None for 1.
        bias: of that shape, added then; None for 0.

    Returns:
        The shape and dtype of `x`; before scale and bias of zero mean and unit variance (biased, epsilon 1e-5) over
        height and width.
    """
    shape = (x.shape[0], x.shape[-1])
    fill = lambda value, default: jnp.full(shape, default) if value is None else jnp.broadcast_to(value, shape)
    return _normalise(x, fill(scale, 1.0), fill(bias, 0.0))


def _mean(x: jax.Array) -> jax.Array:
    """Averages over space: `[batch, height, width, channels]` to `[batch, 1, 1, channels]`.

    A CPU takes the product with a row of ones: 6 times as fast as XLA's sum (16x64x64x32), which is one thread's. The
    barrier keeps XLA from making that sum of it.
    """

    def by_product(x):
        batch, height, width, channels = x.shape
        ones = lax.optimization_barrier(jnp.ones((batch, 1, height * width), x.dtype))
        total = lax.dot_general(ones, x.reshape(batch, -1, channels), (((2,), (1,)), ((0,), (0,))))
        return total[:, None] / (height * width)

    return by_platform(x, cpu=by_product, default=lambda x: jnp.mean(x, axis=(1, 2), keepdims=True))


@jax.custom_vjp
def _normalise(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """The norm with its gradient by hand, which needs two averages: with `_mean` 3 to 7 times as fast on a CPU."""
    return _normalise_forward(x, scale, bias)[0]


def _normalise_forward(x: jax.Array, scale: jax.Array, bias: jax.Array):
    y = x.astype(jnp.float32)
    y = y - _mean(y)
    inverse = lax.rsqrt(_mean(jnp.square(y)) + NORM_EPSILON)
    y = y * inverse
    return (y * scale[:, None, None] + bias[:, None, None]).astype(x.dtype), (y.astype(x.dtype), inverse, scale)


def _normalise_backward(saved: tuple[jax.Array, ...], cotangent: jax.Array):
    y, inverse, scale = saved
    dtype, y, cotangent = y.dtype, y.astype(jnp.float32), cotangent.astype(jnp.float32)
    mean, along = _mean(cotangent), _mean(cotangent * y)
    gradient = scale[:, None, None] * inverse * (cotangent - mean - y * along)
    places = y.shape[1] * y.shape[2]
    return gradient.astype(dtype), places * along[:, 0, 0], places * mean[:, 0, 0]


_normalise.defvjp(_normalise_forward, _normalise_backward)


def mean_of_channels(x: jax.Array) -> jax.Array:
    """Replaces each channel of `[batch, height, width, channels]` by the mean of all."""
    return jnp.broadcast_to(x.mean(axis=-1, keepdims=True), x.shape)


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
        return instance_norm(x, scale, bias)


class WholeMap(nn.Module):
    """A convolution whose kernel covers the whole map, without bias: `[batch, h, w, c]` to `[batch, features]`."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", uniform_init, (*x.shape[1:], self.features), jnp.float32)
        return jnp.reshape(x, (x.shape[0], -1)) @ kernel.astype(x.dtype).reshape(-1, self.features)
