"""The networks that segment: a U-Net and a PSPNet, both small, for few cores."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_ssl.networks.layers import Conv, average_halve

_LEVELS = 3
_BINS = (1, 2, 3, 6)


class UNet(nn.Module):
    """A small U-Net (Ronneberger et al., MICCAI 2015), made for few cores.

    One convolution a stage, averaged down, repeated pixels up; features of the same size are added rather than
    concatenated, which scores the same for two thirds of the time.

    Attributes:
        num_classes: channels of the output.
        width: channels at full size; doubled a level.
    """

    num_classes: int
    width: int = 16

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits `[batch, height, width, num_classes]` for images of any size in [-1, 1]."""
        height, width = images.shape[1:3]
        x = _padded(images, 2**_LEVELS)
        encoded = []
        for level in range(_LEVELS):
            x = _block(x, self.width, level, f"down_{level}")
            encoded.append(x)
            x = average_halve(x)
        x = _block(x, self.width, _LEVELS, "middle")
        for level in reversed(range(_LEVELS)):
            x = _double(_conv(x, self.width * 2**level, 1, f"reduce_{level}")) + encoded.pop()
            x = _block(x, self.width, level, f"up_{level}")
        return _classify(x, self.num_classes)[:, :height, :width]


class PSPNet(nn.Module):
    """A small PSPNet (Zhao et al., CVPR 2017): dilated features at a quarter of the size, then their pyramid pooled.

    Attributes:
        num_classes: channels of the output.
        width: channels at full size; four times as many at a quarter of it.
    """

    num_classes: int
    width: int = 16

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits `[batch, height, width, num_classes]` for images of any size in [-1, 1]."""
        height, width = images.shape[1:3]
        x = _padded(images, 4)
        full = x.shape[1:3]
        for level in range(2):
            x = average_halve(_block(x, self.width, level, f"down_{level}"))
        x = _block(x, self.width, 2, "middle")
        for dilation in (2, 4):
            x = x + _block(x, self.width, 2, f"dilated_{dilation}", dilation)
        batch, *size, channels = x.shape
        pyramid = [x]
        for bins in _BINS:
            pooled = nn.relu(_conv(_pooled(x, bins), channels // len(_BINS), 1, f"pool_{bins}"))
            pyramid.append(jax.image.resize(pooled, (batch, *size, pooled.shape[-1]), "bilinear"))
        x = _block(jnp.concatenate(pyramid, axis=-1), self.width, 2, "joined")
        x = _classify(x, self.num_classes)
        return jax.image.resize(x, (batch, *full, self.num_classes), "bilinear")[:, :height, :width]


NETWORKS = {"unet": UNet, "pspnet": PSPNet}


def _padded(images: jax.Array, multiple: int) -> jax.Array:
    """Mirrors the far edges so that `multiple` divides the sides."""
    far = [(0, -side % multiple) for side in images.shape[1:3]]
    return jnp.pad(images, ((0, 0), *far, (0, 0)), mode="symmetric")


def _conv(x: jax.Array, features: int, side: int, name: str) -> jax.Array:
    init = nn.initializers.he_normal()
    return Conv(features, side, padding=side // 2, use_bias=False, kernel_init=init, name=name)(x)


def _block(x: jax.Array, width: int, level: int, name: str, dilation: int = 1) -> jax.Array:
    """A 3x3 convolution to `width * 2**level` channels, group norm, rectified."""
    features = width * 2**level
    if dilation == 1:
        x = _conv(x, features, 3, name)
    else:
        init = nn.initializers.he_normal()
        x = nn.Conv(features, (3, 3), kernel_dilation=dilation, use_bias=False, kernel_init=init, name=name)(x)
    return nn.relu(nn.GroupNorm(num_groups=None, group_size=max(1, width // 2), name=f"{name}_norm")(x))


def _classify(x: jax.Array, num_classes: int) -> jax.Array:
    return Conv(num_classes, 1, kernel_init=nn.initializers.lecun_normal(), name="classify")(x)


def _pooled(x: jax.Array, bins: int) -> jax.Array:
    """Averages over `bins` x `bins` fields of any size, whose edges may share a pixel: `[batch, bins, bins, c]`."""

    def fields(size: int) -> np.ndarray:
        at, field = np.arange(size), np.arange(bins)[:, None]
        inside = (at >= field * size // bins) & (at < -(-(field + 1) * size // bins))
        return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)

    return jnp.einsum("ih,bhwc,jw->bijc", fields(x.shape[1]), x, fields(x.shape[2]))


def _double(x: jax.Array) -> jax.Array:
    """Repeats each pixel 2x2."""
    batch, height, width, channels = x.shape
    repeated = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return repeated.reshape(batch, 2 * height, 2 * width, channels)
