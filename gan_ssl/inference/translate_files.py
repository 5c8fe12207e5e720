"""Image files in, translated PNG files out: the same sizes, the same tree, the same names."""

import errno
import itertools
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging
from PIL import Image
from tqdm import tqdm

from gan_ssl import data, errors, inference, plots
from gan_ssl.data import folders
from gan_ssl.data.images import EXTENSIONS
from gan_ssl.inference.any_size import AnySize

# Mean distance of the channels from their mean, on [0, 1], up to which a grey picture's translation counts as grey.
_GREY_TOLERANCE = 4 / 255
_MOST_WAITING_PIXELS = 2**24
# What is wrong with one name alone: something else stands there, or it is too long with `.png` behind it.
_OF_ONE_NAME = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


class Job(NamedTuple):
    """A file to translate, and what to write."""

    source: Path
    target: Path


def translate_files(
    workdir: str,
    source: str,
    output: str,
    step: int | None = None,
    multiple: int = 32,
    batch_size: int | None = None,
    **options: Any,
) -> list[Path]:
    """Translates a file or all images below a folder.

    Outputs are upright PNG files of the input's size; transparency is put back. A grey input whose translation has
    (nearly) equal channels stays grey, and keeps 16 bits then; colour is written with 8 bits a channel. With `grid`
    they are sheets of labelled pictures instead.

    Args:
        workdir: of a run; only read.
        source: an image, or a folder that is searched with its subfolders. Links to folders are not followed.
        output: the folder to write to; nothing outside it is written, nor any input replaced.
        step: which checkpoint; None for the newest.
        multiple: see `inference.load`.
        batch_size: see `inference.load`.
        **options: how to translate; see `with_options` of the run's `Translator` or `Editor`. None does not count.

    Returns:
        The written files.

    Raises:
        DataError: there is no image, an option is none of this run's or of no use, the output cannot be written or is
            the input; or, after all others were translated, some files could not be read.
        CheckpointError: there is no such checkpoint.
    """
    if not source or not output:
        raise errors.DataError("--input and --output are needed: an image or a folder of images, and a folder")
    jobs = plan(Path(source), Path(output))
    translator = inference.load(workdir, step, multiple, batch_size)
    translate_fn = _with_options(translator, options)
    _make_folder(Path(output))
    logging.info("translating %d images with step %d of %s", len(jobs), translator.step, errors.printable(workdir))
    failures: list[str] = []
    written: list[Path] = []
    with tqdm(total=len(jobs), desc="translate", unit="image", disable=None) as progress:
        for batch in _batches(jobs, translator, failures, progress):
            translated = translate_fn([decoded.pixels for _, decoded in batch])
            for (job, decoded), pixels in zip(batch, translated, strict=True):
                intensity_range = translator.config.data.intensity_range
                image = Image.fromarray(pixels) if options.get("grid") else as_input(pixels, decoded, intensity_range)
                if _write(job, image, Path(output), failures):
                    written.append(job.target)
            progress.update(len(batch))
    if failures:
        for failure in failures:
            logging.error("not translated: %s", errors.printable(failure))
        raise errors.DataError(f"{len(failures)} of {len(jobs)} images were not translated; the first: {failures[0]}")
    return written


def _with_options(translator: AnySize, options: Mapping[str, Any]) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """The translator's function with the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in translator.OPTIONS:
            allowed = ", ".join(f"--{option}" for option in translator.OPTIONS)
            raise errors.DataError(f"--{name} is no option of {translator.config.method}; allowed: {allowed}")
    return translator.with_options(**given)


def plan(source: Path, output: Path) -> list[Job]:
    """Pairs every image with the file to write.

    The first of several images whose names differ in their ending alone (PNG first) is written as `stem.png`, the
    others under their full names, `name.jpg.png`.

    Args:
        source: an image or a folder.
        output: the folder to write to; where it lies below `source`, it is not searched.

    Returns:
        The jobs, in natural order.

    Raises:
        DataError: there is no image, or an output would replace an input.
    """
    if not source.exists():
        raise errors.DataError(f"{source}: no such file or folder (--input)")
    if output.exists() and not output.is_dir():
        raise errors.DataError(f"{output} is a file; allowed: a folder to write to (--output)")
    root = source if source.is_dir() else source.parent
    if source.is_dir() and _real(output) == _real(source):
        raise errors.DataError(f"{output} is the input itself; name another folder (--output)")
    names = folders.list_images(source) if source.is_dir() else [source.name]
    if source.is_dir() and _real(output).is_relative_to(_real(source)):
        names = [n for n in names if not (_real(root) / n).is_relative_to(_real(output))]
    if not names:
        raise errors.DataError(f"{source}: no image in this folder; allowed: {' '.join(EXTENSIONS)}")
    targets = _target_names(names)
    jobs = [Job(root / name, output / targets[name]) for name in names]
    inputs = {_file_id(job.source) for job in jobs} - {None}
    for job in jobs:
        if _file_id(job.target) in inputs:
            raise errors.DataError(f"{job.target}: this output would replace an input; name another --output")
    return jobs


def _real(path: Path) -> Path:
    """Returns the path without links; where they lead in a circle `Path.resolve` would raise."""
    return Path(os.path.realpath(path))


def _file_id(path: Path) -> tuple[int, int] | None:
    """Returns what a file is the same by, whatever links and cases its path has; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _target_names(names: Sequence[str]) -> dict[str, str]:
    targets: dict[str, str] = {}
    # Some file systems do not tell cases apart, or accents that are composed from those that are not.
    key = lambda name: unicodedata.normalize("NFC", name).casefold()
    taken = {key(str(parent)) for name in names for parent in Path(name).parents}
    for name in sorted(names, key=lambda n: not n.lower().endswith(".png")):
        stem = os.path.splitext(name)[0]
        candidates = itertools.chain([f"{stem}.png", f"{name}.png"], (f"{name}_{i}.png" for i in itertools.count(2)))
        target = next(c for c in candidates if key(c) not in taken)
        if target != f"{stem}.png":
            written = errors.printable(f"{name} is written as {target}")
            logging.warning("%s, since another image has the same stem", written)
        taken.add(key(target))
        targets[name] = target
    return targets


def as_input(pixels: np.ndarray, decoded: data.Decoded, intensity_range: Sequence[float] = ()) -> Image.Image:
    """Makes a translation look like its input: grey, 16 bits and transparency where that had them.

    Args:
        pixels: `[height, width, 3]` uint8 or uint16.
        decoded: the input.
        intensity_range: stored values of 16-bit files that are black and white, as in `config.data`.

    Returns:
        A picture of mode L, LA, I;16, RGB or RGBA.
    """
    channels = pixels.astype(np.float32)
    grey = channels.mean(axis=-1)
    top = np.iinfo(pixels.dtype).max
    if not decoded.grey or np.abs(channels - grey[..., None]).mean() > _GREY_TOLERANCE * top:
        image = Image.fromarray(plots.to_uint8(pixels))
    elif pixels.dtype == np.uint16:
        low, high = intensity_range or (0, top)
        if low < 0 or high > top:  # values that a 16-bit PNG cannot hold
            low, high = 0, top
        image = Image.fromarray(np.round(low + grey * ((high - low) / top)).astype(np.uint16))
    else:
        image = Image.fromarray(np.round(grey).astype(np.uint8))
    if decoded.alpha is not None:
        image.putalpha(Image.fromarray(decoded.alpha))
    return image


def _batches(
    jobs: Sequence[Job], translator: AnySize, failures: list[str], progress: tqdm
) -> Iterator[list[tuple[Job, data.Decoded]]]:
    """Reads the files and gathers those of one rounded size; unreadable ones are noted."""
    options = translator.config.data
    waiting: dict[tuple[int, int], list[tuple[Job, data.Decoded]]] = {}
    for job in jobs:
        try:
            decoded = data.decode(
                job.source, max_pixels=options.max_pixels, intensity_range=tuple(options.intensity_range)
            )
        except errors.DataError as error:
            failures.append(str(error))
            progress.update()
            continue
        size = translator.padded_size(*decoded.pixels.shape[:2])
        waiting.setdefault(size, []).append((job, decoded))
        if len(waiting[size]) == translator.batch_size:
            yield waiting.pop(size)
        # A folder of many sizes must not be held in memory for batches that never fill.
        if sum(h * w * len(batch) for (h, w), batch in waiting.items()) > _MOST_WAITING_PIXELS:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def _make_folder(output: Path) -> None:
    """Makes the folder to write to, before anything is compiled."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not os.access(output, os.W_OK):
            raise PermissionError(13, "permission denied")
    except OSError as error:
        raise errors.DataError(f"{output}: cannot be written: {error.strerror or error} (--output)") from None


def _write(job: Job, image: Image.Image, output: Path, failures: list[str]) -> bool:
    """Writes a translation, unless a link leads out of the output folder or something else has the name."""
    try:
        if not _real(job.target.parent).is_relative_to(_real(output)):
            failures.append(f"{job.source}: {job.target} lies outside --output, behind a link")
            return False
        job.target.parent.mkdir(parents=True, exist_ok=True)
        plots.save_image(job.target, image)
        return True
    except OSError as error:
        fault = errors.DataError(f"{job.target}: cannot be written: {error.strerror or error}")
        if error.errno not in _OF_ONE_NAME:  # a full disk takes no other file either
            raise fault from None
        failures.append(str(fault))
        return False
