"""What scenes are drawn with: chance, a canvas and its two lights, all in integers so that the bits never differ."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

UNIT = 1024  # the side of a picture in the fixed-point coordinates that everything is drawn in
POINTS = 2  # points a pixel and side
SKY = 0  # the class of what nothing is painted over

Colour = Sequence[int]
Area = tuple[slice, slice]
_T = TypeVar("_T")


def _rgb(*channels: int) -> np.ndarray:
    return np.array(channels, np.int32)


def _word(*octets: int) -> np.uint64:
    """Eight bytes in memory order."""
    return np.array(octets, np.uint8).view(np.uint64)[0]


_CLASS = _word(0, 0, 0, 255, 0, 0, 0, 0)


class Dice:
    """Integers made of raw Philox words, whose sequence is fixed by the algorithm and not by a NumPy version."""

    def __init__(self, seed: int, stream: int):
        self._bits = np.random.Philox(key=np.array([seed, stream], np.uint64))

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both among them."""
        return low + (((self._bits.random_raw() >> 32) * (high - low + 1)) >> 32)

    def choice(self, options: Sequence[_T]) -> _T:
        """One of the options, all as likely."""
        return options[self.between(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """Whether something of this likelihood happens."""
        return self.between(1, 100) <= percent

    def octets(self, *shape: int) -> np.ndarray:
        """Uniform bytes of a shape, int32."""
        count = int(np.prod(shape))
        words = self._bits.random_raw(-(-count // 8)).astype("<u8")
        return words.view(np.uint8)[:count].reshape(shape).astype(np.int32)


def vary(dice: Dice, colour: Colour, by: int) -> tuple[int, ...]:
    """Returns a colour near by, each channel of which differs by at most `by`."""
    return tuple(min(max(channel + dice.between(-by, by), 0), 255) for channel in colour)


class Canvas:
    """What is at each point: its class, its own colour, what it sends out by night, and the light that lamps add."""

    def __init__(self, size: int):
        side = size * POINTS
        self.side, self.step = side, UNIT // side
        self.x = (np.arange(side, dtype=np.int32) * self.step + self.step // 2)[None, :]
        self.y = self.x.T
        # The eight bytes of a point lie in one word, so that paint is a single store: red, green, blue, class, and the
        # red, green, blue of what it sends out by night.
        self._words = np.full((side, side), _word(0, 0, 0, SKY, 0, 0, 0, 0), np.uint64)
        octets = self._words.view(np.uint8).reshape(side, side, 8)
        self.albedo, self.label, self.glow = octets[..., :3], octets[..., 3], octets[..., 4:7]
        self.pool = np.zeros((side, side), np.int32)  # 256: a lamp's light doubles the brightest albedo
        self.halo = np.zeros((side, side, 3), np.int32)
        self.cloud = np.zeros((side, side), np.int32)  # 0 to 256

    def area(self, x0: int, y0: int, x1: int, y1: int) -> Area:
        """The points whose centres lie in the half-open box."""
        half = self.step // 2
        x0, y0, x1, y1 = [min(max(-((half - edge) // self.step), 0), self.side) for edge in (x0, y0, x1, y1)]
        return slice(y0, y1), slice(x0, x1)

    def points(self, area: Area) -> tuple[np.ndarray, np.ndarray]:
        """The coordinates x [1, w] and y [h, 1] of an area's points."""
        return self.x[:, area[1]], self.y[area[0]]

    def paint(
        self,
        area: Area,
        colour: Colour,
        label: int | None = None,
        mask: np.ndarray | bool = True,
        glow: Colour = (0, 0, 0),
    ):
        """Paints an area where `mask` holds; without a label the class that is there stays."""
        target = self._words[area]
        word = _word(*colour, 0 if label is None else label, *glow, 0)
        np.copyto(target, (target & _CLASS) | word if label is None else word, where=mask)

    def box(self, x0: int, y0: int, x1: int, y1: int, colour: Colour, label: int | None = None, **kwargs):
        """Paints a half-open box; see `paint`."""
        self.paint(self.area(x0, y0, x1, y1), colour, label, **kwargs)

    def ellipse(self, cx: int, cy: int, rx: int, ry: int, colour: Colour, label: int | None = None):
        """Paints within an ellipse around (cx, cy)."""
        area = self.area(cx - rx, cy - ry, cx + rx, cy + ry)
        x, y = (axis.astype(np.int64) for axis in self.points(area))  # fourth powers of a coordinate
        self.paint(area, colour, label, ((x - cx) * ry) ** 2 + ((y - cy) * rx) ** 2 < (rx * ry) ** 2)

    def trapezoid(self, top: Sequence[int], bottom: Sequence[int], colour: Colour, label: int | None = None):
        """Paints between two level edges, each (left, right, y)."""
        (left0, right0, y0), (left1, right1, y1) = top, bottom
        area = self.area(min(left0, left1), y0, max(right0, right1), y1)
        x, y = self.points(area)
        mask = (x - left0) * (y1 - y0) >= (left1 - left0) * (y - y0)
        self.paint(area, colour, label, mask & ((x - right0) * (y1 - y0) < (right1 - right0) * (y - y0)))

    def falloff(self, cx: int, cy: int, rx: int, ry: int) -> tuple[Area, np.ndarray]:
        """An elliptical bump, int32: 256 in the middle, level and 0 at the rim."""
        area = self.area(cx - rx, cy - ry, cx + rx, cy + ry)
        x, y = self.points(area)
        inside = 65536 - ((x - cx) * 256 // rx) ** 2 - ((y - cy) * 256 // ry) ** 2
        inside = np.maximum(inside, 0) >> 8
        return area, inside * inside >> 8

    def shadow(self, cx: int, cy: int, rx: int, ry: int):
        """Darkens the ground where something stands on it, by three fifths in the middle."""
        area, depth = self.falloff(cx, cy, rx, ry)
        self.albedo[area] = self.albedo[area] * (256 - depth * 3 // 5)[..., None] >> 8

    def shine(self, cx: int, cy: int, radius: int, colour: Colour):
        """Adds glare around a light."""
        area, bump = self.falloff(cx, cy, radius, radius)
        self.halo[area] += (bump * bump >> 8)[..., None] * np.asarray(colour, np.int32) >> 8

    def day(self, horizon: int) -> np.ndarray:
        """Returns [size, size, 3] uint8: every point in its own colour, under a sky that pales towards the horizon."""
        sky = _rgb(74, 132, 222) + (_rgb(134, 92, 28) * self._down(horizon) >> 8)
        sky = sky + ((_rgb(252, 252, 252) - sky) * self.cloud[..., None] >> 8)
        return _average(np.where((self.label == SKY)[..., None], sky, self.albedo)).astype(np.uint8)

    def night(self, dice: Dice, horizon: int) -> np.ndarray:
        """Returns [size, size, 3] uint8: 0.34 to 0.50 of every colour, bluish, a sky nearly black, lamps and noise."""
        gain = dice.between(87, 128) * _rgb(220, 240, 276) + self.pool[..., None] * _rgb(250, 222, 176)
        sky = _rgb(6, 7, 16) + (_rgb(12, 12, 20) * self._down(horizon) >> 8) + (self.cloud[..., None] >> 4)
        image = np.where((self.label == SKY)[..., None], sky, self.albedo * gain >> 16)
        image = _average(np.minimum(image + self.glow + self.halo, 255))
        # The sum of four bytes has a deviation of 147.8: this makes it 0.025 of the range.
        octets = dice.octets(4, *image.shape)
        noise = (octets[0] + octets[1] + octets[2] + octets[3] - 510) * 707 + 8192 >> 14
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    def _down(self, horizon: int) -> np.ndarray:
        """How far down the sky each row is, [side, 1, 1]: 0 at the top, 256 at the horizon."""
        return np.minimum(self.y * 256 // horizon, 256)[..., None]


def _average(points: np.ndarray) -> np.ndarray:
    """The mean of 2x2 points, rounded."""
    return (points[0::2, 0::2] + points[1::2, 0::2] + points[0::2, 1::2] + points[1::2, 1::2] + 2) >> 2
