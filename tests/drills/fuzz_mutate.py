"""Damages bytes as disks, networks and people with bad intentions do; all from one generator of random numbers."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

Mutator = Callable[[random.Random, bytes], bytes]

_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\xff\xff\xff\xffWEBP", b"BM", b"II*\0", b"MM\0*", b"GIF89a")
_MAGIC += (b"PK\x03\x04", b"\x93NUMPY\x01\0", b"\x80\x02", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"{", b"\0" * 16)
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**64 - 1)


def mutate(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """Returns random bytes (1 in 50), or a seed with one to four faults; `words` are pieces that mean something."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.choice((0, 1, 7, 64, 500)))
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(_FAULTS)(rng, data, seeds, words)
    return data


def _flip(rng, data, seeds, words):
    if not data:
        return data
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 16))):
        changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(rng, data, seeds, words):
    return data[: rng.randrange(len(data) + 1)]


def _cut_out(rng, data, seeds, words):
    start = _place(rng, data)
    return data[:start] + data[start + rng.choice((1, 2, 4, 32, 300)) :]


def _splice(rng, data, seeds, words):
    other = rng.choice(seeds)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeat(rng, data, seeds, words):
    start = _place(rng, data)
    piece = data[start : start + rng.choice((1, 8, 60))]
    return data[:start] + piece * rng.choice((1, 2, 100)) + data[start:]


def _magic(rng, data, seeds, words):
    magic = rng.choice(_MAGIC)
    return magic + data[rng.choice((0, len(magic))) :]


def _number(rng, data, seeds, words):
    """Writes an extreme number where a header may hold a size."""
    form = rng.choice(("B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    number = struct.pack(form, rng.choice(_EXTREMES) % 256**size)
    start = _place(rng, data)
    return data[:start] + number + data[start + size :]


def _word(rng, data, seeds, words):
    if not words:
        return _flip(rng, data, seeds, words)
    start = _place(rng, data)
    return data[:start] + rng.choice(words) + data[start + rng.choice((0, 0, 1, 4)) :]


_FAULTS = (_flip, _flip, _truncate, _cut_out, _splice, _repeat, _magic, _number, _number, _word, _word)


def _place(rng: random.Random, data: bytes) -> int:
    """A position; half of them in the first 64 bytes, where headers lie."""
    return rng.randrange(min(len(data), 64 if rng.random() < 0.5 else len(data)) or 1)


def with_png_sums(data: bytes) -> bytes:
    """Puts right the checksums of a PNG's chunks, so that what stands in them is read."""
    if not data.startswith(_MAGIC[0]):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + struct.unpack_from(">I", out, at)[0]
        if end + 4 > len(out):
            break
        struct.pack_into(">I", out, end, zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def inside_zip(rng: random.Random, data: bytes, damage: Mutator) -> bytes:
    """Damages a member of a zip archive and packs it anew, so that its checksums are right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream, "w") as packed:
        members = archive.infolist()
        chosen = rng.randrange(len(members))
        for i, member in enumerate(members):
            content = archive.read(member)
            packed.writestr(member.filename, damage(rng, content) if i == chosen else content)
    return stream.getvalue()


def inside_safetensors(rng: random.Random, data: bytes, damage: Mutator) -> bytes:
    """Damages the JSON header and puts its length right."""
    length = struct.unpack_from("<Q", data)[0]
    header = damage(rng, data[8 : 8 + length])
    return struct.pack("<Q", len(header)) + header + data[8 + length :]
