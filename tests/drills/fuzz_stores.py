"""What is fuzzed: weights files and checkpoints."""

import random
import struct
from pathlib import Path

import numpy as np

from gan_ssl import config as configs
from gan_ssl import interop
from gan_ssl.interop import weight_files
from gan_ssl.training import checkpoints
from tests import golden
from tests.drills import fuzz_mutate
from tests.drills.fuzz_kind import NUMBERS, Kind, of_file
from tests.drills.fuzz_mutate import mutate


def _weights(folder: Path, suffix: str) -> Kind:
    path = folder / f"weights{suffix}"
    arrays = golden.select(golden.load(), "D_A")
    small = {"model.0.weight": np.ones((1, 3, 4, 4), np.float32), "b": np.float32([1, 2]), "c": np.arange(3)}
    seeds = []
    for content in (arrays, small):
        weight_files.write(path, content)
        seeds.append(path.read_bytes())

    def damage(rng: random.Random, kind: Kind) -> bytes:
        inner = lambda r, data: mutate(r, [data], kind.words)
        if rng.random() < 0.4:
            return mutate(rng, kind.seeds, kind.words)
        if suffix == ".safetensors":
            return fuzz_mutate.inside_safetensors(rng, rng.choice(kind.seeds), inner)
        return fuzz_mutate.inside_zip(rng, rng.choice(kind.seeds), inner)

    def read(name: str) -> object:
        found = interop.read(name)
        try:
            net = interop.infer_net(found)
        except Exception as error:  # which has no file's name of its own; `convert` adds it
            raise type(error)(f"{name}: {error}") from error
        return net

    words = (*NUMBERS, b"<f8", b"|O", b"O8", b"'shape': (9999999999,)", b'"shape":[]', b"BF16", b"F64", b"I8", b"U")
    return Kind(seeds, of_file(path, read), (str(path),), words, damage)


def npz(folder: Path) -> Kind:
    """Weights as NumPy's archives."""
    return _weights(folder, ".npz")


def safetensors(folder: Path) -> Kind:
    """Weights as safetensors."""
    return _weights(folder, ".safetensors")


def pth(folder: Path) -> Kind:
    """Weights as PyTorch's archives; needs PyTorch."""
    return _weights(folder, ".pth")


def checkpoint(folder: Path) -> Kind:
    """One damaged file of a checkpoint; what is read nevertheless must be what was saved."""
    workdir, config = folder / "run", configs.base_config()
    config.num_steps = 1
    params = {"generator": {"k": np.arange(64, dtype=np.float32)}, "discriminator": {"k": np.ones((2, 3), np.float32)}}
    checkpoints.save_weights(str(workdir), config, params)
    files = sorted(p for p in (workdir / "checkpoints").rglob("*") if p.is_file())
    whole = [p.read_bytes() for p in files]

    def damage(rng: random.Random, kind: Kind) -> bytes:
        chosen = rng.randrange(len(files))
        return struct.pack("<I", chosen) + mutate(rng, [kind.seeds[chosen]], kind.words)

    def run(data: bytes) -> object:
        (chosen,) = struct.unpack_from("<I", data)
        files[chosen].write_bytes(data[4:])
        try:
            loaded = checkpoints.load(str(workdir))
        finally:
            files[chosen].write_bytes(whole[chosen])
        np.testing.assert_array_equal(loaded.params["generator"]["k"], params["generator"]["k"])
        np.testing.assert_array_equal(loaded.params["discriminator"]["k"], params["discriminator"]["k"])
        return loaded

    return Kind(whole, run, (str(workdir),), (*NUMBERS, b'"shape"', b"null", b"ocdbt", b"zarr"), damage)
