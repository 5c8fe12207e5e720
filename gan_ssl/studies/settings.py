"""Which settings a result depends on, how they are written down, and whether two agree."""

import json
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from gan_ssl import config as configs

# Where files lie: may differ between machines, and is not written into results.
PATHS = ("data.dir", "data.dir_a", "data.dir_b", "data.attribute_file", "init_from", "evaluation.inception_weights")
# Change no number, or only the order of sums. The seed is part of a result's name.
_FREE = (
    *("seed", "num_devices", "log_steps", "sample_steps", "checkpoint_steps", "keep_checkpoints", "steps_per_call"),
    *("model.remat", "data.workers", "data.max_pixels"),
)
# What a method does not read; a group's name with a dot stands for all of it.
_PAIRS = (
    *("pretext.grid", "pretext.pairs", "pretext.twin_", "model.siamese_", "model.normalise", "loss.content_"),
    *("loss.twin", "loss.contrast", "loss.domain", "loss.registered", "loss.certainty"),
)
_SIAMESE = (*_PAIRS, "pretext.", "loss.content")
_TWINS = ("pretext.twin_", "pretext.temperature", "loss.twin", "loss.registered", "loss.certainty")
_LABELS = (
    *("generator_every", "model.mask", "model.condition", "model.discriminator_init", "model.match_head"),
    *("loss.gradient_penalty", "loss.classification", "loss.reconstruction", "loss.match", "loss.pseudo_labels"),
    *("data.attributes", "data.exclusive", "data.labelled_", "data.unlabelled", "data.images_per_group"),
    *("data.center_crop", "evaluation.classifier_"),
)
_DOMAINS = (
    *("pool.", "loss.cycle", "loss.identity", "data.ignore_index"),
    *("evaluation.segmenter", "evaluation.num_segmenters", "evaluation.jitter"),
)
_UNREAD = {
    "op_gan": _LABELS,
    "match_gan": (*_DOMAINS, *_SIAMESE),
    "cut": (*_LABELS, *_PAIRS, "pool.", "loss.cycle"),
}
# What evaluation alone reads: a run whose other settings agree is scored again and not trained again.
_JUDGES = ("evaluation.", "data.ignore_index", "data.class_names")


def of(config: ConfigDict) -> dict[str, dict[str, Any]]:
    """Returns the fields that a run's scores depend on, as JSON holds them.

    Args:
        config: validated, before the data is known.

    Returns:
        `settings`, those that differ from the base config, and `defaults`, the others; both by dotted name. A field
        that is added or dropped later agrees with results that are older or younger while it has its default.
    """
    known, found = configs.known_fields(), {"settings": {}, "defaults": {}}
    for name, value in sorted(_read(config).items()):
        found["defaults" if value == known[name] else "settings"][name] = value
    return json.loads(json.dumps(found))


def _read(config: ConfigDict) -> dict[str, Any]:
    unread = (*PATHS, *_FREE, *_UNREAD.get(config.method, ()))
    if config.method == "op_gan" and not configs.self_supervised(config):
        unread += _SIAMESE
    elif config.method == "op_gan" and config.loss.content_form == "maps":
        unread += _TWINS
    if config.num_steps:
        unread += ("num_epochs",)
    return {name: v for name, v in configs.flatten(config).items() if not name.startswith(unread)}


def differences(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Compares what `of` returned at two times.

    Returns:
        `was ..., is ...` by the name of each field that differs.
    """
    found = {}
    for name in sorted({*before["settings"], *before["defaults"], *now["settings"], *now["defaults"]}):
        (was, was_default), (value, is_default) = (_find(side, name) for side in (before, now))
        if was != value and not (was_default and is_default and None in (was, value)):
            found[name] = f"was {was!r}, is {value!r}"
    return found


def _find(side: Mapping[str, Mapping[str, Any]], name: str) -> tuple[Any, bool]:
    """Returns a field's value, None where it did not exist, and whether it is its default."""
    if name in side["settings"]:
        return side["settings"][name], False
    return side["defaults"].get(name), True


def judges_alone(names: Mapping[str, str]) -> bool:
    """Whether all of these fields are read by evaluation alone."""
    return all(name.startswith(_JUDGES) for name in names)


def without_paths(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the changes that are written into results."""
    return {name: value for name, value in changes.items() if name not in PATHS}


def arguments(changes: Mapping[str, Any], seed: int, hide_paths: bool = False) -> list[str]:
    """Returns the launcher's arguments for changes of a recipe.

    Args:
        changes: values by field.
        seed: of the run.
        hide_paths: whether paths are replaced by `PATH`, for what is written down.
    """
    shown = {name: "PATH" if hide_paths and name in PATHS else value for name, value in changes.items()}
    return [f"--config.{name}={value}" for name, value in {**shown, "seed": seed}.items()]
