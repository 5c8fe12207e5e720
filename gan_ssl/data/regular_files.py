"""Opening what a user names, without waiting for ever where it is a pipe or a device."""

import os
import stat
from typing import BinaryIO

from gan_ssl.errors import DataError


def open_regular(path: str | os.PathLike[str], name: str = "") -> BinaryIO:
    """Opens a file to be read.

    Args:
        path: the file; links are followed.
        name: what errors call it; the path by default.

    Returns:
        The binary file.

    Raises:
        DataError: there is none, it cannot be read, or it is a folder, a pipe, a socket or a device.
    """
    name = name or os.fspath(path)
    try:
        # A pipe opened to be read would wait for its writer. Whatever else it is must not be opened to find out.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(f"{name}: {'a folder' if os.path.isdir(path) else 'a pipe or a device'}; allowed: a file")
        return open(path, "rb", opener=_without_waiting)
    except FileNotFoundError:
        raise DataError(f"{name}: no such file") from None
    except OSError as error:
        raise DataError(f"{name}: {error.strerror}") from None
    except ValueError as error:  # a NUL, or what cannot be encoded
        raise DataError(f"{name}: no name of a file ({error})") from None


def _without_waiting(path: str, flags: int) -> int:
    """Opens it so that what has become a pipe since does not wait either."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
