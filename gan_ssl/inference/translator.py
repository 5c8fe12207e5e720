"""A generator that takes pictures of any size, and compiles few programs for it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_ssl import errors, methods
from gan_ssl.training import checkpoints

DIRECTIONS = ("a2b", "b2a")
_SMALLEST_SIDE = 16  # the generator reflects at a quarter of the size, which needs some pixels there
_MOST_PROGRAMS = 32


class Translator:
    """Translates pictures whole; they are never cut into tiles, whose statistics and so brightness would differ.

    Sides are rounded up to a multiple by reflection and the result is cropped back. Each rounded size and direction is
    one compiled program of a fixed batch size, and the least recently used programs are dropped.

    Attributes:
        config: of the run.
        step: of the checkpoint.
        multiple: what sides are rounded up to.
        batch_size: pictures a call of a program; fewer are filled up.
        num_programs: programs compiled so far.
    """

    def __init__(
        self, config: ConfigDict, generator: Any, step: int = 0, multiple: int = 32, batch_size: int | None = None
    ):
        """Wraps the parameters of a generator; see `load`."""
        if multiple < 4 or multiple % 4:
            raise errors.ConfigError(f"multiple is {multiple}; allowed: positive multiples of 4")
        if batch_size is not None and batch_size < 1:
            raise errors.ConfigError(f"batch_size is {batch_size}; allowed: at least 1")
        self.config, self.step, self.multiple = config, step, multiple
        # A CPU gains nothing from batches, and would compute what fills them up.
        self.batch_size = batch_size or (1 if jax.default_backend() == "cpu" else 8)
        self.num_programs = 0
        self._translate_fn = methods.get(config.method).make_translate(config)
        self._params = jax.device_put(generator)
        self._programs: OrderedDict[tuple, Callable] = OrderedDict()

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the rounded (height, width), one a program."""
        return tuple(self.multiple * -(-max(side, _SMALLEST_SIDE) // self.multiple) for side in (height, width))

    def translate(
        self, images: np.ndarray | Sequence[np.ndarray], direction: str = "a2b"
    ) -> np.ndarray | list[np.ndarray]:
        """Translates pictures.

        Args:
            images: one picture `[height, width, 3]` or, if grey, `[height, width]`; a batch `[n, height, width, 3]`; or
                a list of pictures of any sizes. uint8 or uint16.
            direction: `a2b` or `b2a`.

        Returns:
            What went in, translated: an array, or a list for a list; the type and size of each input, always RGB.

        Raises:
            DataError: an array of another shape or type, or an unknown direction.
        """
        if direction not in DIRECTIONS:
            raise errors.DataError(f"direction is {direction!r}; allowed: {', '.join(DIRECTIONS)}")
        if isinstance(images, np.ndarray):
            if images.ndim == 4:
                return np.stack(self._translate_list(list(images), direction)) if len(images) else images
            return self._translate_list([images], direction)[0]
        return self._translate_list([np.asarray(image) for image in images], direction)

    def _translate_list(self, images: list[np.ndarray], direction: str) -> list[np.ndarray]:
        images = [_as_rgb(image) for image in images]
        by_size: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            by_size.setdefault(self.padded_size(*image.shape[:2]), []).append(i)
        translated: list[np.ndarray] = [None] * len(images)
        for size, members in by_size.items():
            for start in range(0, len(members), self.batch_size):
                chosen = members[start : start + self.batch_size]
                for i, output in zip(chosen, self._run([images[i] for i in chosen], size, direction), strict=True):
                    translated[i] = output
        return translated

    def _run(self, images: list[np.ndarray], size: tuple[int, int], direction: str) -> list[np.ndarray]:
        batch = np.zeros((self.batch_size, *size, 3), np.float32)
        for i, image in enumerate(images):
            far = [(0, wanted - side) for wanted, side in zip(size, image.shape[:2], strict=True)]
            # Repeats the edge pixel, so that pictures of one pixel can be reflected too.
            batch[i] = np.pad(image, (*far, (0, 0)), mode="symmetric") / (np.iinfo(image.dtype).max / 2) - 1
        batch[len(images) :] = batch[0]
        output = np.asarray(self._program(batch.shape, direction)(self._params, batch), np.float32)
        return [_as_integers(y[: x.shape[0], : x.shape[1]], x.dtype) for x, y in zip(images, output, strict=False)]

    def _program(self, shape: tuple[int, ...], direction: str) -> Callable:
        key = (shape, direction)
        if key not in self._programs:
            program = jax.jit(lambda params, images: self._translate_fn(params, images, direction))
            self._programs[key] = program.lower(self._params, jax.ShapeDtypeStruct(shape, np.float32)).compile()
            self.num_programs += 1
            if len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]


def load(workdir: str, step: int | None = None, multiple: int = 32, batch_size: int | None = None) -> Translator:
    """Loads the generators of a work directory, which is only read.

    Args:
        workdir: of a run, or made by `convert`.
        step: which checkpoint; None for the newest.
        multiple: sides are rounded up to a multiple of it; larger ones compile fewer programs.
        batch_size: pictures a call of a program; None is 1 on a CPU, 8 elsewhere.

    Returns:
        The translator.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if not workdir:
        raise errors.CheckpointError("workdir is empty; allowed: the folder of a run (--workdir=DIR)")
    loaded = checkpoints.load(workdir, step)
    return Translator(loaded.config, loaded.params["generator"], loaded.step, multiple, batch_size)


def _as_rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size or image.dtype not in (np.uint8, np.uint16):
        raise errors.DataError(
            f"a picture has shape {image.shape} and type {image.dtype}; "
            "allowed: [height, width, 3] or [height, width], uint8 or uint16"
        )
    return image


def _as_integers(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.round((np.clip(images, -1, 1) + 1) * (top / 2)).astype(dtype)
