"""Our parameter trees under the names and layouts of pytorch-CycleGAN-and-pix2pix, exact both ways.

The public generator is one `Sequential`, a layer's name its index. What we added keeps the index of the layer that it
replaces and stands there as a `Sequential` of its own; the public code has no such networks, so nothing clashes:

- `transpose` (published): `model.4` down, `model.19` up for 9 blocks.
- `transpose` with skip: `model.19.0` transposed (then norm, ReLU, pad), `model.19.4` convolution.
- `resize`, `antialias`, with or without skip: `model.19.2` convolution (after upsampling and pad).
- `antialias`: `model.4.0` convolution (then blur).
"""

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from flax import traverse_util

from gan_ssl import errors
from gan_ssl.networks import PatchDiscriminator, ResnetGenerator

Params = dict[str, Any]
# From PyTorch's axes to ours.
_CONV = (2, 3, 1, 0)  # OIHW -> HWIO
_TRANSPOSED = (2, 3, 0, 1)  # IOHW -> HWIO
_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_MOST_LISTED = 20
_MOST_BLOCKS, _MOST_LAYERS = 64, 6


class _Layer(NamedTuple):
    """A layer's published name, and the axes of its kernel."""

    name: str
    axes: tuple[int, ...] = _CONV


class _Spec(NamedTuple):
    """Where an array lies in our tree, and how it gets there."""

    path: tuple[str, ...]
    axes: tuple[int, ...]
    torch_shape: tuple[int, ...]


def _resnet_layers(net: ResnetGenerator) -> dict[str, _Layer]:
    """Layers of the resnet generator, the first one first."""
    layers = {"conv_in": _Layer("model.1")}
    for i in range(2):
        layers[f"down_{i}"] = _Layer(f"model.{4 + 3 * i}" + (".0" if net.upsample == "antialias" else ""))
    for i in range(net.num_blocks):
        layers[f"block_{i}/conv_0"] = _Layer(f"model.{10 + i}.conv_block.1")
        layers[f"block_{i}/conv_1"] = _Layer(f"model.{10 + i}.conv_block.5")
    for i in range(2):
        name = f"model.{10 + net.num_blocks + 3 * i}"
        if net.upsample != "transpose":
            layers[f"up_{i}"] = _Layer(f"{name}.2")
        elif net.skip:
            layers[f"up_{i}_transpose"] = _Layer(f"{name}.0", _TRANSPOSED)
            layers[f"up_{i}"] = _Layer(f"{name}.4")
        else:
            layers[f"up_{i}"] = _Layer(name, _TRANSPOSED)
    return layers | {"conv_out": _Layer(f"model.{17 + net.num_blocks}")}


def _patch_layers(net: PatchDiscriminator) -> dict[str, _Layer]:
    """Layers of the patch discriminator, the first one first."""
    layers = {"conv_0": _Layer("model.0")}
    layers |= {f"conv_{i}": _Layer(f"model.{3 * i - 1}") for i in range(1, net.num_layers + 1)}
    return layers | {"conv_out": _Layer(f"model.{3 * net.num_layers + 2}")}


# One entry a network whose weights can be exchanged: its layers by our path.
_LAYERS: dict[type[nn.Module], Callable[[Any], dict[str, _Layer]]] = {
    ResnetGenerator: _resnet_layers,
    PatchDiscriminator: _patch_layers,
}


def from_torch(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> Params:
    """Turns published weights into parameters.

    A prefix `module.` is stripped, statistics of norms are dropped and reported, the second convolution of a block may
    have the index that it has behind a dropout layer.

    Args:
        net: a `ResnetGenerator` or `PatchDiscriminator`, see `infer_net`.
        arrays: by PyTorch's names, in PyTorch's layout; float64 is rounded to float32.

    Returns:
        The parameters, `net.apply({'params': params}, images)`; float32.

    Raises:
        WeightsError: names or shapes that do not fit, or values that are not finite numbers.
    """
    arrays, dropped = _clean(arrays)
    if dropped:
        logging.info("dropped statistics of norms, which have none here: %s", _listed(dropped))
    first = arrays.get(f"{next(iter(_layers(net).values())).name}.weight")
    specs = _specs(net, 3 if first is None or first.ndim != 4 else first.shape[1] or 3)
    _check_names(net, arrays, specs)
    flat = {}
    for name, spec in specs.items():
        _check_array(name, arrays[name], spec.torch_shape)
        flat[spec.path] = jnp.asarray(arrays[name].transpose(spec.axes), jnp.float32)
    return traverse_util.unflatten_dict(flat)


def to_torch(net: nn.Module, params: Params) -> dict[str, np.ndarray]:
    """Gives parameters under their published names, the inverse of `from_torch`.

    Args:
        net: a `ResnetGenerator` or `PatchDiscriminator`.
        params: its parameters.

    Returns:
        Contiguous arrays in PyTorch's layout, in PyTorch's order.

    Raises:
        WeightsError: the parameters are not this network's.
    """
    flat = traverse_util.flatten_dict(params)
    first = flat.get((*next(iter(_layers(net))).split("/"), "kernel"))
    specs = _specs(net, 3 if first is None or first.ndim != 4 else first.shape[2] or 3)
    _check_names(net, sorted("/".join(path) for path in flat), ["/".join(spec.path) for spec in specs.values()])
    arrays = {}
    for name, spec in specs.items():
        array = np.asarray(flat[spec.path])
        if array.ndim == len(spec.axes):
            array = np.ascontiguousarray(array.transpose(np.argsort(spec.axes)))
        _check_array(name, array, spec.torch_shape)
        arrays[name] = array
    return arrays


def infer_net(arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Finds the network that published weights belong to, from their names and shapes.

    Args:
        arrays: as for `from_torch`.

    Returns:
        A `ResnetGenerator` or `PatchDiscriminator`; `from_torch` then checks every name and shape.

    Raises:
        WeightsError: the names are neither's.
    """
    arrays, _ = _clean(arrays)
    shapes = {name: array.shape for name, array in arrays.items() if array.ndim == 4 and array.size}
    if "model.0.weight" in shapes:
        num_layers = next(i for i in itertools.count() if f"model.{3 * i + 2}.weight" not in shapes) - 1
        if 1 <= num_layers <= _MOST_LAYERS:
            return PatchDiscriminator(width=shapes["model.0.weight"][0], num_layers=num_layers)
    elif "model.1.weight" in shapes:
        blocks = {name.partition(".conv_block.")[0] for name in shapes if ".conv_block." in name}
        if len(blocks) <= _MOST_BLOCKS:
            return _infer_generator(shapes, len(blocks))
    raise errors.WeightsError(
        f"neither a resnet generator nor a patch discriminator; its arrays: {_listed(arrays)}; "
        "allowed: names of pytorch-CycleGAN-and-pix2pix (model.1.weight or model.0.weight, ...)"
    )


def _infer_generator(shapes: Mapping[str, tuple[int, ...]], num_blocks: int) -> ResnetGenerator:
    """The generator with kernels of these shapes."""
    width, up = shapes["model.1.weight"][0], f"model.{10 + num_blocks}"
    resized = shapes.get(f"{up}.2.weight")
    if resized is None:
        return ResnetGenerator(width, num_blocks, "transpose", skip=f"{up}.4.weight" in shapes)
    upsample = "antialias" if "model.4.0.weight" in shapes else "resize"
    return ResnetGenerator(width, num_blocks, upsample, skip=resized[1] > 4 * width)


def _layers(net: nn.Module) -> dict[str, _Layer]:
    """The network's layers by our path."""
    if type(net) not in _LAYERS:
        allowed = ", ".join(known.__name__ for known in _LAYERS)
        raise errors.WeightsError(f"{type(net).__name__} has no published names; allowed: {allowed}")
    return _LAYERS[type(net)](net)


def _specs(net: nn.Module, channels: int) -> dict[str, _Spec]:
    """What the network must have, by published name, in PyTorch's order."""
    images = jax.ShapeDtypeStruct((1, 256, 256, channels), jnp.float32)
    tree = jax.eval_shape(net.init, jax.random.key(0), images)["params"]
    specs = {}
    for path, layer in _layers(net).items():
        parts = tuple(path.split("/"))
        leaves = tree
        for part in parts:
            leaves = leaves[part]
        for leaf in sorted(leaves, key=list(_LEAVES).index):
            shape = leaves[leaf].shape
            axes = layer.axes if len(shape) == 4 else tuple(range(len(shape)))
            torch_shape = tuple(shape[i] for i in np.argsort(axes))
            specs[f"{layer.name}.{_LEAVES[leaf]}"] = _Spec((*parts, leaf), axes, torch_shape)
    return specs


def _clean(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Brings names that wrappers and old versions of PyTorch wrote to the present ones; also names what it drops."""
    cleaned, dropped = {}, []
    for key, array in arrays.items():
        name = re.sub(r"\.conv_block\.6\.(?=\w+$)", ".conv_block.5.", key.removeprefix("module."))
        if name.rpartition(".")[2] in _STATISTICS:
            dropped.append(name)
        elif name in cleaned:
            raise errors.WeightsError(f"{name} is given twice, once as {key}")
        else:
            cleaned[name] = np.asarray(array)
    return cleaned, dropped


def _check_names(net: nn.Module, given, wanted) -> None:
    """Raises where names are unknown or missing."""
    unknown, missing = [n for n in given if n not in wanted], [n for n in wanted if n not in given]
    if unknown or missing:
        parts = [f"{what}: {_listed(n)}" for what, n in (("unknown", unknown), ("missing", missing)) if n]
        raise errors.WeightsError(f"the arrays do not fit {_described(net)}; {'; '.join(parts)}")


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises where a shape differs or a value is no finite number."""
    if array.shape != shape:
        raise errors.WeightsError(f"{name} has shape {array.shape}; the network needs {shape}")
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise errors.WeightsError(f"{name} of type {array.dtype} has values that are not finite floats")


def _listed(names) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(map(repr, names[:_MOST_LISTED])) or "none") + more


def _described(net: nn.Module) -> str:
    fields = {n: getattr(net, n) for n in net.__dataclass_fields__ if n not in ("parent", "name")}
    return f"{type(net).__name__}({', '.join(f'{n}={v!r}' for n, v in fields.items())})"
