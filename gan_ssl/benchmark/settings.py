"""A config of a recipe that runs without its data: sizes from flags, labels of one's own, random batches."""

import numpy as np
from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors, methods
from gan_ssl.data import Batch

# Names of labels where the recipe leaves them to its data: as many as CelebA's usual choice.
_ATTRIBUTES = tuple(f"attribute_{i}" for i in range(5))
_GROUPS = 4


def configure(
    config: ConfigDict, *, size: int = 0, batch: int = 0, width: int = 0, blocks: int = 0, layers: int = 0
) -> ConfigDict:
    """Fills in what a benchmark sets and what else only the data would know.

    Args:
        config: a config as the recipes make it; it stays as it is.
        size: side of the images; `data.load_size` keeps its ratio to it. Here as below, 0 leaves what the recipe has.
        batch: global batch.
        width: channels of the first layer of every network.
        blocks: residual blocks of the generators.
        layers: stride-2 layers of the discriminators.

    Returns:
        A copy, validated and locked.

    Raises:
        ConfigError: a value that is not allowed.
    """
    given = {"size": size, "batch": batch, "width": width, "blocks": blocks, "layers": layers}
    for name, value in given.items():
        if value < 0:
            raise errors.ConfigError(f"--{name} is {value}; allowed: at least 1, or 0 for what the recipe has")
    config = config.copy_and_resolve_references().unlock()
    if size:
        _resize(config.data, size)
    config.model.num_blocks = blocks or config.model.num_blocks
    config.model.discriminator_layers = layers or config.model.discriminator_layers
    if width:
        config.model.width = config.model.discriminator_width = config.model.siamese_width = width
    config.num_steps = config.num_steps or 1_000_000
    config.batch_size = batch or config.batch_size or _GROUPS * config.data.images_per_group
    return configs.validate(config)


def with_labels(config: ConfigDict) -> ConfigDict:
    """Returns the config with labels that exclude nothing, where its streams have labels that it leaves to the data."""
    streams = set(methods.get(config.method).streams(config).values())
    if config.data.attributes or "labelled" not in streams:
        return config
    config = config.copy_and_resolve_references().unlock()
    config.data.attributes, config.data.exclusive = _ATTRIBUTES, ()
    return configs.validate(config)


def random_batch(config: ConfigDict, stream: str, seed: int = 0) -> Batch:
    """Returns a global batch of a stream: uint8 noise, and for labelled ones groups of equal labels.

    Raises:
        ConfigError: the stream is of a kind that this does not know.
    """
    rng, data = np.random.default_rng(seed), config.data
    images = lambda: rng.integers(0, 256, (config.batch_size, *data.image_size, 3), np.uint8)
    if stream == "unpaired":
        return {domain: images() for domain in "ab"}
    if stream not in ("labelled", "unlabelled"):
        raise errors.ConfigError(f"no random arrays for the stream {stream!r} of {config.method}")
    shape = (config.batch_size // data.images_per_group, len(data.attributes))
    label, target = rng.integers(0, 2, (2, *shape)).astype(np.float32)
    batch = {"image": images(), "target": np.tile(target, (data.images_per_group, 1))}
    return batch | ({"label": label.repeat(data.images_per_group, axis=0)} if stream == "labelled" else {})


def _resize(data: ConfigDict, size: int) -> None:
    if any(data.load_size):
        data.load_size = tuple(size * load // side for load, side in zip(data.load_size, data.image_size, strict=True))
    data.image_size = (size, size)
