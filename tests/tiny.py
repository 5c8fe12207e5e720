"""The smallest config and data that still run through everything."""

from pathlib import Path

import jax
import numpy as np
from PIL import Image

from gan_ssl.config import base_config


def config(*changes: str, **overrides):
    """Returns a tiny OP-GAN config; overrides are flat names with __ for dots, `loss__domain=0.0`."""
    tiny = base_config()
    tiny.update_from_flattened_dict(
        {
            "num_steps": 8,
            "batch_size": 4,
            "num_devices": 1,
            "sample_steps": 0,
            "data.image_size": (24, 24),
            "model.width": 4,
            "model.num_blocks": 1,
            "model.discriminator_width": 4,
            "model.discriminator_layers": 1,
            "model.siamese_width": 2,
            "model.siamese_strides": (1, 2, 2),
            "model.ema_decay": 0.9,
            "pool.size": 2,
            "pretext.twin_negative": 0.4,
        }
        | {name.replace("__", "."): value for name, value in overrides.items()}
    )
    return tiny


def faces_config(**overrides):
    """Returns a tiny MatchGAN config of the embedded faces, its label space filled in; overrides as in `config`."""
    hair = ("Black_Hair", "Blond_Hair", "Brown_Hair")
    settings = {
        "method": "match_gan",
        "batch_size": 8,
        "generator_every": 3,
        "data__name": "faces",
        "data__attributes": (*hair, "Smiling", "Eyeglasses"),
        "data__exclusive": (hair,),
        "data__labelled_fraction": 0.5,
        "data__image_size": (16, 16),
        "model__discriminator_layers": 2,
        "optimizer__learning_rate": 1e-4,
        "optimizer__discriminator_learning_rate": 1e-4,
    }
    return config(**(settings | overrides))


def labelled_batch(config, side: int = 16, seed: int = 0, labels: bool = True) -> dict[str, np.ndarray]:
    """Returns random images of the label combinations, in groups, with interleaved targets."""
    rng = np.random.default_rng(seed)
    size, each = config.batch_size, config.data.images_per_group
    hair, free = np.eye(3, dtype=np.float32), np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    combinations = np.concatenate([hair.repeat(4, axis=0), np.tile(free, (3, 1))], axis=1)
    source, target = (combinations[rng.permutation(12)[: size // each]] for _ in range(2))
    made = {"image": rng.integers(0, 256, (size, side, side, 3), dtype=np.uint8), "target": np.tile(target, (each, 1))}
    return made | ({"label": source.repeat(each, axis=0)} if labels else {})


def batch(size: int = 4, side: int = 24, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns random images of both domains."""
    rng = np.random.default_rng(seed)
    return {d: rng.integers(0, 256, (size, side, side, 3), dtype=np.uint8) for d in "ab"}


def folder(root: Path, count: int = 5, side: int = 24, labels: bool = False) -> str:
    """Writes a folder in CycleGAN's form, with smooth random images, and returns it."""
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / split).mkdir(parents=True)
        for i in range(count):
            coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((side, side), Image.BILINEAR).save(root / split / f"{i}.png")
        if labels:
            (root / f"{split}_labels").mkdir()
            for i in range(count):
                label = np.zeros((side, side), np.uint8)
                label[:, side // 2 :] = 1
                Image.fromarray(label).save(root / f"{split}_labels" / f"{i}.png")
    return str(root)


def classes(root: Path, side: int = 16) -> str:
    """Writes a folder a class, three of unequal size, and returns the root."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, count in (("calm", 9), ("glad", 7), ("stunned", 5)):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((side, side), Image.BILINEAR).save(root / split / name / f"{i}.png")
    return str(root)


def assert_agree(ours, wanted) -> None:
    """Compares a player's parameters after some steps on other numbers of devices, to 1e-4.

    Adam divides a gradient by its size. Where a gradient cancels to rounding noise the step is noise as well, at most
    the rate, so that one element in a thousand may differ by more.
    """
    close = lambda x, y: np.abs(np.asarray(x) - np.asarray(y)).ravel()
    apart = np.concatenate(jax.tree.leaves(jax.tree.map(close, ours.params, wanted.params)))
    assert np.mean(apart > 1e-4) < 1e-3 and apart.max() < 1e-3, (np.sum(apart > 1e-4), len(apart), apart.max())


def assert_same_gradients(ours, wanted) -> None:
    """Compares a player's first gradients, as Adam's mean keeps them, to 1e-4 of the largest in their array."""
    means = (jax.tree.leaves(player.opt_state[0].mu) for player in (ours, wanted))
    for x, y in zip(*means, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-4 * np.abs(y).max() + 1e-9)
