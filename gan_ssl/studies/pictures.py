"""The same test images under every row: from the runs whose work directories are here."""

import base64
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from gan_ssl import data, errors, plots
from gan_ssl.data import images, loading
from gan_ssl.evaluation import edits
from gan_ssl.evaluation.report import suffix
from gan_ssl.methods import match_gan

_SCENES, _PORTRAITS = 6, 3  # test images to show
_MARGIN = 4  # of the sheets that plots.image_grid makes


class Line(NamedTuple):
    """One test image, or one edit of it.

    Attributes:
        caption: what it is.
        shown: picture `[height, width, 3]` uint8 by the name of its column; columns without one stay empty.
        is_first: whether a new test image begins.
    """

    caption: str
    shown: Mapping[str, np.ndarray]
    is_first: bool = True


class Gallery(NamedTuple):
    """Lines of pictures.

    Attributes:
        lines: see there.
        before: columns to the left of those of the runs.
        after: columns to the right of them.
        legend: colour `#rrggbb` by class, where label maps are shown.
        note: what is missing, and why; "" for nothing.
    """

    lines: Sequence[Line]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    legend: Mapping[str, str] = {}
    note: str = ""


def gallery(folders: Mapping[str, Path], config: ConfigDict, split: str = "test") -> Gallery:
    """Returns the pictures of some runs.

    Args:
        folders: evaluated work directories by column.
        config: of one of them, its data where they are now.
        split: of the data, that they were evaluated on.
    """
    return (_portraits if config.method == "match_gan" else _scenes)(folders, config, split)


def _scenes(folders: Mapping[str, Path], config: ConfigDict, split: str) -> Gallery:
    """Translations of evenly spread test images, with source, true translation and labels where they are known."""
    translated = {column: folder / f"translated{suffix(split)}" for column, folder in folders.items()}
    try:
        source = data.open_source(config, split, "a")
    except errors.GanSslError as error:
        return _translations_alone(translated, str(error))
    count = min(len(source), config.evaluation.limit or len(source))
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SCENES)).astype(int))
    size, names, lines = tuple(config.data.image_size), data.class_names(config), []
    for index in chosen:
        example = source[int(index)]
        fit = lambda picture: plots.to_uint8(images.to_bits(images.resize(picture, size), config.data.bits))
        stem = os.path.splitext(re.sub(r"^(\.*/)+", "", example["name"]))[0]
        shown = {"source": fit(example["image"])}
        shown |= {column: _read(folder / f"{stem}.png") for column, folder in translated.items()}
        if "truth" in example:
            shown["true translation"] = fit(example["truth"])
        if "label" in example and names:
            label = images.resize_label(example["label"], size)
            shown["labels"] = plots.colour_labels(label, len(names), names)
        lines.append(Line(stem, {column: picture for column, picture in shown.items() if picture is not None}))
    after = [column for column in ("true translation", "labels") if column in lines[0].shown]
    colours = ("#" + bytes(rgb).hex() for rgb in plots.palette(len(names), names))
    legend = dict(zip(names, colours, strict=False)) if "labels" in after else {}
    return Gallery(lines, ["source"], after, legend)


def _translations_alone(folders: Mapping[str, Path], reason: str) -> Gallery:
    """What is left where the data cannot be opened."""
    found = [{path.name for path in folder.glob("*.png")} for folder in folders.values()]
    common = sorted(set.intersection(*found)) if found else []
    chosen = [common[i] for i in np.unique(np.linspace(0, len(common) - 1, _SCENES).astype(int))] if common else []
    lines = []
    for name in chosen:
        shown = {column: _read(folder / name) for column, folder in folders.items()}
        lines.append(Line(Path(name).stem, {column: p for column, p in shown.items() if p is not None}))
    return Gallery(lines, note=f"The source pictures are not shown: {reason}.")


def _portraits(folders: Mapping[str, Path], config: ConfigDict, split: str) -> Gallery:
    """Every edit of the first test images, from the runs' sheets, with the true edit where it is known."""
    space, height_width = match_gan.label_space(config), tuple(config.data.image_size)
    sheets = {column: _read(folder / f"eval{suffix(split)}.png") for column, folder in folders.items()}
    count = 1 + len(space.attributes)
    cells = {column: grid_cells(sheet, height_width, count) for column, sheet in sheets.items() if sheet is not None}
    if not cells:
        return Gallery([], note="No run has an eval.png.")
    inputs = next(iter(cells.values()))[0]
    try:
        true_edits = _true_edits(config, inputs, split)
    except errors.GanSslError:
        true_edits = []
    some = np.zeros(len(space.attributes), np.uint8)
    for group in space.exclusive:
        some[space.place(group[0])] = 1
    lines = []
    for i in range(min(_PORTRAITS, len(inputs))):
        for place, (caption, _) in enumerate(space.edits(some)):
            shown = {"source": inputs[i]}
            shown |= {column: found[place + 1][i] for column, found in cells.items()}
            if i < len(true_edits):
                shown["true edit"] = true_edits[i][place]
            lines.append(Line(f"image {i + 1}, {caption.replace('_', ' ')}", shown, is_first=not place))
    return Gallery(lines, ["source"], ["true edit"] if true_edits else [])


def _true_edits(config: ConfigDict, inputs: np.ndarray, split: str) -> list[list[np.ndarray]]:
    """Returns, by image and edit, what is known; nothing where the test images are not those of the sheet."""
    space, source, fields = match_gan.label_space(config), data.open_attributes(config, split), config.data
    draw = getattr(source, "truth", None)
    if draw is None:
        return []
    kept, limit = np.flatnonzero(space.allows(source.labels)), config.evaluation.limit
    if limit and limit < len(kept):  # as labelled_images.load spreads them
        kept = kept[np.arange(limit) * len(kept) // limit]
    fit = lambda image: plots.to_uint8(loading.fit(image, tuple(fields.image_size), fields.bits, fields.center_crop))
    found = []
    for index, picture in zip(kept[:_PORTRAITS].tolist(), inputs, strict=False):
        if not np.array_equal(fit(source[index]["image"]), picture):
            return []
        label = source.labels[index][None]
        targets = [edits.edited_labels(label, space, place)[0] for place in range(len(space.attributes))]
        found.append([fit(draw(index, target)) for target in targets])
    return found


def grid_cells(sheet: np.ndarray, size: tuple[int, int], columns: int) -> list[np.ndarray]:
    """Takes a sheet of `plots.image_grid` apart.

    Args:
        sheet: `[height, width, 3]` uint8, all of whose pictures have one size.
        size: (height, width) of these.
        columns: of the sheet.

    Returns:
        The columns, `[n, *size, 3]` each.
    """
    scale = ((sheet.shape[1] - _MARGIN) // columns - _MARGIN) // size[1]
    height, width = (scale * side + _MARGIN for side in size)
    rows = (sheet.shape[0] - 2 * _MARGIN) // height  # above them are captions, which are lower than a picture
    top = sheet.shape[0] - rows * height
    corners = lambda column: [(top + row * height, _MARGIN + column * width) for row in range(rows)]
    cut = lambda y, x: sheet[y : y + height - _MARGIN : scale, x : x + width - _MARGIN : scale]
    return [np.stack([cut(y, x) for y, x in corners(column)]) for column in range(columns)]


def _read(path: Path) -> np.ndarray | None:
    """Returns a picture; None where there is none that can be read."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError:
        return None


def data_uri(picture: np.ndarray) -> str:
    """Returns a picture as the address of itself."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
