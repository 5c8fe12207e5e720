"""Configs: the base config, its one validation step, and how one is written and compared."""

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections
from ml_collections import ConfigDict

from gan_ssl import errors
from gan_ssl.config_fields import base_config
from gan_ssl.config_rules import RULES

# Fields that a resumed run may change; all others shape its trajectory. A group's name stands for all of it.
MAY_CHANGE_ON_RESUME = (
    *("num_steps", "num_epochs", "num_devices", "log_steps", "sample_steps", "checkpoint_steps", "keep_checkpoints"),
    *("init_from", "data.dir", "data.dir_a", "data.dir_b", "data.attribute_file", "data.workers"),
    *("data.class_names", "data.ignore_index"),
    "evaluation",
)


def apply_variants(config: ConfigDict, names: str, variants: Mapping[str, Callable[[ConfigDict], None]]) -> ConfigDict:
    """Changes a recipe's config by the variants that its argument names, separated by commas, from left to right.

    Raises:
        ConfigError: there is no such variant.
    """
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in variants:
            raise errors.ConfigError(f"--config has no variant {name!r}; allowed: {', '.join(variants)}")
        variants[name](config)
    return config


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Returns the fields by dotted name."""
    flat = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def validate(config: ConfigDict) -> ConfigDict:
    """Checks every field, before anything is compiled.

    Args:
        config: a config made from `base_config`.

    Returns:
        The config, locked.

    Raises:
        ConfigError: one line that names the field, the value and what is allowed; a field that the base config does
            not know comes with the nearest one that it does.
    """
    known, given = flatten(base_config()), flatten(config)
    for name in given:
        if name not in known:
            raise unknown_field(name)
    for name, default in known.items():
        if name not in given:
            raise errors.ConfigError(f"config.{name} is missing; its default is {default!r}")
        _check_type(name, given[name], default)
        if name in RULES:
            accepts, allowed = RULES[name]
            if not accepts(given[name]):
                raise errors.ConfigError(f"config.{name} is {given[name]!r}; allowed: {allowed}")
    _check_together(config)
    return config.lock()


def unknown_field(name: str) -> errors.ConfigError:
    """Returns the error for a field that does not exist, with the nearest that does."""
    known = flatten(base_config())
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0) or [""]
    return errors.ConfigError(f"config.{name} is no field; did you mean config.{nearest[0]}?")


def _check_type(name: str, value: Any, default: Any) -> None:
    wanted = type(default)
    fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    if wanted is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if not fits:
        raise errors.ConfigError(f"config.{name} is {value!r}; allowed: a value of type {wanted.__name__}")


def _check_together(config: ConfigDict) -> None:
    """Checks the fields that depend on each other."""
    data = config.data
    if not config.num_steps and not config.num_epochs:
        raise errors.ConfigError("config.num_steps and config.num_epochs are both 0; allowed: one of them above 0")
    if any(data.load_size) and any(load < size for load, size in zip(data.load_size, data.image_size, strict=True)):
        raise errors.ConfigError(
            f"config.data.load_size is {data.load_size!r}; allowed: (0, 0) or at least image_size {data.image_size!r}"
        )
    {"op_gan": _check_op_gan, "match_gan": _check_match_gan}.get(config.method, lambda config: None)(config)


def _check_op_gan(config: ConfigDict) -> None:
    data, grid = config.data, config.pretext.grid
    if not config.batch_size:
        raise errors.ConfigError("config.batch_size is 0; allowed: at least 1")
    if config.pretext.twin_patches > grid**2:
        raise errors.ConfigError(
            f"config.pretext.twin_patches is {config.pretext.twin_patches}; allowed: at most grid x grid = {grid**2}"
        )
    if self_supervised(config) and min(data.image_size) // grid < 8:
        raise errors.ConfigError(
            f"config.data.image_size is {data.image_size!r}; allowed: at least {8 * grid} a side with "
            f"config.pretext.grid = {grid}, so that patches have 8 pixels"
        )


def _check_match_gan(config: ConfigDict) -> None:
    data, size = config.data, config.data.images_per_group
    if config.batch_size % size or config.batch_size == size:
        raise errors.ConfigError(
            f"config.batch_size is {config.batch_size}; allowed: 0, or at least two groups of "
            f"config.data.images_per_group = {size}"
        )
    halvings = 2**config.model.discriminator_layers
    if any(side % halvings for side in data.image_size):
        raise errors.ConfigError(
            f"config.data.image_size is {data.image_size!r}; allowed: multiples of {halvings}, which "
            f"config.model.discriminator_layers = {config.model.discriminator_layers} halves"
        )
    listed = [name for group in data.exclusive for name in group]
    for name in listed:
        if data.attributes and name not in data.attributes:
            raise errors.ConfigError(
                f"config.data.exclusive names {name!r}; allowed: config.data.attributes, {', '.join(data.attributes)}"
            )
        if listed.count(name) > 1:
            raise errors.ConfigError(f"config.data.exclusive names {name!r} twice; allowed: one group a name")


def self_supervised(config: ConfigDict) -> bool:
    """Whether any term of the siamese network has weight."""
    return any(config.loss[name] > 0 for name in ("content", "contrast", "domain"))


def to_json(config: ConfigDict) -> str:
    """Returns the config as JSON, indented, as it lies beside the weights."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True)


def from_json(text: str) -> ConfigDict:
    """Reads what `to_json` wrote, through validation.

    Raises:
        ConfigError: the text is no config of this version.
    """
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise errors.ConfigError(f"not a config in JSON: {error}") from None
    config = ml_collections.ConfigDict(_with_tuples(fields)) if isinstance(fields, dict) else None
    if config is None:
        raise errors.ConfigError(f"not a config in JSON: a {type(fields).__name__}")
    return validate(config)


def _with_tuples(value):
    if isinstance(value, dict):
        return {k: _with_tuples(v) for k, v in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def config_hash(config: ConfigDict) -> str:
    """Returns 12 hex digits that change with any field that shapes the trajectory."""
    return hashlib.sha256(json.dumps(trajectory_fields(config), sort_keys=True).encode()).hexdigest()[:12]


def trajectory_fields(config: ConfigDict) -> dict[str, Any]:
    """Returns the fields that may not change when a run resumes."""
    free = set(MAY_CHANGE_ON_RESUME)
    return {n: v for n, v in flatten(config).items() if not {n, n.partition(".")[0]} & free}
