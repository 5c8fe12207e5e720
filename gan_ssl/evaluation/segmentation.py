"""Networks that learn to segment real images of domain b, and then judge what a translator makes of domain a.

One is no judge: two that were trained alike can differ by points on pictures of another look. Several are trained,
with photometric jitter, and kept in the user's cache.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_ssl import data, errors, pretext
from gan_ssl.data.images import normalise
from gan_ssl.evaluation import cache
from gan_ssl.evaluation.batches import in_batches
from gan_ssl.evaluation.segmentation_networks import NETWORKS

LEARNING_RATE = 1.5e-2
JITTER = {"log_gamma": 0.5, "gain": 0.3, "offset": 0.1, "noise": 0.05, "grey": 0.3, "negative": 0.0}
_PREDICT_BATCH = 16
_CACHE_VERSION = 1  # to be raised whenever the same settings train another segmenter than before


class Segmenter(NamedTuple):
    """A trained network."""

    net: nn.Module
    params: dict

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Segments `[n, height, width, 3]` uint8 or uint16 images: `[n, height, width]` uint8 class indices."""
        return in_batches(lambda chunk: _predict(self.net, self.params, chunk), _PREDICT_BATCH, images)


@jax.jit(static_argnums=0)
def _predict(net: nn.Module, params: dict, images: jax.Array) -> jax.Array:
    return jnp.argmax(net.apply({"params": params}, normalise(images)), axis=-1).astype(jnp.uint8)


def jitter_images(rng: jax.Array, images: jax.Array) -> jax.Array:
    """Draws each image another light, tint, noise and blur; `[batch, height, width, 3]` in [-1, 1]."""
    light, mix = jax.random.split(rng)
    images = pretext.photometric_twin(light, images, JITTER)
    blurred = images
    for axis in (1, 2):
        pads = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded, size = jnp.pad(blurred, pads, mode="edge"), images.shape[axis]
        left, right = (jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in (0, 2))
        blurred = 0.5 * blurred + 0.25 * (left + right)
    share = jax.random.uniform(mix, (images.shape[0], 1, 1, 1))
    return images + share * (blurred - images)


def _make_step(net: nn.Module, tx: optax.GradientTransformation, options: ConfigDict, ignore_index: int) -> Callable:
    """Returns `step(params, opt_state, rng, images, labels)`, which draws a batch of all images and updates."""

    def loss_fn(params, images, labels):
        valid = labels != ignore_index
        logits = net.apply({"params": params}, images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(valid, labels, 0).astype(jnp.int32))
        return jnp.sum(losses * valid) / jnp.maximum(jnp.sum(valid), 1)

    def step(params, opt_state, rng, images, labels):
        draw, flip, jitter = jax.random.split(rng, 3)
        index = jax.random.randint(draw, (options.segmenter_batch_size,), 0, images.shape[0])
        images, labels = normalise(images[index]), labels[index]
        flipped = jax.random.bernoulli(flip, shape=(len(index), 1, 1))
        images = jnp.where(flipped[..., None], images[:, :, ::-1], images)
        labels = jnp.where(flipped, labels[:, :, ::-1], labels)
        images = jitter_images(jitter, images) if options.jitter else images
        updates, opt_state = tx.update(jax.grad(loss_fn)(params, images, labels), opt_state)
        return optax.apply_updates(params, updates), opt_state

    return jax.jit(step, donate_argnums=(0, 1))


def train(
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    options: ConfigDict,
    ignore_index: int,
    seeds: Sequence[int],
) -> list[Segmenter]:
    """Trains a segmenter a seed; all share one compiled step.

    Args:
        images: `[n, height, width, 3]` uint8 or uint16.
        labels: `[n, height, width]` class indices.
        num_classes: number of classes.
        options: `config.evaluation`.
        ignore_index: label that has no loss.
        seeds: of weights, batches and jitter.

    Returns:
        The segmenters, in the order of the seeds.
    """
    net = NETWORKS[options.segmenter](num_classes, options.segmenter_width)
    steps = options.segmenter_steps
    warmup = min(50, steps // 10)
    tx = optax.adam(optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, warmup, max(steps, warmup + 1)))
    step = _make_step(net, tx, options, ignore_index)
    images, labels = jax.device_put((images, labels))
    init, trained = jax.jit(lambda key: net.init(key, normalise(images[:1]))["params"]), []
    with tqdm(total=steps * len(seeds), desc="segmenters", unit="step", disable=None) as progress:
        for seed in seeds:
            key = jax.random.key(seed)
            params = init(key)
            opt_state = tx.init(params)
            for i in range(steps):
                params, opt_state = step(params, opt_state, jax.random.fold_in(key, i), images, labels)
                if i % 10 == 9:
                    jax.block_until_ready(params)  # so that the bar shows what is done, not what is queued
                progress.update()
            trained.append(Segmenter(net, params))
    return trained


def cache_dir() -> Path:
    """Returns the folder of trained segmenters, below the user's cache."""
    return cache.folder("segmenters")


def _cache_key(config: ConfigDict, fingerprint: str, num_classes: int) -> str:
    fields = config.data.to_dict() | config.evaluation.to_dict()
    names = "image_size load_size intensity_range bits ignore_index segmenter_steps segmenter_width "
    names += "segmenter_batch_size jitter"
    return cache.key(_CACHE_VERSION, fingerprint, num_classes, {name: fields[name] for name in names.split()})


@cache.one_at_a_time
def trained_segmenters(config: ConfigDict) -> list[Segmenter]:
    """Returns `config.evaluation.num_segmenters` segmenters of domain b, from the cache or trained now.

    Args:
        config: of the run that is evaluated.

    Returns:
        The segmenters.

    Raises:
        DataError: domain b has no training images, or no labels for them.
    """
    source = data.open_source(config, "train", "b")
    num_classes = source.num_classes
    if not num_classes:
        raise errors.DataError("the training images of domain b have no labels, so no segmenter can learn from them")
    key = _cache_key(config, source.fingerprint(), num_classes)
    count = config.evaluation.num_segmenters
    paths = [cache_dir() / f"{config.evaluation.segmenter}_{key}_{seed}.msgpack" for seed in range(count)]
    net = NETWORKS[config.evaluation.segmenter](num_classes, config.evaluation.segmenter_width)
    cached = [cache.read(path) for path in paths]
    found = [None if params is None else Segmenter(net, params) for params in cached]
    missing = [seed for seed in range(count) if found[seed] is None]
    if missing:
        arrays = data.evaluation_arrays(config, "train", "b")
        options, ignore = config.evaluation, config.data.ignore_index
        for seed, new in zip(
            missing, train(arrays["image"], arrays["label"], num_classes, options, ignore, missing), strict=True
        ):
            cache.write(paths[seed], new.params)
            found[seed] = new
    return found  # pyright: ignore[reportReturnType] the missing ones were trained
