"""Our parameter trees under the names and layouts of public PyTorch code, exact both ways.

`cyclegan_names` and `stargan_names` say how the layers are called; here is what they share.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from flax import traverse_util

from gan_ssl import errors
from gan_ssl.interop import cyclegan_names, stargan_names
from gan_ssl.interop.layout import Layer, Published, Shapes

Params = dict[str, Any]
# The modules with tables of names; another family of networks is another line here.
_FAMILIES = (cyclegan_names, stargan_names)
_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_LEAVES |= {"label_scale": "label_weight", "label_bias": "label_bias"}  # ours
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_MOST_LISTED = 20


class _Spec(NamedTuple):
    """Where an array lies in our tree, and how it gets there."""

    path: tuple[str, ...]
    axes: tuple[int, ...]
    torch_shape: tuple[int, ...]


def from_torch(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> Params:
    """Turns published weights into parameters.

    Which public code's names they have is seen from the names. A prefix `module.` is stripped, statistics of norms are
    dropped and reported, the second convolution of a block may have the index that it has behind a dropout layer.
    Layers that the names have no word for, StarGAN's match head, start at zero, which is reported too: such a head
    knows nothing, and its first gradients do not disturb the trunk.

    Args:
        net: see `infer_net`.
        arrays: by PyTorch's names, in PyTorch's layout; float64 is rounded to float32.

    Returns:
        The parameters, which `net.apply` takes as the collection `params`; float32.

    Raises:
        WeightsError: names or shapes that do not fit, or values that are not finite numbers.
    """
    arrays, dropped = _clean(arrays)
    if dropped:
        logging.info("dropped statistics of norms, which have none here: %s", _listed(dropped))
    layers = _layers(net, _names_used(net, arrays))
    kernels = {}
    for path, layer in layers.items():
        array = arrays.get(f"{layer.name}.weight")
        if array is not None and array.ndim == 4 and array.size:
            kernels[path] = tuple(array.shape[axis] for axis in layer.axes)
    shapes = _shapes(net, kernels)
    specs = _specs(layers, shapes)
    _check_names(net, arrays, specs)
    flat = {}
    for name, spec in specs.items():
        _check_array(name, arrays[name], spec.torch_shape)
        flat[spec.path] = jnp.asarray(arrays[name].transpose(spec.axes), jnp.float32)
    fresh = {path: jnp.zeros(shape, jnp.float32) for path, shape in shapes.items() if path not in flat}
    if fresh:
        logging.info("these weights have no %s: starts afresh, at zero", _listed(map("/".join, fresh)))
    return traverse_util.unflatten_dict(flat | fresh)


def to_torch(net: nn.Module, params: Params, names: str = "") -> dict[str, np.ndarray]:
    """Gives parameters under their published names, the inverse of `from_torch`.

    Args:
        net: see `infer_net`.
        params: its parameters.
        names: whose; `cyclegan`, `matchgan` or `stargan`. "" is the first that the network has: MatchGAN's for the
            conditional pair. StarGAN's have no word for the match head, which is left out and reported.

    Returns:
        Contiguous arrays in PyTorch's layout, in PyTorch's order.

    Raises:
        WeightsError: the parameters are not this network's, or it has no such names.
    """
    flat: dict[tuple[str, ...], Any] = _without_grey(net, traverse_util.flatten_dict(params))
    layers = _layers(net, names)
    shapes = _shapes(
        net, {"/".join(path[:-1]): np.shape(x) for path, x in flat.items() if np.ndim(x) == 4 and np.size(x)}
    )
    _check_names(net, sorted(map("/".join, flat)), list(map("/".join, shapes)))
    arrays, specs = {}, _specs(layers, shapes)
    for name, spec in specs.items():
        array = np.asarray(flat[spec.path])
        if array.ndim == len(spec.axes):
            array = np.ascontiguousarray(array.transpose(np.argsort(spec.axes)))
        _check_array(name, array, spec.torch_shape)
        arrays[name] = array
    left = shapes.keys() - {spec.path for spec in specs.values()}
    if left:
        logging.info("left out, for want of a name of %s: %s", names, _listed(sorted(map("/".join, left))))
    return arrays


def infer_net(arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Finds the network that published weights belong to, from their names and shapes.

    Args:
        arrays: as for `from_torch`.

    Returns:
        A `ResnetGenerator`, `PatchDiscriminator`, `ConditionalGenerator` or `ConditionalDiscriminator`; `from_torch`
        then checks every name and shape.

    Raises:
        WeightsError: the names are none of theirs.
    """
    arrays, _ = _clean(arrays)
    shapes = {name: array.shape for name, array in arrays.items() if array.ndim in (2, 4) and array.size}
    for family in _FAMILIES:
        net = family.infer_net(shapes)
        if net is not None:
            return net
    raise errors.WeightsError(
        f"no generator or discriminator by its names; its arrays: {_listed(arrays)}; "
        f"allowed: names of {' or '.join(family.DESCRIPTION for family in _FAMILIES)}"
    )


def _without_grey(net: nn.Module, flat: dict[tuple[str, ...], Any]) -> dict[tuple[str, ...], Any]:
    """Makes a grey generator's last layer give the mean of its colours, which public code would not take."""
    if not getattr(net, "grey", False):
        return flat
    made = dict(flat)
    for path, array in flat.items():
        if path[0] == "conv_out":
            colours = np.shape(array)[-1] - getattr(net, "mask", False)
            made[path] = np.array(array)
            made[path][..., :colours] = made[path][..., :colours].mean(axis=-1, keepdims=True)
    return made


def _published(net: nn.Module) -> Published:
    """How the network's weights are exchanged."""
    known = {kind: published for family in _FAMILIES for kind, published in family.PUBLISHED.items()}
    if type(net) not in known:
        allowed = ", ".join(kind.__name__ for kind in known)
        raise errors.WeightsError(f"{type(net).__name__} has no published names; allowed: {allowed}")
    return known[type(net)]


def _layers(net: nn.Module, names: str) -> dict[str, Layer]:
    """The network's layers by our path, as one public code names them."""
    known = _published(net).layers
    if names and names not in known:
        raise errors.WeightsError(f"names is {names!r}; allowed for {type(net).__name__}: {', '.join(known)}")
    return known[names or next(iter(known))](net)


def _names_used(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> str:
    """The public code whose names fit the arrays' best."""
    given = {name.rpartition(".")[0] for name in arrays}
    differing = lambda names: len(given ^ {layer.name for layer in _layers(net, names).values()})
    return min(_published(net).layers, key=differing)


def _shapes(net: nn.Module, kernels: Shapes) -> dict[tuple[str, ...], tuple[int, ...]]:
    """The shapes of the network's parameters by path, the sizes that its attributes leave open taken from kernels."""
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in _published(net).inputs(net, kernels)]
    tree = jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"]
    flat: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(tree)
    return {path: leaf.shape for path, leaf in flat.items()}


def _specs(layers: Mapping[str, Layer], shapes: Mapping[tuple[str, ...], tuple[int, ...]]) -> dict[str, _Spec]:
    """What the layers must have, by published name, in PyTorch's order."""
    specs = {}
    for path, layer in layers.items():
        for leaf, published in _LEAVES.items():
            place = (*path.split("/"), leaf)
            if place in shapes:
                shape = shapes[place]
                axes = layer.axes if len(shape) == 4 else tuple(range(len(shape)))
                specs[f"{layer.name}.{published}"] = _Spec(place, axes, tuple(shape[i] for i in np.argsort(axes)))
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


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(map(repr, names[:_MOST_LISTED])) or "none") + more


def _described(net: nn.Module) -> str:
    fields = {n: getattr(net, n) for n in net.__dataclass_fields__ if n not in ("parent", "name")}
    return f"{type(net).__name__}({', '.join(f'{n}={v!r}' for n, v in fields.items())})"
