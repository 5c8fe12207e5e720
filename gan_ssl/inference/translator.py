"""OP-GAN's generators on pictures of any size."""

import functools
from collections.abc import Callable

import numpy as np

from gan_ssl import errors
from gan_ssl.inference.any_size import AnySize, SameForm, as_list, in_form_of

DIRECTIONS = ("a2b", "b2a")


class Translator(AnySize):
    """Translates pictures of one domain into the other; see `AnySize`."""

    OPTIONS = ("direction",)

    def translate(self, images: SameForm, direction: str = "a2b") -> SameForm:
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
        _check(direction)
        return in_form_of(images, self._translate(as_list(images), direction=direction))

    def with_options(self, direction: str = "a2b") -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        """Returns `translate` with these options of the launcher, checked."""
        _check(direction)
        return functools.partial(self.translate, direction=direction)


def _check(direction: str) -> None:
    if direction not in DIRECTIONS:
        raise errors.DataError(f"direction is {direction!r}; allowed: {', '.join(DIRECTIONS)}")
