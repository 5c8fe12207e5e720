"""The hair of portraits: how it is cut is part of who somebody is, which colour it has is a label."""

from typing import NamedTuple

import numpy as np

from gan_ssl.data.face_canvas import LEVEL, Area, Canvas, Colour, mix
from gan_ssl.data.scene_canvas import Dice

# From the darkest to the lightest shade of a colour. The gaps between them are wider than light and shade reach.
SHADES = {
    "Black_Hair": ((14, 13, 16), (35, 31, 31)),
    "Blond_Hair": ((206, 160, 86), (244, 216, 152)),
    "Brown_Hair": ((97, 55, 29), (126, 78, 46)),
}


class Style(NamedTuple):
    """A cut. Lengths as everywhere; y from the middle of the face, whose upper end is near -230."""

    grow: int  # by how much it is wider than the face
    crown: int  # and higher
    line: int  # where the forehead ends in the middle
    temple: int  # by how much it ends lower at the temples
    curtain: int  # and a face's width away from the parting, whose place varies by
    parting: int
    sides: int  # how far down the sides it goes before the ears
    length: int = 0  # where long hair ends
    wide: int = 0  # by how much long hair is wider than the face
    curls: int = 0  # the radius of curls
    bun: int = 0  # the radius of a bun


_STYLES = (
    Style(grow=14, crown=30, line=-150, temple=46, curtain=0, parting=0, sides=0),
    Style(grow=20, crown=58, line=-140, temple=20, curtain=70, parting=120, sides=30),
    Style(grow=26, crown=50, line=-104, temple=24, curtain=0, parting=0, sides=60),
    Style(grow=40, crown=52, line=-98, temple=10, curtain=0, parting=0, sides=260, length=260, wide=62),
    Style(grow=36, crown=48, line=-180, temple=30, curtain=150, parting=30, sides=400, length=640, wide=56),
    Style(grow=38, crown=54, line=-168, temple=30, curtain=110, parting=130, sides=300, length=420, wide=74),
    Style(grow=36, crown=46, line=-100, temple=20, curtain=0, parting=0, sides=400, length=620, wide=44),
    Style(grow=62, crown=84, line=-150, temple=40, curtain=0, parting=0, sides=10, curls=72),
    Style(grow=44, crown=54, line=-150, temple=50, curtain=60, parting=60, sides=300, length=400, wide=84, curls=56),
    Style(grow=18, crown=28, line=-160, temple=40, curtain=60, parting=60, sides=-20, bun=96),
)


class Hair:
    """Somebody's hair, whose back is drawn before the face and whose front after it."""

    def __init__(self, dice: Dice, width: int, top: int, light: int):
        """Draws the chances.

        Args:
          dice: what they come from.
          width: half the face's.
          top: the face's upper end, above 0.
          light: from where light falls, -100 (left) to 100.
        """
        style = dice.choice(_STYLES)
        vary = {"grow": 8, "crown": 12, "line": 14, "temple": 8, "length": 50, "wide": 14, "curls": 10, "bun": 16}
        changes = {name: dice.between(-by, by) for name, by in vary.items()}
        self.style = style._replace(**{k: getattr(style, k) + by for k, by in changes.items() if getattr(style, k)})
        self._width, self._top, self._light = width, top, light
        self._parting = dice.between(-style.parting, style.parting)
        self._shade, self._warm = dice.between(0, 256), dice.between(-6, 6)
        strands = dice.octets(256)
        self._strands = strands + np.roll(strands, 1) + np.roll(strands, 2) - 382 >> 4
        self._waves, self._phase = dice.between(0, 26), dice.between(0, 255)
        self._bun = dice.between(-60, 60)
        self._curls = [[dice.between(-16, 16) for _ in range(3)] for _ in range(40)]

    def colour(self, name: str) -> tuple[int, ...]:
        """Returns this person's shade of one of the colours."""
        dark, light = SHADES[name]
        red, green, blue = mix(dark, light, self._shade)
        return red + self._warm // 2, green, blue - self._warm // 2

    def draw_back(self, canvas: Canvas, colour: Colour):
        """Draws what lies behind the face and the neck."""
        style, self._texture = self.style, self._strand_light(canvas)
        if style.bun:
            area, depth = canvas.blob(self._bun, -self._top - style.crown - style.bun // 3, style.bun, style.bun)
            canvas.paint(area, colour, depth > 0, self._lit(area, depth, 18))
        if style.curls:
            self._draw_curls(canvas, colour)
        if style.length:
            area, depth = self._long(canvas)
            canvas.paint(area, mix(colour, (0, 0, 0), 50), depth > 0, self._lit(area, depth, 10))

    def draw_front(self, canvas: Canvas, colour: Colour):
        """Draws what lies over the face: the cap above the forehead and what falls down the sides."""
        style = self.style
        area, depth = canvas.blob(0, 0, self._width + style.grow, self._top + style.crown, below=330, square=30)
        x, y = canvas.local(area)
        sides = (np.abs(x) > self._width * 29 // 32) & (y < style.sides) if style.sides < 200 else False
        mask = (depth > 0) & ((y < self._line(x)) | sides)
        canvas.shade(area, LEVEL * 11 // 16, (depth > 0) & (y < self._line(x) + 26) & ~mask & (y < 40))
        canvas.paint(area, colour, mask, self._lit(area, depth, 26))
        if style.length:
            area, depth = self._long(canvas)
            x, y = canvas.local(area)
            opening = self._width * 15 // 16 - np.maximum(y - 120, 0) // 5
            mask = (depth > 0) & (np.abs(x) > opening) & (y > -120)
            canvas.paint(area, colour, mask, self._lit(area, depth, 26))

    def _line(self, x: np.ndarray) -> np.ndarray:
        """How far down the hair over the forehead reaches."""
        style, u = self.style, x * (65536 // self._width) >> 8
        fall = style.curtain * np.abs(x - self._parting) // self._width
        jags = self._strands[(x >> 3) & 255] // 2
        return style.line + (u * u * style.temple >> 16) + fall + jags

    def _long(self, canvas: Canvas) -> tuple[Area, np.ndarray]:
        """The shape of long hair from the crown to its ends."""
        style = self.style
        middle = style.length // 3
        reach = style.length - middle
        return canvas.blob(0, middle, self._width + style.wide, self._top + middle, below=reach, square=225)

    def _draw_curls(self, canvas: Canvas, colour: Colour):
        """Curls around the head, down to the ends of long hair or to the ears."""
        style = self.style
        rx, ry = self._width + style.grow - style.curls // 2, self._top + style.crown - style.curls // 2
        # Points on an ellipse, in 1024ths of its radii: from the right ear over the crown to the left one.
        arc = [(1016, 128), (1016, -128), (939, -409), (766, -680), (532, -875), (233, -997), (0, -1024)]
        arc += [(-x, y) for x, y in reversed(arc[:-1])]
        places = [(rx * x >> 10, ry * y >> 10) for x, y in arc]
        places += [(side * rx, y) for y in range(90, style.length - 40, 60) for side in (-1, 1)]
        for (x, y), (right, down, bigger) in zip(places, self._curls, strict=False):
            radius = style.curls + bigger
            area, depth = canvas.blob(x + right, y + down, radius, radius)
            canvas.paint(area, colour, depth > 0, self._lit(area, depth, 30))

    def _strand_light(self, canvas: Canvas) -> np.ndarray:
        """Light on hair everywhere: strands that fall from above the parting, a gloss on top, one side brighter."""
        x, y = canvas.local((slice(None), slice(None)))
        wave = np.abs((y + self._phase & 127) - 64) * self._waves >> 6
        strand = self._strands[(x - self._parting) * 1100 // np.maximum(y + 800, 1) + wave & 255]
        across = x - self._light
        off = np.abs(y + self._top - 10 - (across * across >> 9))
        gloss = np.maximum(64 - off, 0) * np.maximum(192 - np.abs(across), 0) * 5 >> 11
        return LEVEL - 4 + strand + gloss + (x * self._light >> 10)

    def _lit(self, area: Area, depth: np.ndarray, bulge: int) -> np.ndarray:
        """Light on hair of a shape: the more it bulges, the darker its rim."""
        return self._texture[area] + (depth * bulge >> 16) - bulge // 2
