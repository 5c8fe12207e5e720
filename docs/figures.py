"""The figures of the page on the methods, drawn by the code that training uses: python docs/figures.py FOLDER."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_ssl import plots, pretext
from gan_ssl.data import face_drawing, images, scene_drawing

_GRID, _SIDE = 3, 128


def patch_pairs() -> np.ndarray:
    """Pairs of each scenario, of a scene by night and the same by day."""
    a, b = _scene(5)
    pairs = pretext.sample_patch_pairs(jax.random.key(1), a, b, _GRID, pairs_per_image=(3, 3, 3, 3))
    names = ("D1: both of a", "D2: both of b", "C1: same place", "C2: other place")
    columns = {}
    for i, name in enumerate(names):
        of_kind = slice(3 * i, 3 * i + 3)
        beside = np.concatenate(
            [pairs.first[of_kind], np.ones_like(pairs.first[of_kind])[:, :, :2], pairs.second[of_kind]], axis=2
        )
        columns[name] = beside
    return plots.image_grid(columns)


def scene() -> np.ndarray:
    """A scene by night and by day, cut into patches."""
    return plots.image_grid({name: _with_lines(image) for name, image in zip("ab", _scene(5), strict=True)})


def twins() -> np.ndarray:
    """Patches, and the same in other lights."""
    patches = pretext.cut_patches(_scene(5)[1], _GRID)[0, 3:6]
    lights = {f"light {i}": pretext.photometric_twin(jax.random.key(i), patches, {"local": 1.0}) for i in range(1, 6)}
    return plots.image_grid({"patch": np.asarray(patches), **{k: np.asarray(v) for k, v in lights.items()}})


def triplets() -> np.ndarray:
    """The first anchors of each group, with the image that matches and the one that does not."""
    labels = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 1]], np.uint8)
    batch = np.stack([face_drawing.draw_face(0, "train", i, 64, labels[i // 4]) for i in range(16)])
    first, second, same = pretext.match_triplets(groups=4, images_per_group=4)
    anchors = first[same][::2]
    return plots.image_grid(
        {"anchor": batch[anchors], "matches": batch[second[same][::2]], "does not": batch[second[~same][::2]]}
    )


def _scene(index: int) -> tuple[jax.Array, jax.Array]:
    drawn = scene_drawing.draw_scene(0, "test", "a", index, _SIDE)
    return tuple(jnp.asarray(images.normalise(drawn[part]))[None] for part in ("image", "truth"))


def _with_lines(image: jax.Array) -> np.ndarray:
    """The image with white lines between its patches."""
    lined = plots.to_uint8(image).copy()
    for i in range(1, _GRID):
        at = i * (_SIDE // _GRID)
        lined[:, at, :] = lined[:, :, at] = 255
    return lined


def draw(folder: Path) -> None:
    """Writes all figures."""
    for figure in (scene, patch_pairs, twins, triplets):
        plots.save_image(folder / f"{figure.__name__}.png", figure())


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
