"""What translators share: pictures of any size and type through few compiled programs."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from gan_ssl import errors, methods
from gan_ssl.data.images import normalise
from gan_ssl.training import compilation
from gan_ssl.training.checkpoints import Loaded

Pictures = np.ndarray | Sequence[np.ndarray]
SameForm = TypeVar("SameForm", np.ndarray, list[np.ndarray])  # what comes as an array leaves as one
_SMALLEST_SIDE = 16  # the generator reflects at a quarter of the size, which needs some pixels there
_MOST_PROGRAMS = 32


class AnySize:
    """Translates pictures whole; they are never cut into tiles, whose statistics and so brightness would differ.

    Sides are rounded up to a multiple by reflection and the result is cropped back. Each rounded size is one compiled
    program of a fixed batch size, and the least recently used programs are dropped.

    Subclasses have `OPTIONS`, the options that `launch/translate.py` may pass, and `with_options(**options)`, which
    checks them and returns a function from a list of pictures to a list of pictures.

    Attributes:
        config: of the run.
        step: of the checkpoint.
        multiple: what sides are rounded up to.
        batch_size: pictures a call of a program; fewer are filled up.
        num_programs: programs compiled so far.
    """

    OPTIONS: tuple[str, ...] = ()

    def __init__(self, loaded: Loaded, multiple: int = 32, batch_size: int | None = None):
        """Wraps a checkpoint; see `load`."""
        if multiple < 4 or multiple % 4:
            raise errors.ConfigError(f"multiple is {multiple}; allowed: positive multiples of 4")
        if batch_size is not None and batch_size < 1:
            raise errors.ConfigError(f"batch_size is {batch_size}; allowed: at least 1")
        self.config, self.step, self.multiple = loaded.config, loaded.step, multiple
        # A CPU gains nothing from batches, and would compute what fills them up.
        self.batch_size = batch_size or (1 if jax.default_backend() == "cpu" else 8)
        self.num_programs = 0
        self._translate_fn = methods.get(loaded.config.method).make_translate(loaded.config)
        self._params = jax.device_put(loaded.params["generator"])
        self._programs: OrderedDict[Hashable, Callable] = OrderedDict()

    def with_options(self, **options: Any) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        """See the class."""
        raise NotImplementedError

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the rounded (height, width), one a program."""
        rounded = lambda side: self.multiple * -(-max(side, _SMALLEST_SIDE) // self.multiple)
        return rounded(height), rounded(width)

    def _translate(
        self, images: Sequence[np.ndarray], labels: np.ndarray | None = None, **fixed: Hashable
    ) -> list[np.ndarray]:
        """Translates RGB pictures by `translate_fn(params, images[, labels], **fixed)`.

        Args:
            images: `[height, width, 3]` each, uint8 or uint16.
            labels: `[n, num_labels]` float32, a row a picture, where the method has labels.
            fixed: what is compiled in.

        Returns:
            The translations, of the sizes and types of the pictures.
        """
        by_size: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            by_size.setdefault(self.padded_size(*image.shape[:2]), []).append(i)
        translated: list[np.ndarray] = list(images)  # each is replaced by its translation
        for size, members in by_size.items():
            for start in range(0, len(members), self.batch_size):
                chosen = members[start : start + self.batch_size]
                batch = [fill(np.stack([_pad(images[i], size) for i in chosen]), self.batch_size)]
                if labels is not None:
                    batch.append(fill(labels[chosen], self.batch_size))
                outputs = np.asarray(self._program(batch, fixed)(self._params, *batch), np.float32)
                for i, output in zip(chosen, outputs, strict=False):
                    height, width = images[i].shape[:2]
                    translated[i] = _as_integers(output[:height, :width], images[i].dtype)
        return translated

    def _program(self, batch: list[np.ndarray], fixed: dict[str, Hashable]) -> Callable:
        """The compiled program for arrays of these shapes."""
        key = (*(x.shape for x in batch), *sorted(fixed.items()))
        if key not in self._programs:
            program = compilation.jit(functools.partial(self._translate_fn, **fixed))
            self._programs[key] = program.lower(self._params, *batch).compile()
            self.num_programs += 1
            if len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]


def as_list(images: Pictures) -> list[np.ndarray]:
    """Returns pictures one by one.

    Args:
        images: one picture `[height, width, 3]` or, if grey, `[height, width]`; a batch `[n, height, width, 3]`; or a
            list of pictures of any sizes. uint8 or uint16.

    Returns:
        `[height, width, 3]` each.

    Raises:
        DataError: an array of another shape or type.
    """
    if isinstance(images, np.ndarray) and images.ndim != 4:
        return [_as_rgb(images)]
    return [_as_rgb(np.asarray(image)) for image in images]


def in_form_of(images: SameForm, translated: list[np.ndarray]) -> SameForm:
    """Returns translations as their pictures came to `as_list`: an array, or a list for a list."""
    if not isinstance(images, np.ndarray):
        return translated
    if images.ndim != 4:
        return translated[0]
    return np.stack(translated) if translated else images


def fill(batch: np.ndarray, size: int) -> np.ndarray:
    """Repeats the first example of a batch until there are `size`."""
    return np.concatenate([batch, np.repeat(batch[:1], size - len(batch), axis=0)])


def _as_rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size or image.dtype not in (np.uint8, np.uint16):
        raise errors.DataError(
            f"a picture has shape {image.shape} and type {image.dtype}; "
            "allowed: [height, width, 3] or [height, width], uint8 or uint16"
        )
    return image


def _pad(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Reflects to a size, as floats; repeats the edge pixel, so that pictures of one pixel can be reflected too."""
    far = [(0, wanted - side) for wanted, side in zip(size, image.shape[:2], strict=True)]
    return normalise(np.pad(image, (*far, (0, 0)), mode="symmetric"))


def _as_integers(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.round((np.clip(image, -1, 1) + 1) * (top / 2)).astype(dtype)
