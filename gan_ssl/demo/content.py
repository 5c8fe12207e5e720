"""What OP-GAN's siamese network sees as the content of a picture and of its translation, as pictures."""

import numpy as np
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import methods
from gan_ssl.data.images import normalise
from gan_ssl.losses.self_supervised import place_cosine
from gan_ssl.methods.op_gan import patch_size
from gan_ssl.training import compilation
from gan_ssl.training.checkpoints import Loaded


class Content:
    """Draws the content branch's answers, patch by patch, as it was trained.

    A run of the form `maps` has a number a pixel: a map of each of both, in grey from the least to the most of both.
    One of the form `twins` has a direction in feature space a place, and its generators are held to the cosine of two
    of them: that is drawn, from black (0 or less) to white (1, the same content).
    """

    def __init__(self, loaded: Loaded):
        """Wraps a checkpoint of OP-GAN."""
        net = methods.get(loaded.config.method).create_networks(loaded.config).siamese
        self._patch = patch_size(loaded.config)
        self._maps = maps = loaded.config.loss.content_form == "maps"
        self._params = loaded.params["discriminator"]["siamese"]

        def answer(params, pair):
            content, _ = net.apply({"params": params}, pair.reshape(-1, *pair.shape[2:]), method="features")
            if maps:
                content = net.apply({"params": params}, content, self._patch, method="content_map")
                return content.reshape(*pair.shape[:2], *self._patch)
            return place_cosine(*content.reshape(*pair.shape[:2], *content.shape[1:]))[None]

        self._answer_fn = compilation.jit(answer)

    def __call__(self, picture: np.ndarray, translation: np.ndarray) -> dict[str, np.ndarray]:
        """Draws what both have for content.

        Args:
            picture: `[height, width, 3]` uint8.
            translation: the same shape.

        Returns:
            Drawings of that shape by caption.
        """
        pair = np.stack([picture, translation])
        height, width = picture.shape[:2]
        far = [(0, -side % patch) for side, patch in zip((height, width), self._patch, strict=True)]
        pair = np.pad(pair, ((0, 0), *far, (0, 0)), mode="symmetric")
        rows, columns = (side // patch for side, patch in zip(pair.shape[1:3], self._patch, strict=True))
        patches = normalise(pair).reshape(2, rows, self._patch[0], columns, self._patch[1], 3).swapaxes(2, 3)
        answers = np.asarray(self._answer_fn(self._params, patches.reshape(2, -1, *self._patch, 3)))
        tiled = answers.reshape(-1, rows, columns, *answers.shape[2:]).swapaxes(2, 3)
        tiled = tiled.reshape(len(answers), rows * answers.shape[2], columns * answers.shape[3])
        low, high = (tiled.min(), tiled.max()) if self._maps else (0.0, 1.0)
        grey = np.uint8(np.round(255 * np.clip((tiled - low) / max(high - low, 1e-6), 0, 1)))
        drawn = [np.asarray(Image.fromarray(x).resize(pair.shape[2:0:-1], Image.Resampling.BILINEAR)) for x in grey]  # pyright: ignore[reportGeneralTypeIssues] an array
        captions = ("content map of the picture", "content map of the translation")
        if not self._maps:
            captions = ("content kept (white: the siamese network sees the same)",)
        return {c: np.repeat(x[:height, :width, None], 3, axis=-1) for c, x in zip(captions, drawn, strict=True)}


def knows_content(loaded: Loaded) -> bool:
    """Whether the run has a siamese network that was trained; `convert` makes a fresh one at step 0."""
    return loaded.step > 0 and "siamese" in loaded.params["discriminator"] and configs.self_supervised(loaded.config)
