"""Runs whose networks do something, drawn pictures, and whether an exported file translates them as the run does."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from gan_ssl import data, inference, methods
from gan_ssl.data import face_drawing, scene_drawing
from gan_ssl.data.images import to_bits
from gan_ssl.training import checkpoints

# Batch, height, width.
SHAPES = ((1, 16, 16), (3, 24, 32))
TOLERANCE = 1e-4


def workdir(path: Path, config) -> str:
    """Makes a work directory of random weights that are large enough for every layer and label to show."""
    state = jax.jit(lambda key: methods.get(config.method).create_state(key, config))(jax.random.key(0))
    rng = np.random.default_rng(0)
    params = {"generator": state.generator.params, "discriminator": state.discriminator.params}
    params = jax.tree.map(lambda x: np.asarray(x) + rng.normal(0, 0.15, x.shape).astype(np.float32), params)
    checkpoints.save_weights(str(path), config, params)
    return str(path)


def pictures(method: str, count: int, height: int, width: int) -> np.ndarray:
    """Draws test images in 16 bits, whose translations are rounded by less than the tolerance."""
    if method == "op_gan":
        drawn = [scene_drawing.draw_scene(0, "test", "a", i, 64)["image"] for i in range(count)]
    else:
        labels = [face_drawing.draw_labels(0, "test", i) for i in range(count)]
        drawn = [face_drawing.draw_face(0, "test", i, 32, label) for i, label in enumerate(labels)]
    return to_bits(np.stack(drawn)[:, :height, :width], 16)


def assert_translates(run: Callable[..., np.ndarray], workdir: str, direction: str = "", shapes=SHAPES) -> None:
    """Compares `run(images[, labels])` with the run's translator."""
    translator = inference.load(workdir, multiple=4)
    space = getattr(translator, "label_space", None)
    for shape in shapes:
        images = pictures(translator.config.method, *shape)
        labels = []
        if space:
            wanted = np.stack(
                [space.edit(np.eye(len(space.attributes))[0], {"Smiling": i % 2}) for i in range(shape[0])]
            )
            labels = [wanted.astype(np.float32)]
        want = translator.translate(images, labels[0] if space else direction)
        made = np.asarray(run(data.normalise(images), *labels))
        assert made.dtype == np.float32 and made.shape == images.shape
        assert want.std() > 0.1 * 65535, "translations that hardly differ from grey prove little"
        np.testing.assert_allclose(made, data.normalise(want), rtol=0, atol=TOLERANCE)
