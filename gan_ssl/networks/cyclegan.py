"""CycleGAN's resnet generator and patch discriminator (Zhu et al., ICCV 2017), as OP-GAN uses them."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_ssl.networks import layers
from gan_ssl.networks.layers import Conv, ConvTranspose, instance_norm

UPSAMPLINGS = ("transpose", "resize", "antialias")


class ResidualBlock(nn.Module):
    """Two reflected 3x3 convolutions with instance norm, added to the input."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        features = x.shape[-1]
        y = Conv(features, 3, padding=1, pad_mode="reflect", normed=True, name="conv_0")(x)
        y = nn.relu(instance_norm(y))
        y = Conv(features, 3, padding=1, pad_mode="reflect", normed=True, name="conv_1")(y)
        return x + instance_norm(y)


class ResnetGenerator(nn.Module):
    """Translates images of one domain into the other.

    Attributes:
        width: channels of the first layer; 2x and 4x after the two downsamplings.
        num_blocks: residual blocks at a quarter of the size.
        upsample: `transpose` (published), `resize` (bilinear, then a 3x3 convolution: no checkerboard) or `antialias`
            (as `resize`, and the downsamplings blur before they drop pixels).
        skip: whether the features of the encoder are concatenated at both upsampling stages (ours; not published).
        remat: whether the residual blocks' inner features are computed again for the gradient instead of kept.
        dtype: what is computed in; parameters, statistics of norms and the translations are float32.
        grey: whether all channels of a translation are the same.
    """

    width: int = 64
    num_blocks: int = 9
    upsample: str = "transpose"
    skip: bool = False
    remat: bool = False
    dtype: str = "float32"
    grey: bool = False

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Translates.

        Args:
            images: `[batch, height, width, channels]` float in [-1, 1], height and width multiples of 4.

        Returns:
            The translations, in the shape and range of the input.
        """
        x = Conv(self.width, 7, padding=3, pad_mode="reflect", normed=True, name="conv_in")(images.astype(self.dtype))
        x = nn.relu(instance_norm(x))
        encoded = []
        for i in range(2):
            encoded.append(x)
            x = nn.relu(instance_norm(self._down(x, self.width * 2 ** (i + 1), f"down_{i}")))
        block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
        for i in range(self.num_blocks):
            x = block(name=f"block_{i}")(x)
        for i in range(2):
            x = nn.relu(instance_norm(self._up(x, encoded.pop(), self.width * 2 ** (1 - i), f"up_{i}")))
        x = Conv(images.shape[-1], 7, padding=3, pad_mode="reflect", name="conv_out")(x).astype(jnp.float32)
        return jnp.tanh(layers.mean_of_channels(x) if self.grey else x)

    def _down(self, x: jax.Array, features: int, name: str) -> jax.Array:
        if self.upsample == "antialias":
            return layers.blur_downsample(Conv(features, 3, padding=1, normed=True, name=name)(x))
        return Conv(features, 3, stride=2, padding=1, normed=True, name=name)(x)

    def _up(self, x: jax.Array, encoded: jax.Array, features: int, name: str) -> jax.Array:
        if self.upsample == "transpose":
            if self.skip:
                x = ConvTranspose(features, normed=True, name=f"{name}_transpose")(x)
                x = jnp.concatenate([nn.relu(instance_norm(x)), encoded], axis=-1)
                return Conv(features, 3, padding=1, pad_mode="reflect", normed=True, name=name)(x)
            return ConvTranspose(features, normed=True, name=name)(x)
        x = layers.upsample_bilinear(x)
        x = jnp.concatenate([x, encoded], axis=-1) if self.skip else x
        return Conv(features, 3, padding=1, pad_mode="reflect", normed=True, name=name)(x)


class PlaceHead(nn.Module):
    """CUT's heads (Park et al., ECCV 2020): two layers a layer of the encoder, then unit length.

    Attributes:
        width: features of a place.
    """

    width: int = 256

    @nn.compact
    def __call__(self, features: Sequence[jax.Array]) -> list[jax.Array]:
        """Maps `[batch, places, channels]` a layer to `[batch, places, width]` of unit length."""
        made = []
        for i, x in enumerate(features):
            for part in ("in", "out"):
                x = nn.Dense(self.width, kernel_init=layers.normal_init(), name=f"{part}_{i}")(x)
                x = nn.relu(x) if part == "in" else x
            made.append(x * jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12))
        return made


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches; three layers see 70x70 pixels, two 34x34, one 16x16.

    Attributes:
        width: channels of the first layer; doubled a layer, up to 8x.
        num_layers: stride-2 layers.
        dtype: what is computed in; parameters, statistics of norms and the logits are float32.
    """

    width: int = 64
    num_layers: int = 3
    dtype: str = "float32"

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Judges.

        Args:
            images: `[batch, height, width, channels]` float in [-1, 1].

        Returns:
            `[batch, h, w, 1]` logits, high where a patch looks real.
        """
        x = nn.leaky_relu(Conv(self.width, 4, stride=2, padding=1, name="conv_0")(images.astype(self.dtype)), 0.2)
        for i in range(1, self.num_layers + 1):
            features = self.width * min(2**i, 8)
            stride = 2 if i < self.num_layers else 1
            x = Conv(features, 4, stride=stride, padding=1, normed=True, name=f"conv_{i}")(x)
            x = nn.leaky_relu(instance_norm(x), 0.2)
        return Conv(1, 4, padding=1, name="conv_out")(x).astype(jnp.float32)
