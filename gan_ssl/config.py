"""Configs: the base config, its one validation step, and how one is written and compared."""

import difflib
import functools
import hashlib
import json
import os
import types
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from gan_ssl import errors
from gan_ssl.config_fields import base_config
from gan_ssl.config_rules import MOST_INT, RULES

# Far less than JAX's floats hold.
_MOST_FLOAT = 1e30
# Fields that a resumed run may change; all others shape its trajectory. A group's name stands for all of it.
MAY_CHANGE_ON_RESUME = (
    *("num_steps", "num_epochs", "num_devices", "log_steps", "sample_steps", "checkpoint_steps", "keep_checkpoints"),
    *("steps_per_call", "model.remat"),
    *("init_from", "data.dir", "data.dir_a", "data.dir_b", "data.attribute_file", "data.workers"),
    *("data.class_names", "data.ignore_index"),
    "evaluation",
)
# What runs did before a field existed: fills the configs that lie beside their weights.
_BEFORE = {
    "pretext.twin_local": 0.0,
    "pretext.places": 256,
    "loss.content_left": 1.0,
    "loss.registered": "features",
    "loss.certainty": False,
    "model.grey": False,
    "evaluation.segmenter": "unet",
}


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


@functools.cache
def known_fields() -> Mapping[str, Any]:
    """Returns the fields of the base config by dotted name, with their defaults."""
    return types.MappingProxyType(flatten(base_config()))


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
    known, given = known_fields(), flatten(config)
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
                raise errors.ConfigError(f"config.{name} is {_shown(given[name])}; allowed: {allowed}")
    _check_together(config)
    return config.lock()


def unknown_field(name: str) -> errors.ConfigError:
    """Returns the error for a field that does not exist, with the nearest that does."""
    nearest = difflib.get_close_matches(name[:100], known_fields(), n=1, cutoff=0) or [""]
    return errors.ConfigError(f"config.{name} is no field; did you mean config.{nearest[0]}?")


def _check_type(name: str, value: Any, default: Any) -> None:
    wanted, allowed = type(default), f"a value of type {type(default).__name__}"
    fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    if wanted is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST_FLOAT
        allowed += f", at most {_MOST_FLOAT:g}"
    elif wanted is int:
        fits = fits and abs(value) <= MOST_INT
        allowed += f", at most {MOST_INT}"
    elif wanted is str:
        fits = fits and _is_encodable(value)
        allowed += ", without NUL"
    if not fits:
        raise errors.ConfigError(f"config.{name} is {_shown(value)}; allowed: {allowed}")


def _is_encodable(text: Any) -> bool:
    """Whether the operating system takes it for the name of a file."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # more digits than Python writes, or too many brackets
        return f"a {type(value).__name__} that is too long to be shown"


def _check_together(config: ConfigDict) -> None:
    """Checks the fields that depend on each other."""
    data = config.data
    if not config.num_steps and not config.num_epochs:
        raise errors.ConfigError("config.num_steps and config.num_epochs are both 0; allowed: one of them above 0")
    if any(data.load_size) and any(load < size for load, size in zip(data.load_size, data.image_size, strict=True)):
        raise errors.ConfigError(
            f"config.data.load_size is {data.load_size!r}; allowed: (0, 0) or at least image_size {data.image_size!r}"
        )
    if not config.batch_size and config.method != "match_gan":
        raise errors.ConfigError("config.batch_size is 0; allowed: at least 1")
    {"op_gan": _check_op_gan, "match_gan": _check_match_gan}.get(config.method, lambda config: None)(config)


def _check_op_gan(config: ConfigDict) -> None:
    data, grid = config.data, config.pretext.grid
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


def from_json(text: str | bytes) -> ConfigDict:
    """Reads what `to_json` wrote, through validation.

    Raises:
        ConfigError: the text is no config of this version.
    """
    try:
        fields = _with_tuples(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise errors.ConfigError(f"not a config in JSON: {error}") from None
    if not isinstance(fields, dict):
        raise errors.ConfigError(f"not a config in JSON: a {type(fields).__name__}")
    known = known_fields()
    groups = {name.partition(".")[0] for name in known if "." in name}
    for name, value in fields.items():
        is_group = name in groups and isinstance(value, dict)
        leaves = {f"{name}.{inner}": leaf for inner, leaf in value.items()} if is_group else {name: value}
        # ConfigDict refuses dots in keys and some names, so that nothing unknown may get there.
        for key, leaf in leaves.items():
            if key not in known or "." in name:
                raise unknown_field(key)
            _check_type(key, leaf, known[key])
    for key, value in _BEFORE.items():
        group, _, name = key.rpartition(".")
        if isinstance(fields.get(group), dict):
            fields[group].setdefault(name, value)
    return validate(ConfigDict(fields))


def _with_tuples(value: Any) -> Any:
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
