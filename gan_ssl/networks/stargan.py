"""StarGAN's conditional generator and discriminator (Choi et al., CVPR 2018), with MatchGAN's match head."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gan_ssl.networks import layers
from gan_ssl.networks.layers import AffineInstanceNorm, Conv, ConvTranspose, WholeMap, uniform_init

CONDITIONS = ("planes", "norms")
MATCH_HEADS = ("compare", "concat")


class AffineResidualBlock(nn.Module):
    """Two zero-padded 3x3 convolutions with affine instance norm, added to the input."""

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None = None) -> jax.Array:
        y = x
        for i in range(2):
            y = Conv(x.shape[-1], 3, padding=1, use_bias=False, kernel_init=uniform_init, name=f"conv_{i}")(y)
            y = AffineInstanceNorm(name=f"norm_{i}")(y, labels)
            y = nn.relu(y) if i == 0 else y
        return x + y


class ConditionalGenerator(nn.Module):
    """Translates images to given labels.

    Attributes:
        width: channels of the first layer; 2x and 4x after the two downsamplings.
        num_blocks: residual blocks at a quarter of the size.
        upsample: `transpose` (published) or `resize` (bilinear, then a 3x3 convolution); `antialias` blurs before the
            downsamplings as well.
        skip: whether the features of the encoder are concatenated at both upsampling stages (ours; not published).
        mask: whether a fourth channel says where the made colours replace those of the image (ours; the attention mask
            of GANimation, ECCV 2018). Instance norm loses an image's own colours, which otherwise must be guessed.
        condition: how labels enter. `planes` (published): beside the image; what the first layer makes of a constant
            plane is constant but for the border, and its norm removes it. `norms` (ours): they shift the scale and
            bias of all norms as well.
        remat: whether the residual blocks' inner features are computed again for the gradient instead of kept.
        dtype: what is computed in; parameters, statistics of norms and the translations are float32.
        grey: whether all channels of a translation are the same, given images of which that holds.
    """

    width: int = 64
    num_blocks: int = 6
    upsample: str = "transpose"
    skip: bool = False
    mask: bool = False
    condition: str = "planes"
    remat: bool = False
    dtype: str = "float32"
    grey: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array) -> jax.Array:
        """Translates.

        Args:
            images: `[batch, height, width, channels]` float in [-1, 1], height and width multiples of 4.
            labels: `[batch, num_labels]`, 0 or 1; each becomes a plane beside the image's.

        Returns:
            The translations, in the shape and range of the images.
        """
        planes, labels = labels.shape[-1], labels.astype(self.dtype)
        tiled = jnp.broadcast_to(labels[:, None, None], (*images.shape[:3], planes))
        x = jnp.concatenate([images.astype(self.dtype), tiled], axis=-1)
        x = Conv(self.width, 7, padding=3, use_bias=False, planes=planes, kernel_init=uniform_init, name="conv_in")(x)
        shift = labels.astype(jnp.float32) if self.condition == "norms" else None
        x = self._normed(x, "norm_in", shift)
        encoded = []
        for i in range(2):
            encoded.append(x)
            x = self._normed(self._down(x, self.width * 2 ** (i + 1), f"down_{i}"), f"down_norm_{i}", shift)
        block = nn.remat(AffineResidualBlock) if self.remat else AffineResidualBlock
        for i in range(self.num_blocks):
            x = block(name=f"block_{i}")(x, shift)
        for i in range(2):
            x = self._normed(self._up(x, encoded.pop(), self.width * 2 ** (1 - i), f"up_{i}"), f"up_norm_{i}", shift)
        channels = images.shape[-1]
        x = Conv(channels + self.mask, 7, padding=3, use_bias=False, kernel_init=uniform_init, name="conv_out")(x)
        x = x.astype(jnp.float32)
        # Slices, not indices, which become gathers where sides are symbols, as in exports.
        colours = lax.slice_in_dim(x, 0, channels, axis=-1)
        colours = jnp.tanh(layers.mean_of_channels(colours) if self.grey else colours)
        if not self.mask:
            return colours
        share = nn.sigmoid(lax.slice_in_dim(x, channels, channels + 1, axis=-1))
        return images + share * (colours - images)

    def _normed(self, x: jax.Array, name: str, labels: jax.Array | None) -> jax.Array:
        return nn.relu(AffineInstanceNorm(name=name)(x, labels))

    def _down(self, x: jax.Array, features: int, name: str) -> jax.Array:
        if self.upsample == "antialias":
            x = Conv(features, 3, padding=1, use_bias=False, kernel_init=uniform_init, name=name)(x)
            return layers.blur_downsample(x)
        return Conv(features, 4, stride=2, padding=1, use_bias=False, kernel_init=uniform_init, name=name)(x)

    def _up(self, x: jax.Array, encoded: jax.Array, features: int, name: str) -> jax.Array:
        if self.upsample == "transpose":
            transposed = f"{name}_transpose" if self.skip else name
            x = ConvTranspose(features, 4, use_bias=False, kernel_init=uniform_init, name=transposed)(x)
            if not self.skip:
                return x
            x = nn.relu(layers.instance_norm(x))
        else:
            x = layers.upsample_bilinear(x)
        x = jnp.concatenate([x, encoded], axis=-1) if self.skip else x
        return Conv(features, 3, padding=1, use_bias=False, kernel_init=uniform_init, name=name)(x)


class ConditionalDiscriminator(nn.Module):
    """Judges images, reads their labels, and tells whether two images carry the same.

    Attributes:
        width: channels of the first layer; doubled a layer.
        num_layers: 4x4 stride-2 layers, each halves the image.
        num_labels: labels to read.
        match_head: `concat` (published) is one linear map over both images' concatenated features, so its score is
            f(x1) + g(x2): matching and other pairs have the same marginals, and no such head can beat chance.
            `compare` (ours) maps the product and the absolute difference of the features, which sees an interaction.
        trunk_init: `uniform` (published; a fifth of the signal is left behind four layers, and learning starts late) or
            `kaiming` (ours).
        dtype: what is computed in; parameters and all logits are float32.
    """

    width: int = 64
    num_layers: int = 6
    num_labels: int = 5
    match_head: str = "concat"
    trunk_init: str = "uniform"
    dtype: str = "float32"

    def setup(self):
        init = {"uniform": uniform_init, "kaiming": layers.kaiming_init}[self.trunk_init]
        conv = lambda i: Conv(self.width * 2**i, 4, stride=2, padding=1, kernel_init=init, name=f"conv_{i}")
        self.convs = [conv(i) for i in range(self.num_layers)]
        self.source = Conv(1, 3, padding=1, use_bias=False, kernel_init=uniform_init)
        self.label = WholeMap(self.num_labels)
        self.match_map = WholeMap(2, name="match")

    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Judges and reads; also makes the match head's parameters.

        Args:
            images: `[batch, height, width, channels]` float in [-1, 1], sides multiples of `2 ** num_layers`.

        Returns:
            Source logits `[batch, h, w, 1]`, high where an image looks real, and label logits `[batch, num_labels]`.
        """
        features = self.features(images)
        if self.is_initializing():
            self.match_features(features, features)
        return self.heads(features)

    def features(self, images: jax.Array) -> jax.Array:
        """Runs the trunk: `[batch, h, w, width * 2 ** (num_layers - 1)]`, which all heads share."""
        x = images.astype(self.dtype)
        for conv in self.convs:
            x = nn.leaky_relu(conv(x), 0.01)
        return x

    def heads(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns source and label logits of features."""
        return self.source_logits(features), self.label(features).astype(jnp.float32)

    def source_logits(self, features: jax.Array) -> jax.Array:
        """Returns source logits `[batch, h, w, 1]` of features."""
        return self.source(features).astype(jnp.float32)

    def match_features(self, first: jax.Array, second: jax.Array) -> jax.Array:
        """Returns `[pairs, 2]` logits of two batches of features; logit 1: the same labels."""
        if self.match_head == "compare":
            pair = jnp.concatenate([first * second, jnp.abs(first - second)], axis=-1)
        else:
            pair = jnp.concatenate([first, second], axis=-1)
        return self.match_map(pair).astype(jnp.float32)

    def match(self, first: jax.Array, second: jax.Array) -> jax.Array:
        """Returns `[pairs, 2]` logits of two batches of images; logit 1: the same labels."""
        features = jnp.split(self.features(jnp.concatenate([first, second])), 2)
        return self.match_features(*features)
