"""What is exported: a generator as a function of arrays, with its weights inside."""

import copy
import importlib.metadata
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export as jax_export

from gan_ssl import config as configs
from gan_ssl import errors, methods
from gan_ssl.inference.translator import DIRECTIONS
from gan_ssl.training.checkpoints import Loaded

MULTIPLE, SMALLEST_SIDE = 4, 16


class Program(NamedTuple):
    """A generator to export.

    Attributes:
        translate: float32 images in [-1, 1], and where there are some labels, to translations of that shape and range;
            computed in float32, whatever the run was trained in.
        inputs: the arrays that it takes by name, in this order; batch and sides are symbols, sides multiples of 4.
        net: the generator.
        params: its weights.
        about: what a reader of the file should know, for JSON.
    """

    translate: Callable[..., jax.Array]
    inputs: dict[str, jax.ShapeDtypeStruct]
    net: Any
    params: Any
    about: dict[str, Any]


def make_program(loaded: Loaded, direction: str | None = None) -> Program:
    """Takes a generator out of a checkpoint.

    Args:
        loaded: the checkpoint.
        direction: `a2b` or `b2a` where the run has two generators, None for the first; None elsewhere.

    Returns:
        What can be exported.

    Raises:
        ConfigError: the direction is none of this run's.
    """
    config = copy.deepcopy(loaded.config)
    with config.unlocked():  # neither is of use without a gradient, and few runtimes have bfloat16
        config.precision, config.model.remat = "float32", False
    method, params = methods.get(config.method), jax.tree.map(jnp.asarray, loaded.params["generator"])
    translate_fn, net = method.make_translate(config), method.create_networks(config).generator
    # Sides as the translators pad them, in symbols: an exported file may tell these and the batch by its inputs.
    constraints = [f"{side} >= {SMALLEST_SIDE // MULTIPLE}" for side in "hw"]
    batch, h, w = jax_export.symbolic_shape("batch, h, w", constraints=constraints)
    inputs = {"images": jax.ShapeDtypeStruct((batch, MULTIPLE * h, MULTIPLE * w, 3), jnp.float32)}
    if hasattr(method, "label_space"):
        if direction is not None:
            raise errors.ConfigError(f"--direction is {direction}, which is no option of {config.method}")
        space = method.label_space(config)
        inputs["labels"] = jax.ShapeDtypeStruct((batch, len(space.attributes)), jnp.float32)
        what = {"attributes": list(space.attributes), "exclusive": [list(group) for group in space.exclusive]}
        translate = lambda images, labels: translate_fn(params, images, labels)
        return Program(translate, inputs, net, params, _about(loaded, inputs) | what)
    direction = direction or DIRECTIONS[0]
    if direction not in DIRECTIONS:
        raise errors.ConfigError(f"--direction is {direction!r}; allowed: {', '.join(DIRECTIONS)}")
    translate = lambda images: translate_fn(params, images, direction)
    return Program(translate, inputs, net, params[direction], _about(loaded, inputs) | {"direction": direction})


def _about(loaded: Loaded, inputs: dict[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
    """What holds of all methods."""
    described = {name: {"shape": [str(n) for n in x.shape], "dtype": str(x.dtype)} for name, x in inputs.items()}
    described["images"]["range"] = [-1, 1]
    if "labels" in described:
        described["labels"]["values"] = [0, 1]
    return {
        "gan_ssl": _version(),
        "method": loaded.config.method,
        "step": loaded.step,
        "config": configs.config_hash(loaded.config),
        "image_size": list(loaded.config.data.image_size),
        "inputs": described,
        "outputs": {"translations": described["images"]},
        "sides": {"multiple": MULTIPLE, "at_least": SMALLEST_SIDE},
    }


def _version() -> str:
    try:
        return importlib.metadata.version("gan_ssl")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is run where it lies
        return "not installed"
