"""Pictures: grids with captions and coloured label maps, in NumPy and PIL alone, and curves, which need Matplotlib."""

import colorsys
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_ssl import errors

_STREET_COLOURS = {  # after Cityscapes; other names get evenly spread hues
    "sky": (70, 130, 180),
    "building": (90, 58, 58),
    "road": (128, 64, 128),
    "pavement": (244, 170, 232),
    "tree": (60, 150, 30),
    "car": (0, 0, 200),
    "pedestrian": (220, 20, 60),
    "lamp": (220, 210, 0),
    "pole": (153, 153, 153),
    "sign": (250, 170, 30),
    "fence": (190, 153, 103),
    "bicyclist": (119, 11, 32),
}
_SMALLEST_CELL = 96
_MARGIN = 4


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Turns pictures into 8 bits: floats from [-1, 1], 16 bits from their full range; uint8 as it is."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.uint16:
        return np.round(images / 257.0).astype(np.uint8)
    return np.round((np.clip(images.astype(np.float32), -1, 1) + 1) * 127.5).astype(np.uint8)


def thumbnail(image: np.ndarray, most_side: int) -> np.ndarray:
    """Makes a picture smaller until no side is longer than `most_side`; smaller ones stay.

    Args:
        image: `[height, width, 3]` as `to_uint8` takes it.
        most_side: in pixels.

    Returns:
        `[height, width, 3]` uint8.
    """
    picture = Image.fromarray(to_uint8(image))
    picture.thumbnail((most_side, most_side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def palette(num_classes: int, class_names: Sequence[str] = ()) -> np.ndarray:
    """Returns `[256, 3]` uint8 colours by label; labels that are no class are black."""
    colours = np.zeros((256, 3), np.uint8)
    for i in range(num_classes):
        hue = colorsys.hsv_to_rgb(i * 0.618 % 1, 0.75 if i % 2 else 0.5, 0.9 if i % 3 else 0.65)
        name = class_names[i].lower() if i < len(class_names) else ""
        colours[i] = _STREET_COLOURS.get(name, np.round(np.array(hue) * 255))
    return colours


def colour_labels(labels: np.ndarray, num_classes: int, class_names: Sequence[str] = ()) -> np.ndarray:
    """Colours label maps.

    Args:
        labels: `[..., height, width]` uint8 class indices.
        num_classes: number of classes; other labels (ignored pixels) become black.
        class_names: classes with usual names get their usual colours.

    Returns:
        `[..., height, width, 3]` uint8.
    """
    return palette(num_classes, class_names)[labels]


def image_grid(columns: Mapping[str, np.ndarray], max_rows: int = 8) -> np.ndarray:
    """Sets pictures side by side, a caption over each column.

    Args:
        columns: caption -> `[n, height, width, 3 or 1]` pictures as `to_uint8` takes them; columns may differ in size.
        max_rows: pictures of a column to show.

    Returns:
        `[height, width, 3]` uint8; small pictures are enlarged by whole pixels, so that captions fit.

    Raises:
        ValueError: there is no picture.
    """
    cells = {caption: to_uint8(images)[:max_rows] for caption, images in columns.items()}
    if not cells or not all(len(images) for images in cells.values()):
        raise ValueError(f"a grid needs pictures in each column; got {[(c, len(i)) for c, i in cells.items()]}")
    height = max(images.shape[1] for images in cells.values())
    width = max(images.shape[2] for images in cells.values())
    scale = max(1, -(-_SMALLEST_CELL // width))
    font = ImageFont.load_default()
    band = sum(font.getmetrics()) if isinstance(font, ImageFont.FreeTypeFont) else 12
    cell = (scale * width + _MARGIN, scale * height + _MARGIN)
    rows = max(len(images) for images in cells.values())
    sheet = Image.new("RGB", (cell[0] * len(cells) + _MARGIN, cell[1] * rows + band + 2 * _MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for x, (caption, images) in enumerate(cells.items()):
        left = _MARGIN + x * cell[0]
        draw.text((left, _MARGIN), _fit(caption, cell[0] - _MARGIN, font), fill="black", font=font)
        for y, picture in enumerate(images):
            picture = np.broadcast_to(picture, (*picture.shape[:2], 3)).repeat(scale, axis=0).repeat(scale, axis=1)
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (left, band + 2 * _MARGIN + y * cell[1]))
    return np.asarray(sheet)


def _fit(caption: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """Shortens a caption to the pixels that its column has."""
    while caption and font.getlength(caption) > width:
        caption = caption[:-1]
    return caption


def curves(lines: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Draws the losses of a run over its steps, a panel a player.

    Args:
        lines: as `training.metrics.read_metrics` gives them.

    Returns:
        `[height, width, 3]` uint8.

    Raises:
        ConfigError: Matplotlib is not installed.
        ValueError: no line holds a loss.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise errors.ConfigError("curves need Matplotlib: pip install 'gan_ssl[notebooks]'") from None
    names = sorted({name for line in lines for name in line if name.startswith("train/") and name.count("/") == 2})
    names = [name for name in names if not name.endswith("/total")]  # a weighted sum, far above its terms
    if not names:
        raise ValueError("no line holds a loss")
    players = list(dict.fromkeys(name.split("/")[1] for name in names))
    figure = Figure(figsize=(5 * len(players), 3.4), dpi=100, layout="constrained")
    for player, axes in zip(players, figure.subplots(1, len(players), squeeze=False)[0], strict=True):
        for name in (name for name in names if name.split("/")[1] == player):
            points = [(line["step"], line[name]) for line in lines if name in line]
            axes.plot(*zip(*points, strict=True), label=name.split("/")[2])
        axes.set(title=player, xlabel="step")
        axes.legend(fontsize="small")
    canvas = FigureCanvasAgg(figure)  # not pyplot, which keeps figures and looks for a display
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def save_image(path: str | os.PathLike, image: np.ndarray | Image.Image) -> None:
    """Writes a PNG: whole or not at all, and never through a link that stands in its place.

    Args:
        path: the file, whose folder is made if need be.
        image: `[height, width]` or `[height, width, 3 or 4]` uint8, `[height, width]` uint16, or a PIL image.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    # A new file of a name that nobody can have laid a link under.
    partial = path.with_name(f".{os.getpid()}.{secrets.token_hex(8)}.partial")
    try:
        with open(partial, "xb") as file:
            image.save(file, format="PNG")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
