"""A small classifier of attributes: the judge of GAN-test and GAN-train, and the features of set distances."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_ssl import data
from gan_ssl.data.images import normalise
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.evaluation import cache, labelled_images
from gan_ssl.evaluation.batches import in_batches
from gan_ssl.methods.match_gan import read_labels
from gan_ssl.networks.layers import Conv, WholeMap, average_halve

BATCH_SIZE = 32
LEARNING_RATE = 5e-3
MOST_IMAGES = 20_000  # of the training split; more would fill the memory and teach little
_LEVELS = 4
_SMALLEST_SIDE = 32
_LIGHT = 0.1
_PREDICT_BATCH = 32
_CACHE_VERSION = 1  # to be raised whenever the same settings train another classifier than before


class AttributeNet(nn.Module):
    """Convolutions on an image that is first folded to about 32 to 63 pixels a side, so that any size costs the same.

    Attributes:
        num_labels: logits.
        width: channels of the first layer; doubled a level.
    """

    num_labels: int
    width: int = 16

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns logits `[n, num_labels]` and pooled features `[n, 8 * width]` for images of any size in [-1, 1]."""
        x = _fold(images)
        for level in range(_LEVELS):
            features = self.width * 2**level
            x = Conv(
                features, 3, padding=1, use_bias=False, kernel_init=nn.initializers.he_normal(), name=f"conv_{level}"
            )(x)
            x = nn.GroupNorm(num_groups=None, group_size=max(1, self.width // 2), name=f"norm_{level}")(x)
            x = nn.relu(x)
            x = average_halve(x) if level < _LEVELS - 1 else x
        # A head that sees where things are learns a smile in half the steps of one that sees their mean.
        logits = WholeMap(self.num_labels, name="labels")(x)
        bias = self.param("bias", nn.initializers.zeros, (self.num_labels,), jnp.float32)
        return logits + bias[None], jnp.mean(x, axis=(1, 2))


def _fold(images: jax.Array) -> jax.Array:
    """Moves blocks of pixels into channels until the shorter side is below 64, and fills up what cannot be halved."""
    factor = 1
    while min(images.shape[1:3]) >= 2 * factor * _SMALLEST_SIDE:
        factor *= 2
    far = [(0, -side % (factor * 2 ** (_LEVELS - 1))) for side in images.shape[1:3]]
    x = jnp.pad(images, ((0, 0), *far, (0, 0)), mode="symmetric")
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // factor, factor, width // factor, factor, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // factor, width // factor, factor**2 * channels)


class Judged(NamedTuple):
    """What a classifier says of pictures.

    Attributes:
        labels: `[n, num_labels]` uint8, one of each exclusive group.
        features: `[n, dim]` float32.
        probabilities: an array `[n, answers]` float32 a question, see `questions`.
    """

    labels: np.ndarray
    features: np.ndarray
    probabilities: tuple[np.ndarray, ...]


class Classifier(NamedTuple):
    """A trained network."""

    net: AttributeNet
    params: dict
    space: LabelSpace

    def judge(self, images: np.ndarray) -> Judged:
        """Looks at `[n, height, width, 3]` uint8 or uint16 pictures."""
        judge = lambda chunk: _judge(self.net, self.space, self.params, chunk)
        return Judged(*in_batches(judge, _PREDICT_BATCH, images))


def questions(space: LabelSpace) -> list[tuple[str, ...]]:
    """Returns what is asked of an image: which member of each exclusive group, and whether each other attribute."""
    free = [(name,) for name in space.attributes if not space.group_of(name)]
    return [*space.exclusive, *free]


def _places(space: LabelSpace, names: tuple[str, ...]) -> np.ndarray:
    return np.array([space.place(name) for name in names])


@jax.jit(static_argnums=(0, 1))
def _judge(net: AttributeNet, space: LabelSpace, params: dict, images: jax.Array) -> tuple[Any, ...]:
    logits, features = net.apply({"params": params}, normalise(images))
    answers = []
    for names in questions(space):
        asked = logits[:, _places(space, names)]
        answers.append(jax.nn.softmax(asked if len(names) > 1 else jnp.concatenate([jnp.zeros_like(asked), asked], 1)))
    return read_labels(logits, space).astype(jnp.uint8), features, tuple(answers)


def loss_of(logits: jax.Array, labels: jax.Array, space: LabelSpace) -> jax.Array:
    """Cross-entropy summed over the questions, mean over the batch; labels are float 0 or 1."""
    total = jnp.zeros(())
    for names in questions(space):
        z, y = logits[:, _places(space, names)], labels[:, _places(space, names)]
        loss = optax.softmax_cross_entropy(z, y) if len(names) > 1 else optax.sigmoid_binary_cross_entropy(z, y)[:, 0]
        total = total + jnp.mean(loss)
    return total


def _make_step(net: AttributeNet, tx: optax.GradientTransformation, space: LabelSpace) -> Callable:
    """Returns `step(params, opt_state, rng, images, labels)`, which draws a batch of all images and updates."""

    def loss_fn(params, images, labels):
        return loss_of(net.apply({"params": params}, images)[0], labels, space)

    def step(params, opt_state, rng, images, labels):
        draw, flip, light = jax.random.split(rng, 3)
        index = jax.random.randint(draw, (BATCH_SIZE,), 0, images.shape[0])
        x, y = normalise(images[index]), labels[index].astype(jnp.float32)
        x = jnp.where(jax.random.bernoulli(flip, shape=(BATCH_SIZE, 1, 1, 1)), x[:, :, ::-1], x)
        # Little, since colours are labels; and no noise a pixel, whose drawing would take as long as the network.
        gain, offset = _LIGHT * jax.random.uniform(light, (2, BATCH_SIZE, 1, 1, 1), minval=-1, maxval=1)
        x = x * (1 + gain) + offset
        updates, opt_state = tx.update(jax.grad(loss_fn)(params, x, y), opt_state)
        return optax.apply_updates(params, updates), opt_state

    return jax.jit(step, donate_argnums=(0, 1))


def train(
    images: np.ndarray, labels: np.ndarray, space: LabelSpace, options: ConfigDict, seed: int = 0, name: str = "real"
) -> Classifier:
    """Trains a classifier.

    Args:
        images: `[n, height, width, 3]` uint8 or uint16.
        labels: `[n, num_labels]` 0 or 1.
        space: what the labels mean.
        options: `config.evaluation`.
        seed: of weights and batches.
        name: what the progress bar calls the images.

    Returns:
        The classifier.
    """
    net, steps = AttributeNet(len(space.attributes), options.classifier_width), options.classifier_steps
    warmup = min(50, steps // 10)
    tx = optax.adam(optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, warmup, max(steps, warmup + 1)))
    step, key = _make_step(net, tx, space), jax.random.key(seed)
    images, labels = jax.device_put((images, labels))
    params = jax.jit(lambda key: net.init(key, normalise(images[:1]))["params"])(key)
    opt_state = tx.init(params)
    for i in tqdm(range(steps), desc=f"classifier of {name} images", unit="step", disable=None):
        params, opt_state = step(params, opt_state, jax.random.fold_in(key, i), images, labels)
        if i % 10 == 9:
            jax.block_until_ready(params)  # so that the bar shows what is done, not what is queued
    return Classifier(net, params, space)


def cache_dir() -> Path:
    """Returns the folder of trained classifiers, below the user's cache."""
    return cache.folder("classifiers")


@cache.one_at_a_time
def trained_classifier(config: ConfigDict, space: LabelSpace) -> Classifier:
    """Returns the classifier of the real training images, from the cache or trained now.

    All labels of the training split are used, whatever share of them the run had: it is a judge.

    Args:
        config: of the run that is evaluated.
        space: its label space.

    Returns:
        The classifier.

    Raises:
        DataError: the training images cannot be used.
    """
    fields = config.data.to_dict() | config.evaluation.to_dict()
    names = ("image_size", "center_crop", "intensity_range", "bits", "classifier_steps", "classifier_width")
    fingerprint = data.open_attributes(config, "train").fingerprint()
    key = cache.key(_CACHE_VERSION, fingerprint, space.attributes, space.exclusive, {n: fields[n] for n in names})
    path = cache_dir() / f"attributes_{key}.msgpack"
    params = cache.read(path)
    if params is not None:
        return Classifier(AttributeNet(len(space.attributes), config.evaluation.classifier_width), params, space)
    real = labelled_images.load(config, "train", space, MOST_IMAGES)
    trained = train(real.images, real.labels, space, config.evaluation)
    cache.write(path, trained.params)
    return trained
