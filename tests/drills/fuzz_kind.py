"""What a thing to fuzz is."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

from tests.drills.fuzz_mutate import mutate

# What a parser of numbers, or of brackets, may stumble over.
NUMBERS = (b"nan", b"inf", b"-1", b"1e400", b"9" * 30, b"9" * 5000, b"0x10", b"1_0", b"-0", b"True", b"None")
NUMBERS += ("\u0661\u0662".encode(), "\u00b2".encode(), b'"', b"'", b"()", b"(", b"(" * 300, b"[", b"{", b"\\x", b"\n")


@dataclasses.dataclass
class Kind:
    """Something to fuzz.

    Attributes:
        seeds: whole inputs.
        run: reads an input, raising what the code raises; what it must name if that is an error of ours is `names`.
        names: parts that an error's message must hold.
        words: pieces that mean something to a reader.
        damage: makes a case of a seed; by default `mutate`.
    """

    seeds: list[bytes]
    run: Callable[[bytes], object]
    names: tuple[str, ...] = ()
    words: tuple[bytes, ...] = ()
    damage: Callable[[random.Random, "Kind"], bytes] | None = None

    def case(self, rng: random.Random) -> bytes:
        """Returns an input, which is a function of the generator alone."""
        return self.damage(rng, self) if self.damage else mutate(rng, self.seeds, self.words)


def of_file(path: Path, read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Makes a `Kind.run` of something that reads a file."""

    def run(data: bytes) -> object:
        path.write_bytes(data)
        return read(str(path))

    return run
