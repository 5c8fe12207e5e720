"""What notebooks need beside the library: pictures below a cell, and one that the reader brings."""

import io
import os
import sys
from typing import Any

import numpy as np
from PIL import Image

from gan_ssl import plots


def is_running() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def show(picture: np.ndarray | str | os.PathLike, place: Any = None) -> Any:
    """Shows a picture below the cell; outside notebooks nothing happens.

    Args:
        picture: `[height, width, 3]` as `plots.to_uint8` takes it, or a file.
        place: what an earlier call has returned, to show this picture instead of that one.

    Returns:
        The place of the picture.
    """
    if not is_running():
        return None
    from IPython import display

    if isinstance(picture, np.ndarray):
        file = io.BytesIO()
        Image.fromarray(plots.to_uint8(picture)).save(file, format="PNG")
        image = display.Image(data=file.getvalue())
    else:
        image = display.Image(filename=os.fspath(picture))
    if place is None:
        return display.display(image, display_id=True)
    place.update(image)
    return place


def choose_picture(path: str, default: np.ndarray, most_side: int) -> np.ndarray:
    """Returns the reader's picture: the file that is named, or else one that is uploaded on Colab.

    Args:
        path: a file; empty to upload one, where that is possible.
        default: the picture where none is uploaded.
        most_side: larger pictures are made smaller, so that both sides are at most this: what the networks were trained
            on is what they know.

    Returns:
        `[height, width, 3]` uint8.

    Raises:
        DataError: the file is no picture that can be read.
    """
    path = path or _uploaded()
    if not path:
        return default
    from gan_ssl import data

    return plots.thumbnail(data.decode(path).pixels, most_side)


def _uploaded() -> str:
    """Asks for a file on Colab; empty elsewhere, or where the reader cancels."""
    if "google.colab" not in sys.modules:
        return ""
    from google.colab import files

    return next(iter(files.upload()), "")
