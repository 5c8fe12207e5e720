"""What each field of the config may be: a check, and the words that say what is allowed."""

from collections.abc import Callable
from typing import Any

from gan_ssl import methods
from gan_ssl.networks import cyclegan, siamese, stargan

Rule = tuple[Callable[[Any], bool], str]

# What JAX's integers hold.
MOST_INT = 2**31 - 1
# Sides of images; larger ones would fill any memory.
_MOST_PIXELS = 2**14


def _one_of(*values) -> Rule:
    return (lambda v: v in values), "one of " + ", ".join(map(str, values))


def _at_least(low) -> Rule:
    return (lambda v: v >= low), f"at least {low}"


def _between(low, high) -> Rule:
    return (lambda v: low <= v <= high), f"between {low} and {high}"


def _tuple_of(count, low, multiple=1) -> Rule:
    def check(value):
        fits = lambda v: isinstance(v, int) and low <= v <= _MOST_PIXELS and v % multiple == 0
        return len(value) == count and all(map(fits, value))

    steps = f", multiples of {multiple}" if multiple > 1 else ""
    return check, f"{count} whole numbers of at least {low} and at most {_MOST_PIXELS}{steps}"


def _are_names(value) -> bool:
    return all(isinstance(v, str) and v and v.isprintable() for v in value) and len(set(value)) == len(value)


def _is_range(value) -> bool:
    if len(value) != 2 or not all(isinstance(v, int | float) and abs(v) < 2**53 for v in value):
        return False
    return value[0] < value[1]


# What data.name may be, besides tfds:NAME: sets of two domains, and sets of images with labels.
DOMAIN_DATA = ("scenes", "folder")
LABEL_DATA = ("faces", "celeba", "rafd", "classes", "csv")
DATA_NAMES = (*DOMAIN_DATA, *LABEL_DATA)

RULES: dict[str, Rule] = {
    "method": ((lambda v: v in methods.NAMES), "one of " + ", ".join(methods.NAMES)),
    "seed": _between(0, 2**31 - 1),
    "num_steps": _at_least(0),
    "num_epochs": _at_least(0),
    "batch_size": _at_least(0),
    "num_devices": _at_least(0),
    "precision": _one_of("float32", "bfloat16"),
    "steps_per_call": _at_least(1),
    "log_steps": _at_least(1),
    "sample_steps": _at_least(0),
    "checkpoint_steps": _at_least(1),
    "keep_checkpoints": _at_least(1),
    "generator_every": (
        lambda v: v > 0 and v % 2 == 1,
        "an odd number: with an even one the generator sees one stream only",
    ),
    "data.name": (
        lambda v: v in DATA_NAMES or (v.startswith("tfds:") and len(v) > 5),
        ", ".join(DATA_NAMES) + " or tfds:NAME",
    ),
    "data.attributes": (_are_names, "a tuple of different names that can be printed"),
    "data.exclusive": (
        lambda v: all(isinstance(group, tuple) and len(group) > 1 and _are_names(group) for group in v),
        "a tuple of tuples of at least two different names that can be printed",
    ),
    "data.labelled_fraction": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
    "data.labelled_count": _at_least(0),
    "data.images_per_group": (lambda v: v > 0 and v % 4 == 0, "a multiple of 4: quadruples of one label"),
    "data.center_crop": _at_least(0),
    "data.image_size": _tuple_of(2, 8, multiple=4),
    "data.load_size": _tuple_of(2, 0),
    "data.workers": _at_least(0),
    "data.max_pixels": _at_least(1),
    "data.intensity_range": (
        lambda v: len(v) == 0 or _is_range(v),
        "() or (low, high), two numbers, with low below high",
    ),
    "data.bits": _one_of(8, 16),
    "data.class_names": (
        lambda v: len(v) <= 256 and all(isinstance(name, str) and name.isprintable() for name in v),
        "a tuple of at most 256 names that can be printed",
    ),
    "data.ignore_index": _between(0, 255),
    "model.width": _at_least(1),
    "model.num_blocks": _at_least(0),
    "model.upsample": _one_of(*cyclegan.UPSAMPLINGS),
    "model.discriminator_width": _at_least(1),
    "model.discriminator_layers": _between(1, 6),
    "model.match_head": _one_of(*stargan.MATCH_HEADS),
    "model.condition": _one_of(*stargan.CONDITIONS),
    "model.discriminator_init": _one_of("uniform", "kaiming"),
    "model.siamese_width": _at_least(1),
    "model.siamese_strides": (
        lambda v: 3 <= len(v) <= 5 and all(s in (1, 2) for s in v),
        "3 to 5 strides of 1 or 2",
    ),
    "model.normalise": _one_of(*siamese.NORMALISATIONS),
    "model.siamese_init": _one_of("normal", "kaiming"),
    "model.ema_decay": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "pool.size": _at_least(0),
    "pool.dtype": _one_of("float32", "bfloat16"),
    "pretext.grid": _between(2, 8),
    "pretext.pairs": (
        lambda v: len(v) == 4 and all(isinstance(n, int) and 0 <= n <= MOST_INT for n in v) and sum(v) > 0,
        "4 whole numbers of at least 0, not all 0",
    ),
    "pretext.twin_patches": _at_least(1),
    "pretext.places": _at_least(2),
    "pretext.twin_grey": _between(0, 1),
    "pretext.twin_negative": _between(0, 1),
    "pretext.temperature": (lambda v: v > 0, "above 0"),
    "loss.content_left": _between(0, 1),
    "loss.registered": _one_of("features", "relations"),
    "loss.content_form": _one_of("twins", "maps"),
    "optimizer.learning_rate": (lambda v: v > 0, "above 0"),
    "optimizer.discriminator_learning_rate": (lambda v: v > 0, "above 0"),
    "optimizer.beta1": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "optimizer.beta2": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "optimizer.constant_share": _between(0, 1),
    "evaluation.segmenter": _one_of("unet", "pspnet"),
    "evaluation.num_segmenters": _at_least(1),
    "evaluation.segmenter_steps": _at_least(1),
    "evaluation.segmenter_width": _at_least(1),
    "evaluation.segmenter_batch_size": _at_least(1),
    "evaluation.classifier_steps": _at_least(1),
    "evaluation.classifier_width": _at_least(1),
    "evaluation.limit": _at_least(0),
} | {
    f"{group}.{name}": _at_least(0)
    for group, names in {
        "loss": (
            *("adversarial", "cycle", "identity", "content", "twin", "contrast", "domain"),
            *("gradient_penalty", "classification", "reconstruction", "match"),
        ),
        "pretext": ("twin_log_gamma", "twin_gain", "twin_offset", "twin_noise", "twin_local"),
    }.items()
    for name in names
}
