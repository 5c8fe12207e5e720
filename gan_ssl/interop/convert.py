"""Weights files into a work directory, and back: what `launch/convert.py` does."""

import os
from collections.abc import Mapping
from pathlib import Path

import flax.linen as nn
import jax
from absl import logging
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors, methods
from gan_ssl.interop import torch_names, weight_files
from gan_ssl.networks import PatchDiscriminator, ResnetGenerator
from gan_ssl.training import checkpoints

# Where each network lies in a checkpoint. The siamese network is ours alone and has no published names.
_PLACES = {
    "a2b": ("generator", "a2b"),
    "b2a": ("generator", "b2a"),
    "discriminator_a": ("discriminator", "a"),
    "discriminator_b": ("discriminator", "b"),
}
NETWORKS = tuple(_PLACES)
# The config fields that a network's attributes decide.
_FIELDS = {
    ResnetGenerator: {n: n for n in ("width", "num_blocks", "upsample", "skip")},
    PatchDiscriminator: {"width": "discriminator_width", "num_layers": "discriminator_layers"},
}


def files_to_workdir(files: Mapping[str, str | os.PathLike], workdir: str | os.PathLike) -> ConfigDict:
    """Makes a work directory at step 0 from weights files.

    The sizes of the networks are inferred from the files. Networks without a file are initialised afresh.

    Args:
        files: paths by network, see `NETWORKS`; at least one, empty ones do not count. `discriminator_a` judges domain
            a: it is the `D_B` of the public code, which names a discriminator after the generator that it trains.
        workdir: the directory; it must not hold a run already.

    Returns:
        The config that lies in it: the base config with the networks' sizes.

    Raises:
        WeightsError: a file is unreadable or does not fit, or the files' networks are of different sizes.
        CheckpointError: the work directory holds a run or cannot be written.
    """
    files = {name: path for name, path in files.items() if path}
    if not files:
        raise errors.WeightsError(f"no weights file is given; allowed: one or more of {', '.join(NETWORKS)}")
    loaded = {name: _load(name, path) for name, path in files.items()}
    config = _config({files[name]: net for name, (net, _) in loaded.items()})
    state = methods.get(config.method).create_state(jax.random.key(config.seed), config)
    params = {"generator": dict(state.generator.params), "discriminator": dict(state.discriminator.params)}
    for name, (_, weights) in loaded.items():
        player, key = _PLACES[name]
        params[player][key] = weights
    checkpoints.save_weights(os.fspath(workdir), config, params)
    fresh = [name for name in NETWORKS if name not in files]
    logging.info("wrote %s; initialised afresh, for lack of a file: %s", workdir, ", ".join([*fresh, "siamese"]))
    return config


def workdir_to_files(
    workdir: str | os.PathLike, output: str | os.PathLike, suffix: str, step: int | None = None
) -> list[Path]:
    """Writes the networks of a checkpoint under published names, a file each: `a2b`, `b2a`, `discriminator_a`, ...

    Args:
        workdir: a work directory of OP-GAN.
        output: the folder to write to.
        suffix: the format, see `weight_files`; `npz` or `.npz`.
        step: which checkpoint; None for the newest.

    Returns:
        The files' paths.

    Raises:
        CheckpointError: no such checkpoint.
        WeightsError: unknown format, or a file cannot be written.
    """
    loaded = checkpoints.load(os.fspath(workdir), step)
    nets = methods.get(loaded.config.method).create_networks(loaded.config)
    paths = []
    for name, (player, key) in _PLACES.items():
        net = getattr(nets, player)
        paths.append(Path(output) / f"{name}.{suffix.lstrip('.')}")
        weight_files.write(paths[-1], torch_names.to_torch(net, loaded.params[player][key]))
        logging.info("wrote %s", paths[-1])
    return paths


def _load(name: str, path: str | os.PathLike) -> tuple[nn.Module, torch_names.Params]:
    """The network in a file, and its parameters."""
    arrays = weight_files.read(path)
    wanted = ResnetGenerator if _PLACES[name][0] == "generator" else PatchDiscriminator
    try:
        net = torch_names.infer_net(arrays)
        if not isinstance(net, wanted):
            raise errors.WeightsError(f"a {type(net).__name__}; {name} needs a {wanted.__name__}")
        params = torch_names.from_torch(net, arrays)
    except errors.WeightsError as error:
        raise errors.WeightsError(f"{path}: {error}") from None
    channels = params[next(iter(params))]["kernel"].shape[2]
    if channels != 3:
        raise errors.WeightsError(f"{path}: takes images of {channels} channels; allowed: 3")
    return net, params


def _config(nets: Mapping[str | os.PathLike, nn.Module]) -> ConfigDict:
    """The base config with the sizes of these networks, by file."""
    config, decided = configs.base_config(), {}
    # A validated config has a length; with this one a run may go on from the weights (`init_from`) or from here.
    config.num_epochs = 200
    for path, net in nets.items():
        for attribute, field in _FIELDS[type(net)].items():
            value = getattr(net, attribute)
            before, other = decided.setdefault(field, (value, path))
            if before != value:
                raise errors.WeightsError(f"{path}: model.{field} is {value!r} there, and {before!r} in {other}")
            config.model[field] = value
    return configs.validate(config)
