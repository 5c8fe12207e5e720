"""Weights files into a work directory, and back: what `launch/convert.py` does."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from absl import logging
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors, methods
from gan_ssl.interop import torch_names, weight_files
from gan_ssl.networks import ConditionalDiscriminator, ConditionalGenerator, PatchDiscriminator, ResnetGenerator
from gan_ssl.training import checkpoints

# Where each network lies in a checkpoint, by method. OP-GAN's siamese network is ours alone and has no published names.
_PLACES = {
    "op_gan": {
        "a2b": ("generator", "a2b"),
        "b2a": ("generator", "b2a"),
        "discriminator_a": ("discriminator", "a"),
        "discriminator_b": ("discriminator", "b"),
    },
    "match_gan": {"generator": ("generator",), "discriminator": ("discriminator",)},
}
_KINDS = {
    "op_gan": {"generator": ResnetGenerator, "discriminator": PatchDiscriminator},
    "match_gan": {"generator": ConditionalGenerator, "discriminator": ConditionalDiscriminator},
}
NETWORKS = tuple(name for places in _PLACES.values() for name in places)
# The config fields that a network's attributes decide, and those that its parameters do.
_GENERATOR = {n: f"model.{n}" for n in ("width", "num_blocks", "upsample", "skip")}
_CONDITIONAL_GENERATOR = _GENERATOR | {"mask": "model.mask", "condition": "model.condition"}
_DISCRIMINATOR = {"width": "model.discriminator_width", "num_layers": "model.discriminator_layers"}
_FIELDS = {
    ResnetGenerator: _GENERATOR,
    PatchDiscriminator: _DISCRIMINATOR,
    ConditionalGenerator: _CONDITIONAL_GENERATOR,
    ConditionalDiscriminator: _DISCRIMINATOR | {"match_head": "model.match_head"},
}
# What the public StarGAN and MatchGAN have, for a generator that comes without its discriminator.
_PUBLISHED_SIZE, _PUBLISHED_LAYERS = (128, 128), 6


class _Network(NamedTuple):
    """What a file holds."""

    path: str
    net: nn.Module
    params: torch_names.Params


def files_to_workdir(
    files: Mapping[str, str | os.PathLike],
    workdir: str | os.PathLike,
    attributes: Sequence[str] = (),
    exclusive: Sequence[Sequence[str]] = (),
) -> ConfigDict:
    """Makes a work directory at step 0 from weights files.

    The sizes of the networks are inferred from the files. Networks without a file are initialised afresh; a MatchGAN
    discriminator then has a label head of zeros, by which `inference.Editor` knows that it can read no labels.

    Args:
        files: paths by network, see `NETWORKS`; at least one, empty ones do not count, all of one method. OP-GAN's
            `discriminator_a` judges domain a: it is the `D_B` of the public code, which names a discriminator after
            the generator that it trains.
        workdir: the directory; it must not hold a run already.
        attributes: MatchGAN's label names, in the order of the files' labels.
        exclusive: groups of them of which an image has exactly one.

    Returns:
        The config that lies in it: the base config with the networks' sizes.

    Raises:
        WeightsError: a file is unreadable or does not fit, or the files' networks are of different sizes.
        ConfigError: the attributes are not as many as the labels, or their groups name others.
        CheckpointError: the work directory holds a run or cannot be written.
    """
    files = {name: os.fspath(path) for name, path in files.items() if path}
    method = _method(files)
    loaded = {name: _load(method, name, path) for name, path in files.items()}
    config = _config(method, loaded, tuple(attributes), tuple(map(tuple, exclusive)))
    fresh = [name for name in _PLACES[method] if name not in files] + ["siamese"] * (method == "op_gan")
    params = _initialised(method, config) if fresh else {}
    if "discriminator" in fresh:
        params["discriminator"]["label"]["kernel"] *= 0
        logging.warning("no discriminator is given, so nothing reads an image's labels: edits must set all of them")
    for name, network in loaded.items():
        params = _put(params, _PLACES[method][name], network.params)
    checkpoints.save_weights(os.fspath(workdir), config, params)
    logging.info("wrote %s; initialised afresh, for lack of a file: %s", workdir, ", ".join(fresh) or "none")
    return config


def workdir_to_files(
    workdir: str | os.PathLike, output: str | os.PathLike, suffix: str, step: int | None = None, names: str = ""
) -> list[Path]:
    """Writes the networks of a checkpoint under published names, a file each: `a2b`, `generator`, `discriminator`, ...

    Args:
        workdir: a work directory.
        output: the folder to write to.
        suffix: the format, see `weight_files`; `npz` or `.npz`.
        step: which checkpoint; None for the newest.
        names: whose names, see `interop.to_torch`.

    Returns:
        The files' paths.

    Raises:
        CheckpointError: no such checkpoint.
        WeightsError: unknown format or names, a method without published names, or a file cannot be written.
    """
    loaded = checkpoints.load(os.fspath(workdir), step)
    method = loaded.config.method
    if method not in _PLACES:
        raise errors.WeightsError(f"{workdir} is a run of {method}; allowed: {', '.join(_PLACES)}")
    nets = methods.get(method).create_networks(loaded.config)
    paths = []
    for name, place in _PLACES[method].items():
        params = loaded.params
        for part in place:
            params = params[part]
        paths.append(Path(output) / f"{name}.{suffix.lstrip('.')}")
        weight_files.write(paths[-1], torch_names.to_torch(getattr(nets, place[0]), params, names))
        logging.info("wrote %s", paths[-1])
    if loaded.config.data.attributes:
        groups = [f" --exclusive={','.join(group)}" for group in loaded.config.data.exclusive]
        logging.info("its labels: --attributes=%s%s", ",".join(loaded.config.data.attributes), "".join(groups))
    return paths


def _method(names: Iterable[str]) -> str:
    """The method that has networks of these names."""
    found = [method for method, places in _PLACES.items() if set(names) & set(places)]
    if not found:
        raise errors.WeightsError(f"no weights file is given; allowed: one or more of {', '.join(NETWORKS)}")
    if len(found) > 1:
        raise errors.WeightsError(f"files of two methods are given, {' and '.join(found)}; allowed: one of them")
    return found[0]


def _load(method: str, name: str, path: str) -> _Network:
    """The network in a file, and its parameters."""
    arrays = weight_files.read(path)
    player = _PLACES[method][name][0]
    wanted = _KINDS[method][player]
    try:
        net = torch_names.infer_net(arrays)
        if not isinstance(net, wanted):
            raise errors.WeightsError(f"a {type(net).__name__}; {name} needs a {wanted.__name__}")
        params = torch_names.from_torch(net, arrays)
    except errors.WeightsError as error:
        raise errors.WeightsError(f"{path}: {error}") from None
    channels = _kernel(params, "conv_out")[3] if player == "generator" else _kernel(params, "conv_0")[2]
    if channels != 3:
        raise errors.WeightsError(f"{path}: takes images of {channels} channels; allowed: 3")
    return _Network(path, net, params)


def _initialised(method: str, config: ConfigDict) -> dict[str, Any]:
    """Fresh parameters of all networks."""
    state = methods.get(method).create_state(jax.random.key(config.seed), config)
    return {"generator": state.generator.params, "discriminator": state.discriminator.params}


def _put(params: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The tree with another value at a place."""
    first, *rest = place
    return {**params, first: _put(params[first], tuple(rest), value) if rest else value}


def _kernel(params: torch_names.Params, layer: str) -> tuple[int, ...]:
    return params[layer]["kernel"].shape


def _config(
    method: str, loaded: Mapping[str, _Network], attributes: tuple[str, ...], exclusive: tuple[tuple[str, ...], ...]
) -> ConfigDict:
    """The base config with what these files decide."""
    config = configs.base_config()
    decided: dict[str, Any] = {"method": method}
    # A validated config has a length; with this one a run may go on from the weights (`init_from`) or from here.
    config.num_epochs = 200
    found: dict[str, tuple[Any, str]] = {}
    for network in loaded.values():
        fields = _FIELDS[type(network.net)]
        values = {field: getattr(network.net, name) for name, field in fields.items()} | _whole(network)
        for field, value in values.items():
            before, other = found.setdefault(field, (value, network.path))
            if before != value:
                raise errors.WeightsError(f"{network.path}: {field} is {value!r} there, and {before!r} in {other}")
    decided |= {field: value for field, (value, _) in found.items()}
    if method == "match_gan":
        _check_attributes(decided.pop("labels"), attributes)
        decided = {
            "batch_size": 0,
            "data.name": "celeba",
            "data.attributes": attributes,
            "data.exclusive": exclusive,
            "data.image_size": _PUBLISHED_SIZE,
            "model.discriminator_layers": _PUBLISHED_LAYERS,
            "model.discriminator_width": decided.get("model.width", 64),
        } | decided
    elif attributes or exclusive:
        raise errors.ConfigError(f"--attributes and --exclusive are for match_gan, and these are files of {method}")
    config.update_from_flattened_dict(decided)
    return configs.validate(config)


def _whole(network: _Network) -> dict[str, Any]:
    """What a network's parameters decide besides its attributes: the number of labels, the size of the images."""
    if isinstance(network.net, ConditionalGenerator):
        return {"labels": _kernel(network.params, "conv_in")[2] - _kernel(network.params, "conv_out")[3]}
    if isinstance(network.net, ConditionalDiscriminator):
        sides = _kernel(network.params, "label")[:2]
        return {
            "labels": network.net.num_labels,
            "data.image_size": tuple(side * 2**network.net.num_layers for side in sides),
        }
    return {}


def _check_attributes(count: int, attributes: tuple[str, ...]) -> None:
    if len(attributes) != count:
        given = f"{len(attributes)} names ({', '.join(attributes)})" if attributes else "missing"
        raise errors.ConfigError(f"--attributes is {given}; allowed: {count} names, one a label of the weights")
