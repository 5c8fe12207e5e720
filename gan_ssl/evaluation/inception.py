"""FID's Inception-v3 (Szegedy et al., CVPR 2016, as TensorFlow's graph of 2015-12-05 has it; names as in pytorch-fid).

It differs from later Inception-v3: average pools do not count their padding, the last block's pool takes the maximum,
and there are 1008 classes. The weights are not ours to give: see `find`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_ssl import errors
from gan_ssl.evaluation import scores
from gan_ssl.evaluation.batches import in_batches
from gan_ssl.interop import weight_files
from gan_ssl.networks.layers import add_bias
from gan_ssl.training.compilation import user_cache

SIDE = 299  # of the network's input
NUM_FEATURES, NUM_CLASSES = 2048, 1008
_BATCH = 16
_NORM_EPSILON = 1e-3
_IGNORED = ("num_batches_tracked", "AuxLogits.")
_TALL, _WIDE = (7, 1), (1, 7)

ConvSpec = tuple[int, int | tuple[int, int]] | tuple[int, int | tuple[int, int], int]  # features, kernel, stride


class _Conv(nn.Module):
    """A convolution whose batch norm is folded into it, and ReLU; padded to the input's size, or not at all."""

    features: int
    kernel: tuple[int, int]
    stride: int
    padding: str
    use_bias: bool = True
    normed: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        strides, numbers = (self.stride, self.stride), ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, kernel, strides, self.padding, dimension_numbers=numbers)
        return nn.relu(add_bias(self, y))  # pyright: ignore[reportArgumentType] it has the same fields


class InceptionV3(nn.Module):
    """Images of at least 75 pixels a side in, pooled features and class logits out."""

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns features `[n, 2048]` and logits `[n, 1008]` of `[n, height, width, 3]` images in [-1, 1].

        The logits lack the last layer's bias, as those of the published Inception score do.
        """
        x = self._chain(images, "Conv2d_1a_3x3", (32, 3, 2))
        x = self._conv(x, "Conv2d_2a_3x3", 32, 3, padding="VALID")
        x = nn.max_pool(self._chain(x, "Conv2d_2b_3x3", (64, 3)), (3, 3), (2, 2))
        x = self._chain(x, "Conv2d_3b_1x1", (80, 1))
        x = nn.max_pool(self._conv(x, "Conv2d_4a_3x3", 192, 3, padding="VALID"), (3, 3), (2, 2))
        for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
            x = self._block_a(x, f"Mixed_{name}", pooled)
        x = self._block_b(x, "Mixed_6a")
        for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            x = self._block_c(x, f"Mixed_{name}", inner)
        x = self._block_d(x, "Mixed_7a")
        x = self._block_e(x, "Mixed_7b", _mean_pool)
        x = self._block_e(x, "Mixed_7c", _largest_pool)
        features = jnp.mean(x, axis=(1, 2))
        return features, nn.Dense(NUM_CLASSES, use_bias=False, name="fc")(features)

    def _conv(self, x, name, features, kernel, stride: Any = 1, padding: Any = None):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        return _Conv(features, kernel, stride, padding or ("SAME" if stride == 1 else "VALID"), name=name)(x)

    def _chain(self, x: jax.Array, name: str, *convs: ConvSpec) -> jax.Array:
        """Applies convolutions in a row; several are numbered from 1."""
        for i, spec in enumerate(convs, 1):
            x = self._conv(x, f"{name}_{i}" if len(convs) > 1 else name, *spec)
        return x

    def _block_a(self, x, name, pooled):
        branches = [
            self._chain(x, f"{name}.branch1x1", (64, 1)),
            self._chain(x, f"{name}.branch5x5", (48, 1), (64, 5)),
            self._chain(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3)),
            self._chain(_mean_pool(x), f"{name}.branch_pool", (pooled, 1)),
        ]
        return jnp.concatenate(branches, axis=-1)

    def _block_b(self, x, name):
        branches = [
            self._chain(x, f"{name}.branch3x3", (384, 3, 2)),
            self._chain(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3, 2)),
            nn.max_pool(x, (3, 3), (2, 2)),
        ]
        return jnp.concatenate(branches, axis=-1)

    def _block_c(self, x, name, inner):
        double = ((inner, 1), (inner, _TALL), (inner, _WIDE), (inner, _TALL), (192, _WIDE))
        branches = [
            self._chain(x, f"{name}.branch1x1", (192, 1)),
            self._chain(x, f"{name}.branch7x7", (inner, 1), (inner, _WIDE), (192, _TALL)),
            self._chain(x, f"{name}.branch7x7dbl", *double),
            self._chain(_mean_pool(x), f"{name}.branch_pool", (192, 1)),
        ]
        return jnp.concatenate(branches, axis=-1)

    def _block_d(self, x, name):
        branches = [
            self._chain(x, f"{name}.branch3x3", (192, 1), (320, 3, 2)),
            self._chain(x, f"{name}.branch7x7x3", (192, 1), (192, _WIDE), (192, _TALL), (192, 3, 2)),
            nn.max_pool(x, (3, 3), (2, 2)),
        ]
        return jnp.concatenate(branches, axis=-1)

    def _block_e(self, x, name, pool):
        fork = lambda y, prefix: [
            self._chain(y, f"{prefix}{letter}", (384, kernel)) for letter, kernel in (("a", (1, 3)), ("b", (3, 1)))
        ]
        single = self._chain(x, f"{name}.branch3x3_1", (384, 1))
        double = self._chain(x, f"{name}.branch3x3dbl", (448, 1), (384, 3))
        branches = [self._chain(x, f"{name}.branch1x1", (320, 1))]
        branches += fork(single, f"{name}.branch3x3_2") + fork(double, f"{name}.branch3x3dbl_3")
        branches.append(self._chain(pool(x), f"{name}.branch_pool", (192, 1)))
        return jnp.concatenate(branches, axis=-1)


def _mean_pool(x: jax.Array) -> jax.Array:
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def _largest_pool(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (3, 3), (1, 1), "SAME")


def resize(images: jax.Array) -> jax.Array:
    """Resizes `[n, height, width, 3]` to 299x299 as pytorch-fid does: bilinear, without a blur before shrinking."""
    return jax.image.resize(images, (images.shape[0], SIDE, SIDE, 3), "bilinear", antialias=False)


class Inception(NamedTuple):
    """The network with weights."""

    params: dict

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Looks at `[n, height, width, 3]` pictures, uint8, uint16 or float in [0, 1].

        Returns:
            Pooled features `[n, 2048]` and class probabilities `[n, 1008]`, float32.
        """
        look = lambda chunk: _look(self.params, scores.to_unit(chunk).astype(np.float32))
        return in_batches(look, _BATCH, images)


@jax.jit
def _look(params: dict, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    with jax.default_matmul_precision("highest"):
        features, logits = InceptionV3().apply({"params": params}, 2 * resize(images) - 1)
    return features, jax.nn.softmax(logits)


def find(config: ConfigDict) -> Path:
    """Returns the path of the weights: the config's, or `inception.pth` or `.npz` in the user's cache.

    Raises:
        WeightsError: there is no such file; the line says where to put which.
    """
    named = config.evaluation.inception_weights
    paths = [Path(named)] if named else [user_cache() / f"inception.{suffix}" for suffix in ("pth", "npz")]
    for path in paths:
        if path.is_file():
            return path
    raise errors.WeightsError(
        f"no Inception weights: put pytorch-fid's pt_inception-2015-12-05-6726825d.pth at {paths[0]}, or name it in "
        "config.evaluation.inception_weights"
    )


def load(path: Path) -> Inception:
    """Reads weights from a `.pth` (needs the extra `torch`) or an `.npz` with the same names.

    Raises:
        WeightsError: the file cannot be read, or its arrays are not this network's.
    """
    arrays = weight_files.read(path)
    try:
        return Inception(from_torch(arrays))
    except errors.WeightsError as error:
        raise errors.WeightsError(f"{path}: {error}") from None


def from_torch(arrays: Mapping[str, np.ndarray]) -> dict:
    """Turns pytorch-fid's arrays into the network's parameters; batch norms are folded into the convolutions.

    Raises:
        WeightsError: names are missing or unknown, or shapes differ; one line.
    """
    wanted = _torch_shapes()
    given = {name: np.shape(a) for name, a in arrays.items() if not any(part in name for part in _IGNORED)}
    wrong = sorted(n for n in wanted.keys() | given.keys() if wanted.get(n) != given.get(n) and n != "fc.bias")
    if wrong:
        raise errors.WeightsError(
            f"not FID's Inception: {len(wrong)} arrays differ, among them {wrong[0]} with shape {given.get(wrong[0])}; "
            f"allowed: {wanted.get(wrong[0])}"
        )
    params = {"fc": {"kernel": np.asarray(arrays["fc.weight"], np.float32).T}}
    for name in {n.removesuffix(".conv.weight") for n in wanted if n.endswith(".conv.weight")}:
        scale, offset, mean, variance = (np.asarray(arrays[f"{name}.bn.{part}"], np.float64) for part in _NORM_PARTS)
        scale = scale / np.sqrt(variance + _NORM_EPSILON)
        kernel = np.transpose(arrays[f"{name}.conv.weight"], (2, 3, 1, 0)) * scale
        params[name] = {"kernel": kernel.astype(np.float32), "bias": (offset - mean * scale).astype(np.float32)}
    return params


_NORM_PARTS: Sequence[str] = ("weight", "bias", "running_mean", "running_var")


def _torch_shapes() -> dict[str, tuple[int, ...]]:
    """Returns the shapes of pytorch-fid's arrays by name, but for `fc.bias`, which no score needs."""
    tree = jax.eval_shape(InceptionV3().init, jax.random.key(0), jnp.zeros((1, 75, 75, 3)))["params"]
    shapes = {"fc.weight": tree.pop("fc")["kernel"].shape[::-1]}
    for name, layer in tree.items():
        height, width, inputs, outputs = layer["kernel"].shape
        shapes[f"{name}.conv.weight"] = (outputs, inputs, height, width)
        shapes |= {f"{name}.bn.{part}": (outputs,) for part in _NORM_PARTS}
    return shapes
