"""What is fuzzed: images, tables, overrides and config files; `fuzz_stores` has the rest."""

import copy
import io
import json
import os
import random
from pathlib import Path

import numpy as np
from PIL import Image

from gan_ssl import config as configs
from gan_ssl.data import attribute_files, images, label_space
from tests.drills import fuzz_mutate, fuzz_stores
from tests.drills.fuzz_kind import NUMBERS, Kind, of_file
from tests.drills.fuzz_mutate import mutate

# Decoding what is larger takes most of the time and tells nothing new.
_MOST_PIXELS = 2**22


def _encoded(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _picture(mode: str, side: int = 12) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (side, side + 3, 4), dtype=np.uint8)
    if mode == "F":
        return Image.fromarray(noise[..., 0].astype(np.float32) / 255)
    if mode == "I;16":
        return Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    if mode in ("1", "P", "L", "LA", "CMYK", "YCbCr"):
        return Image.fromarray(noise[..., :3]).convert(mode)
    return Image.fromarray(noise).convert(mode)


def _image_seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    rgb, text = _picture("RGB"), {"exif": exif}
    seeds = [_encoded(_picture(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    seeds += [_encoded(_picture("P"), "PNG", transparency=bytes(range(256))), _encoded(rgb, "PNG", **text)]
    seeds += [_encoded(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)])]
    seeds += [_encoded(_picture(mode), "JPEG", **text) for mode in ("L", "RGB", "CMYK")]
    seeds += [_encoded(rgb, "JPEG", progressive=True), _encoded(rgb, "MPO", save_all=True, append_images=[rgb])]
    seeds += [_encoded(rgb, "WEBP", **text), _encoded(_picture("RGBA"), "WEBP", lossless=True)]
    seeds += [_encoded(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)])]
    seeds += [_encoded(_picture(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
    packings = (None, "tiff_lzw", "tiff_deflate", "jpeg", "packbits", "group4")
    for mode, packing in zip(("RGB", "RGBA", "L", "RGB", "P", "1"), packings, strict=True):
        seeds.append(_encoded(_picture(mode), "TIFF", compression=packing, **text))
    seeds += [_encoded(_picture(mode), "TIFF") for mode in ("I;16", "F", "CMYK", "LA")]
    return [*seeds, _encoded(_picture("P"), "GIF"), _encoded(rgb, "PPM")]


def _damage_image(rng: random.Random, kind: Kind) -> bytes:
    data = mutate(rng, kind.seeds, kind.words)
    return fuzz_mutate.with_png_sums(data) if rng.random() < 0.6 else data


def image(folder: Path) -> Kind:
    """Image files of all formats."""
    path = folder / "case.png"

    def read(name: str) -> object:
        scale = (0.0, 1.0) if os.path.getsize(name) % 2 else ()
        return images.decode(name, max_pixels=_MOST_PIXELS, intensity_range=scale)

    words = (b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"iCCP", b"zTXt", b"eXIf", b"Exif\0\0", b"VP8X")
    return Kind(_image_seeds(), of_file(path, read), (str(path),), words, _damage_image)


def label(folder: Path) -> Kind:
    """Maps of class indices."""
    path = folder / "label.png"
    index = (np.arange(120).reshape(10, 12) % 5).astype(np.uint8)
    palette = Image.fromarray(index).convert("P")
    palette.putpalette([128, 0, 0, 9, 9, 9, 0, 0, 128, 1, 2, 3, 7, 7, 7])
    seeds = [_encoded(x, "PNG") for x in (Image.fromarray(index), palette, Image.fromarray(index > 2))]
    seeds += [_encoded(Image.fromarray(index), form) for form in ("BMP", "TIFF", "GIF")]
    read = lambda name: images.read_label(name, num_classes=5, size=(10, 12), max_pixels=_MOST_PIXELS)
    return Kind(seeds, of_file(path, read), (str(path),), (b"IHDR", b"PLTE", b"IDAT"), _damage_image)


_TABLE_WORDS = (b" ", b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"1", b"-1", b"split", b"train", b"\x1b[2J")
_TABLE_WORDS += ("\u2028".encode(), "\u202e".encode(), b"\xff", b"x" * 200_000, *NUMBERS)


def attribute_list(folder: Path) -> Kind:
    """CelebA's list of attributes, and its partition."""
    path = folder / "list_attr.txt"
    celeba = b"3\r\nBlack_Hair Male \r\n1.jpg  1 -1\r\n2.jpg -1  1\r\n3.jpg  1  1\r\n"
    seeds = [celeba, celeba[3:], b"a b c\n1.png 0 1 0\n2 3.png 1 1 1\n", "\ufeff2\nEyes\né.png 1\nf.png -1\n".encode()]

    def read(name: str) -> object:
        attribute_files.read_partition(name)
        table = attribute_files.read_list(name)
        return label_space.LabelSpace(table.attributes)

    return Kind([*seeds, b"1.jpg 0\n2.jpg 1\n"], of_file(path, read), (str(path),), _TABLE_WORDS)


def csv(folder: Path) -> Kind:
    """CSV files of attributes."""
    path = folder / "attributes.csv"
    seeds = [
        b"file,Smiling,Male\n1.png,1,-1\n2.png,-1,1\n",
        b"\xef\xbb\xbffile;a;split\r\n1.png;0;train\r\n2;1;val\r\n",
    ]
    seeds += [b'file\t"a b"\t"c, d"\n"x\ty.png"\t1\t0\n\n"z ""q"".png"\t0\t1\n']
    read = lambda name: label_space.LabelSpace(attribute_files.read_csv(name).attributes)
    return Kind(seeds, of_file(path, read), (str(path),), _TABLE_WORDS)


def _fields() -> dict[str, object]:
    return configs.flatten(configs.base_config())


def override(folder: Path) -> Kind:
    """Overrides on the command line, as `launch/train.py` takes them."""
    from tests.drills import fuzz_launch

    texts = [str(value) for value in _fields().values()]
    seeds = [f"{text}".encode() for text in dict.fromkeys(texts)]
    seeds += [b"(1, 2)", b"('a', 'b')", b"(('a', 'b'),)", b"None", b"1e-4", b"{}", b"[1]"]
    names = list(_fields())

    def damage(rng: random.Random, kind: Kind) -> bytes:
        name = rng.choice(names).encode()
        if rng.random() < 0.1:
            name = mutate(rng, [name])
        return name + b"=" + mutate(rng, kind.seeds, kind.words)

    words = (*NUMBERS, b", ", b")", b"1", b"1.5", b"lambda:0", b"__import__('os')", b"1if 1else 2")
    return Kind(seeds, lambda data: fuzz_launch.override(os.fsdecode(data)), ("config",), words, damage)


def config(folder: Path) -> Kind:
    """The config.json of a work directory."""
    from gan_ssl.training import workdir

    values = (
        0,
        -1,
        2**31,
        10**30,
        1e400,
        float("nan"),
        "",
        "\0",
        "\ud800",
        True,
        None,
        [],
        {},
        {"a.b": 1},
        [1, "a"],
        [[["x"]]],
    )
    whole = configs.validate(_valid()).to_dict()

    def damage(rng: random.Random, kind: Kind) -> bytes:
        if rng.random() < 0.4:
            return mutate(rng, kind.seeds, kind.words)
        changed = json.loads(kind.seeds[0])
        for _ in range(rng.choice((1, 1, 2))):
            group = changed if rng.random() < 0.5 else rng.choice([g for g in changed.values() if isinstance(g, dict)])
            if not group:
                continue
            name = rng.choice(list(group))
            key = rng.choice((name, name, name, name + ".x", "items", "__class__", ""))
            group[key] = copy.deepcopy(rng.choice(values))
        return json.dumps(changed).encode()

    run = of_file(folder / "config.json", lambda name: workdir.read_config(os.path.dirname(name)))
    seeds = [json.dumps(whole, indent=2).encode(), json.dumps(whole).encode()]
    words = (*NUMBERS, b"[" * 100_000, b'{"a":' * 1000, b"null", b"NaN", b"-Infinity", b'\\ud800"', b'"__init__"')
    return Kind(seeds, run, (str(folder / "config.json"),), words, damage)


def _valid():
    config = configs.base_config()
    config.num_steps = 1
    return config


_MAKERS = (image, label, attribute_list, csv, override, config)
_MAKERS += (fuzz_stores.npz, fuzz_stores.safetensors, fuzz_stores.pth, fuzz_stores.checkpoint)
KINDS = {maker.__name__: maker for maker in _MAKERS}
