"""What portraits are drawn with: a canvas with light, tilted frames and two kinds of shape, all in integers."""

import copy
from collections.abc import Sequence

import numpy as np

UNIT = 1024  # the side of a picture in the fixed-point coordinates that everything is drawn in
SIDE = 256  # points a side, whatever size is asked for: each size is the mean of the same points
_STEP = UNIT // SIDE
LEVEL = 128  # the light that leaves a colour as it is

Colour = Sequence[int]
Area = tuple[slice, slice]


def mix(colour: Colour, other: Colour, weight: int) -> tuple[int, ...]:
    """Returns `colour` at weight 0, `other` at 256."""
    return tuple(int(a) + ((int(b) - int(a)) * weight >> 8) for a, b in zip(colour, other, strict=True))


class Canvas:
    """The colour of each point and the light on it, seen from a frame that may be moved and tilted: see `at`."""

    def __init__(self):
        self._words = np.zeros((SIDE, SIDE), np.uint32)  # so that paint is a single store: red, green, blue, nothing
        self._albedo = self._words.view(np.uint8).reshape(SIDE, SIDE, 4)[..., :3]
        self._light = np.full((SIDE, SIDE), LEVEL, np.int16)
        self._place(0, 0, 0)

    def _place(self, left: int, top: int, tilt: int):
        self._frame = (left, top, tilt)
        x = (np.arange(SIDE, dtype=np.int32) * _STEP + _STEP // 2)[None, :]
        x, y = x - left, x.T - top
        self._x, self._y = (x + (y * tilt >> 10), y - (x * tilt >> 10)) if tilt else np.broadcast_arrays(x, y)

    def at(self, x: int, y: int, tilt: int = 0) -> "Canvas":
        """Returns the same canvas with its origin there, tilted clockwise by `tilt` / 1024 radians (a small angle)."""
        view = copy.copy(self)
        view._place(x, y, tilt)
        return view

    def area(self, x0: int, y0: int, x1: int, y1: int) -> Area:
        """Returns the smallest area that holds a box of the frame."""
        left, top, tilt = self._frame
        lean = [edge * tilt >> 10 for edge in (x0, x1, y0, y1)]
        slack = abs(tilt) // 8
        x0, x1 = x0 - max(lean[2:]) - slack, x1 - min(lean[2:]) + slack
        y0, y1 = y0 + min(lean[:2]) - slack, y1 + max(lean[:2]) + slack
        bounds = [x0 + left, x1 + left, y0 + top, y1 + top]
        x0, x1, y0, y1 = (min(max(-((_STEP // 2 - edge) // _STEP), 0), SIDE) for edge in bounds)
        return slice(y0, y1), slice(x0, x1)

    def local(self, area: Area) -> tuple[np.ndarray, np.ndarray]:
        """Returns the frame's x and y of an area's points, int32."""
        return self._x[area], self._y[area]

    def blob(self, x: int, y: int, rx: int, ry: int, below: int = 0, square: int = 0) -> tuple[Area, np.ndarray]:
        """An ellipse whose lower half may be longer, and nearer to a box (square up to 255) or to a diamond (below 0).

        Returns the area and its points' depth, int32: 65536 in the middle, 0 at the rim, negative outside.
        """
        below = below or ry
        area = self.area(x - rx, y - ry, x + rx, y + below)
        px, py = self.local(area)
        u, down = (px - x) * (65536 // rx) >> 8, py - y
        v = np.minimum(down, 0) * (65536 // ry) + np.maximum(down, 0) * (65536 // below) >> 8
        u, v = u * u, v * v
        depth = 65536 - u - v
        return (area, depth + ((u >> 8) * (v >> 8) * square >> 8)) if square else (area, depth)

    def crescent(
        self, x: int, y: int, rx: int, upper: int, lower: int, slope: int = 0, upright: bool = False
    ) -> tuple[Area, np.ndarray]:
        """What lies between two arcs with the same ends.

        Args:
            x: the middle between the ends.
            y: of that.
            rx: half the distance of the ends.
            upper: how far below the ends one arc is half way; negative above them.
            lower: the same of the other arc.
            slope: how much lower, in 256ths, it is to the right.
            upright: exchanges the two directions: ends above each other, arcs to the right of them.

        Returns:
            The area and a mask.
        """
        upper, lower = sorted((upper, lower))
        low, high = min(upper, 0) - abs(slope * rx >> 8), max(lower, 0) + abs(slope * rx >> 8)
        if upright:
            area = self.area(x + low, y - rx, x + high, y + rx)
            px, py = self.local(area)
            along, down = py - y, px - x
        else:
            area = self.area(x - rx, y + low, x + rx, y + high)
            px, py = self.local(area)
            along, down = px - x, py - y
        u = along * (65536 // rx) >> 8
        bulge = 65536 - u * u
        down = (down - (along * slope >> 8)) << 8
        return area, (down >= (bulge >> 8) * upper) & (down < (bulge >> 8) * lower) & (bulge > 0)

    def paint(self, area: Area, colour: Colour, mask: np.ndarray | bool = True, light: np.ndarray | int = LEVEL):
        """Paints where `mask` holds, under a light of its own."""
        word = np.array([*colour, 0], np.uint8).view(np.uint32)[0]
        np.copyto(self._words[area], word, where=mask)
        np.copyto(self._light[area], light, where=mask)

    def shade(self, area: Area, light: np.ndarray | int, mask: np.ndarray | bool = True):
        """Multiplies the light that is there by `light` / `LEVEL`."""
        np.copyto(self._light[area], self._light[area] * np.asarray(light, np.int32) >> 7, where=mask)

    def tint(self, area: Area, colour: Colour, weight: np.ndarray):
        """Moves the colours towards another one: `weight` in 256ths."""
        there = self._albedo[area].astype(np.int32)
        self._albedo[area] = there + ((np.array(colour, np.int32) - there) * weight[..., None] >> 8)

    def picture(self, size: int, gain: Colour, noise: np.ndarray) -> np.ndarray:
        """Returns [size, size, 3] uint8: the mean of the points, times `gain` / 256 a channel, plus noise."""
        planes, light = np.empty((3, SIDE, SIDE), np.uint16), np.clip(self._light, 0, 255).astype(np.uint16)
        for channel, plane in enumerate(planes):
            np.multiply(self._albedo[..., channel], light, out=plane)  # 8 bits of colour times 8 bits of light just fit
        planes = np.minimum(planes >> 7, 255)
        for _ in range((SIDE // size).bit_length() - 1):  # sums stay far below 2^16
            planes = planes[:, 0::2] + planes[:, 1::2]
            planes = planes[:, :, 0::2] + planes[:, :, 1::2]
        lit = np.moveaxis(planes, 0, -1)
        share = (SIDE // size) ** 2
        mean = (lit.astype(np.int32) * np.array(gain, np.int32) // share + 128) >> 8
        return np.clip(mean + noise, 0, 255).astype(np.uint8)
