"""What each field of the config may be: a check, and the words that say what is allowed."""

from collections.abc import Callable
from typing import Any

from gan_ssl import methods
from gan_ssl.networks import cyclegan, siamese, stargan

Rule = tuple[Callable[[Any], bool], str]


def _one_of(*values) -> Rule:
    return (lambda v: v in values), "one of " + ", ".join(map(str, values))


def _at_least(low) -> Rule:
    return (lambda v: v >= low), f"at least {low}"


def _between(low, high) -> Rule:
    return (lambda v: low <= v <= high), f"between {low} and {high}"


def _tuple_of(count, low, multiple=1) -> Rule:
    def check(value):
        return len(value) == count and all(isinstance(v, int) and v >= low and v % multiple == 0 for v in value)

    steps = f", multiples of {multiple}" if multiple > 1 else ""
    return check, f"{count} whole numbers of at least {low}{steps}"


def _are_names(value) -> bool:
    return all(isinstance(v, str) and v for v in value) and len(set(value)) == len(value)


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
    "data.attributes": (_are_names, "a tuple of different names"),
    "data.exclusive": (
        lambda v: all(isinstance(group, tuple) and len(group) > 1 and _are_names(group) for group in v),
        "a tuple of tuples of at least two different names",
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
        lambda v: len(v) == 0 or (len(v) == 2 and v[0] < v[1]),
        "() or (low, high) with low below high",
    ),
    "data.bits": _one_of(8, 16),
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
        lambda v: len(v) == 3 and all(s in (1, 2) for s in v),
        "3 strides of 1 or 2",
    ),
    "model.normalise": _one_of(*siamese.NORMALISATIONS),
    "model.siamese_init": _one_of("normal", "kaiming"),
    "model.ema_decay": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "pool.size": _at_least(0),
    "pool.dtype": _one_of("float32", "bfloat16"),
    "pretext.grid": _between(2, 8),
    "pretext.pairs": (
        lambda v: len(v) == 4 and all(isinstance(n, int) and n >= 0 for n in v) and sum(v) > 0,
        "4 whole numbers of at least 0, not all 0",
    ),
    "pretext.twin_patches": _at_least(1),
    "pretext.twin_grey": _between(0, 1),
    "pretext.twin_negative": _between(0, 1),
    "pretext.temperature": (lambda v: v > 0, "above 0"),
    "loss.content_form": _one_of("twins", "maps"),
    "optimizer.learning_rate": (lambda v: v > 0, "above 0"),
    "optimizer.discriminator_learning_rate": (lambda v: v > 0, "above 0"),
    "optimizer.beta1": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "optimizer.beta2": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "optimizer.constant_share": _between(0, 1),
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
        "pretext": ("twin_log_gamma", "twin_gain", "twin_offset", "twin_noise"),
    }.items()
    for name in names
}
