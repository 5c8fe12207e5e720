"""A work directory into one file: what `launch/export.py` does."""

import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import jax
import safetensors.numpy
from absl import logging
from jax import export as jax_export

from gan_ssl import errors, interop
from gan_ssl.export.onnx_file import to_onnx
from gan_ssl.export.program import Program, make_program
from gan_ssl.interop import weight_files
from gan_ssl.networks.convolutions import plain_forms
from gan_ssl.training import checkpoints

PLATFORMS = ("cpu", "cuda", "tpu")


def export(
    workdir: str | os.PathLike,
    file_format: str,
    output: str | os.PathLike = "",
    direction: str | None = None,
    step: int | None = None,
) -> Path:
    """Writes a run's generator as one file, and beside it `FILE.json`, which says what it takes and gives.

    Args:
        workdir: of a run; only read.
        file_format: one of `FORMATS`.
        output: the file, whose suffix is the format; by default in the current folder, named after the run and, where
            there are two generators, the direction.
        direction: see `make_program`.
        step: which checkpoint; None for the newest.

    Returns:
        The file.

    Raises:
        CheckpointError: there is no such checkpoint.
        ConfigError: the direction is none of this run's, the file's suffix is another, or a package is missing.
        WeightsError: the file cannot be written, or ONNX computes something else.
    """
    if output and Path(output).suffix != f".{file_format}":
        raise errors.ConfigError(f"--output is {output}; allowed: a file that ends in .{file_format}")
    loaded = checkpoints.load(os.fspath(workdir), step)
    program = make_program(loaded, direction)
    path = Path(output) if output else _default_name(workdir, program, file_format)
    content = FORMATS[file_format](program)
    about = json.dumps({"format": file_format} | program.about, indent=2)
    weight_files.write_bytes(path, content)
    weight_files.write_bytes(path.with_name(f"{path.name}.json"), f"{about}\n".encode())
    logging.info("wrote step %d of %s to %s, %d bytes", loaded.step, workdir, path, len(content))
    return path


def _default_name(workdir: str | os.PathLike, program: Program, file_format: str) -> Path:
    run = PurePosixPath(os.fspath(workdir) if "://" in os.fspath(workdir) else Path(workdir).resolve()).name
    direction = program.about.get("direction")
    return Path(f"{run}_{direction}.{file_format}" if direction else f"{run}.{file_format}")


def to_stablehlo(program: Program) -> bytes:
    """Returns a program for CPU, CUDA and TPU in one, as `jax.export.deserialize` reads it.

    The weights are constants in it: one file, which nobody can pair with other weights, as large as they are.
    """
    with plain_forms():
        exported = jax_export.export(jax.jit(program.translate), platforms=PLATFORMS)(*program.inputs.values())
    return bytes(exported.serialize())


def to_safetensors(program: Program) -> bytes:
    """Returns the weights alone, under the names and in the layout of public PyTorch code."""
    return safetensors.numpy.save(interop.to_torch(program.net, program.params))


FORMATS: dict[str, Callable[[Program], bytes]] = {
    "stablehlo": to_stablehlo,
    "onnx": to_onnx,
    "safetensors": to_safetensors,
}
