"""Arrays by name from and to `.pth`, `.npz` and `.safetensors` files. Reading never runs code that a file brings."""

import io
import math
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy

from gan_ssl import errors

# A generator of full size has 45 MiB. What unpacks to more than this is refused before it is unpacked.
MAX_BYTES = 2**29

Arrays = dict[str, np.ndarray]


def read(path: str | os.PathLike) -> Arrays:
    """Reads the arrays of a file.

    Args:
        path: of a `.npz`, `.safetensors`, `.pth` or `.pt` file; the last two need PyTorch (extra `torch`).

    Returns:
        The arrays by the names in the file.

    Raises:
        WeightsError: the file cannot be read, holds anything but arrays, or unpacks to more than `MAX_BYTES`.
    """
    path = Path(path)
    file_format = _format(path)
    try:
        if not path.is_file():
            raise errors.WeightsError("no such file")
        if path.stat().st_size > MAX_BYTES:
            raise errors.WeightsError(f"has {path.stat().st_size} bytes; at most {MAX_BYTES} are read")
        with warnings.catch_warnings():  # what Python finds odd in a damaged header, NumPy and PyTorch in old files
            warnings.simplefilter("ignore")
            return file_format.loads(path.read_bytes())
    except errors.WeightsError as error:
        raise errors.WeightsError(f"{path}: {error}") from None
    except Exception as error:  # Parsers of three libraries over foreign bytes: they raise nearly everything.
        raise errors.WeightsError(f"{path}: no readable {path.suffix} file of arrays ({_reason(error)})") from error


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a file, whole or not at all.

    Args:
        path: its suffix chooses the format, as in `read`; folders are made, a file there is replaced.
        arrays: by name.

    Raises:
        WeightsError: the suffix is unknown or the file cannot be written.
    """
    path = Path(path)
    file_format = _format(path)
    try:
        content = file_format.dumps({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    except errors.WeightsError as error:
        raise errors.WeightsError(f"{path}: {error}") from None
    write_bytes(path, content)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all; folders are made, a file there is replaced.

    Raises:
        WeightsError: the file cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise errors.WeightsError(f"{path}: cannot be written ({error.strerror or error})") from error


class _Format(NamedTuple):
    loads: Callable[[bytes], Arrays]
    dumps: Callable[[Arrays], bytes]


def _format(path: Path) -> _Format:
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        raise errors.WeightsError(f"{path}: the suffix is {path.suffix!r}; allowed: {', '.join(_FORMATS)}")
    return found


def _load_npz(content: bytes) -> Arrays:
    _check_unpacked(content)
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            name, npy = member.removesuffix(".npy"), io.BytesIO(archive.read(member))
            _check_declared(name, npy)
            arrays[name] = np.lib.format.read_array(npy, allow_pickle=False)
    return arrays


def _check_declared(name: str, npy: io.BytesIO) -> None:
    """Raises unless an array has the bytes that its header declares, for which NumPy would take memory at once."""
    version = np.lib.format.read_magic(npy)
    if version not in _NPY_HEADERS:
        raise errors.WeightsError(f"{name} has version {version} of NumPy's format; allowed: 1.0 or 2.0")
    shape, _, dtype = _NPY_HEADERS[version](npy)
    declared, given = math.prod(shape) * dtype.itemsize, npy.getbuffer().nbytes - npy.tell()
    if min(shape, default=0) < 0 or declared != given:
        raise errors.WeightsError(f"{name} has {given} bytes, where its shape {shape} and type {dtype} need {declared}")
    npy.seek(0)


def _dump_npz(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType] NumPy's own option has a name that no network uses
    return stream.getvalue()


def _load_pth(content: bytes) -> Arrays:
    torch = _torch()
    if zipfile.is_zipfile(io.BytesIO(content)):
        _check_unpacked(content)
    loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise errors.WeightsError("not a dictionary of tensors (a state_dict), which alone is read")
    if sum(tensor.numel() * tensor.element_size() for tensor in loaded.values()) > MAX_BYTES:
        raise errors.WeightsError(f"unpacks to more than {MAX_BYTES} bytes")
    # NumPy has no bfloat16.
    exact = {n: t.detach().float() if t.dtype == torch.bfloat16 else t.detach() for n, t in loaded.items()}
    return {str(name): tensor.numpy() for name, tensor in exact.items()}


def _dump_pth(arrays: Arrays) -> bytes:
    torch = _torch()
    stream = io.BytesIO()
    torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, stream)
    return stream.getvalue()


def _torch():
    try:
        import torch
    except ImportError:
        raise errors.WeightsError(".pth files need PyTorch: pip install 'gan_ssl[torch]'") from None
    return torch


def _check_unpacked(content: bytes) -> None:
    """Raises where a zip archive unpacks to too much."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > MAX_BYTES:
        raise errors.WeightsError(f"unpacks to {size} bytes; at most {MAX_BYTES} are read")


def _reason(error: Exception) -> str:
    """The error in a few words; PyTorch's refusal of a pickle advises to load it unsafely, which is left out."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or would run code"
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:120]}"


# The versions that hold arrays of numbers.
_NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_FORMATS = {
    ".npz": _Format(_load_npz, _dump_npz),
    ".safetensors": _Format(safetensors.numpy.load, safetensors.numpy.save),
    ".pth": _Format(_load_pth, _dump_pth),
    ".pt": _Format(_load_pth, _dump_pth),
}
