"""Driving scenes drawn from a seed, each by night and by day: the pictures of the embedded data set `scenes`.

Integers only: coordinates are fixed point (`UNIT` a side, so that a scene looks alike at each size), shapes are
rasterised and lights fall off by integer arithmetic, and chance comes from raw Philox words. So the bits are the same
on every machine and with every version of NumPy. Images are averaged from 2x2 points a pixel; labels take one of them.
`scene_canvas` has the means, this file the objects: one function each, by what classes and counts they appear.
"""

from typing import TypeVar

import numpy as np

from gan_ssl.data.scene_canvas import POINTS, SKY, UNIT, Canvas, Colour, Dice, vary

CLASS_NAMES = ("sky", "building", "road", "pavement", "tree", "car", "pedestrian", "lamp")
BUILDING, ROAD, PAVEMENT, TREE, CAR, PEDESTRIAN, LAMP = range(SKY + 1, 8)
# One colour a class for pictures of label maps: Cityscapes' own, where it has the class.
PALETTE = np.array(
    [(70, 130, 180), (90, 60, 60), (128, 64, 128), (244, 175, 232), (60, 150, 30), (0, 0, 200), (220, 20, 60)]
    + [(220, 220, 0)],
    np.uint8,
)
SPLITS = ("train", "validation", "test")
DOMAINS = ("a", "b")  # a: night, b: day
SIZES = (64, 128, 256)

# What differs between the domains, apart from the light: each tuple is drawn from evenly. By night (a) the streets are
# empty and built up, by day (b) full of cars and trees. This difference is what makes a plain translation invent trees.
_COUNTS = {
    "a": {
        "buildings": (5, 6, 6, 7),
        "trees": (0, 0, 0, 0, 0, 0, 1, 1, 1, 2),
        "cars": (0, 0, 0, 0, 0, 0, 1, 1, 1, 2),
        "pedestrians": (0, 0, 0, 0, 0, 0, 0, 1, 1, 2),
        "lamps": (1, 2, 2, 2, 3),
    },
    "b": {
        "buildings": (2, 2, 3, 3),
        "trees": (1, 1, 2, 2, 2, 3, 3, 3, 4, 5),
        "cars": (1, 1, 1, 1, 2, 2, 2, 3, 3, 3),
        "pedestrians": (0, 0, 1, 1, 1, 1, 2, 2, 2, 3),
        "lamps": (1, 2, 2, 2, 3),
    },
}
_WALLS = ((176, 92, 72), (206, 138, 84), (122, 140, 82), (146, 104, 140), (196, 108, 132), (108, 120, 136))
_WALLS += ((200, 176, 138), (132, 112, 90), (96, 136, 132), (186, 84, 58), (210, 156, 146), (154, 160, 112))
_PAINTS = ((200, 24, 28), (36, 64, 190), (24, 120, 92), (214, 172, 30), (226, 226, 222), (44, 44, 50), (120, 150, 190))
_SHIRTS = (
    (232, 96, 40),
    (60, 190, 170),
    (228, 210, 60),
    (200, 50, 110),
    (90, 110, 220),
    (235, 235, 230),
    (60, 160, 60),
)
_LEAVES = ((44, 122, 40), (66, 128, 38), (34, 104, 52), (88, 120, 36), (56, 140, 60))
_LIT = ((250, 196, 96), (250, 214, 138), (236, 170, 74))


_Heights = TypeVar("_Heights", int, np.ndarray)


class _Street:
    """Where the road lies: every foot point and width in a scene follows from it."""

    def __init__(self, dice: Dice):
        self.horizon = dice.between(490, 556)
        self.centre = dice.between(410, 614)
        self.far, self.near = dice.between(84, 120), dice.between(566, 636)  # half widths at the horizon, at the bottom
        self.foot_x = self.centre + dice.between(-60, 60)  # of the centre line, at the bottom of the picture

    def half_width(self, y: _Heights) -> _Heights:
        return self.far + (self.near - self.far) * (y - self.horizon) // (UNIT - self.horizon)

    def middle(self, y: _Heights) -> _Heights:
        return self.centre + (self.foot_x - self.centre) * (y - self.horizon) // (UNIT - self.horizon)

    def foot(self, permille: int) -> int:
        """The height in the picture of a depth: 0 at the horizon, 1000 at the bottom."""
        return self.horizon + (UNIT - self.horizon) * permille // 1000

    def beside(self, dice: Dice, side: int, y: int, low: int, high: int) -> int:
        """A place that far outside of the kerb, and in the picture."""
        x = self.middle(y) + side * (self.half_width(y) + dice.between(low, high))
        return min(max(x, 52), UNIT - 52)


def _shade(colour: Colour, percent: int) -> tuple[int, ...]:
    return tuple(min(int(channel) * percent // 100, 255) for channel in colour)


def _draw_clouds(canvas: Canvas, dice: Dice, street: _Street):
    for _ in range(dice.between(2, 4)):
        x, y, width = dice.between(0, UNIT), dice.between(0, street.horizon - 150), dice.between(50, 110)
        for _ in range(dice.between(5, 8)):
            rx = dice.between(width // 2, width * 5 // 4)
            area, bump = canvas.falloff(
                x + dice.between(-width, width), y + dice.between(-16, 16), rx, dice.between(rx // 3, rx // 2)
            )
            canvas.cloud[area] += bump * (256 - canvas.cloud[area]) * 3 >> 10


def _draw_ground(canvas: Canvas, dice: Dice, street: _Street):
    """Pavement in slabs, kerbs, the road, its dashed centre line and now and then a zebra crossing."""
    stone, tar = vary(dice, (164, 148, 132), 10), (dice.between(76, 96),) * 3
    area = canvas.area(0, street.horizon, UNIT, UNIT)
    x, y = canvas.points(area)
    depth = np.maximum(y - street.horizon, 1)
    slabs = ((60000 // (depth + 30)) // 64 + (x - street.middle(y)) * 12 // (depth + 60)) & 1
    canvas.paint(area, stone, PAVEMENT)
    canvas.paint(area, [channel - 10 for channel in stone], mask=slabs == 1)
    ends = [(street.middle(y), street.half_width(y), y) for y in (street.horizon, UNIT)]
    for colour, label, wider in ((_shade(stone, 122), PAVEMENT, 34), (tar, ROAD, 0)):
        top, bottom = ((x - w - w * wider // 900, x + w + w * wider // 900, y) for x, w, y in ends)
        canvas.trapezoid(top, bottom, colour, label)
    dash = ((dice.between(0, 255) + 64000 // (depth + 24)) // 64 & 1).astype(bool)
    line = np.abs(x - street.middle(y)) * 2 < 7 + depth // 22
    canvas.paint(area, (226, 224, 214), mask=dash & line)
    if dice.chance(25):
        top = street.foot(dice.between(220, 420))
        stripes = (x - street.middle(y)) * 14 // (depth + 90) & 1 == 1
        reach = np.abs(x - street.middle(y)) < street.half_width(y) * 23 // 25
        canvas.paint(area, (204, 202, 196), mask=stripes & reach & (y >= top) & (y < top + 30 + (top - 486) // 4))


def _draw_building(canvas: Canvas, dice: Dice, x: int, base: int, width: int, height: int):
    """A front with a cornice, a shaded side, a door and rows of windows, some of them lit by night."""
    wall, top = vary(dice, dice.choice(_WALLS), 14), base - height
    canvas.box(x, top, x + width, base, wall, BUILDING)
    canvas.box(x + width - width // 7, top, x + width, base, _shade(wall, 76))
    canvas.box(x, top, x + width, top + 12, _shade(wall, 120))
    bays, floors = max(width // dice.between(44, 60), 2), max((height - 30) // dice.between(54, 66), 1)
    percent = dice.between(25, 50)
    lit = np.array([[dice.chance(percent) for _ in range(bays)] for _ in range(floors)])
    area = canvas.area(x + 8, top + 22, x + width - width // 7, base - 8)
    px, py = canvas.points(area)
    column, across = np.divmod((px - x - 8) * 64 * bays // max(width - width // 7 - 8, 1), 64)
    row, down = np.divmod((py - top - 22) * 64 * floors // (height - 30), 64)
    pane = (across >= 14) & (across < 48) & (down >= 8) & (down < 44)
    glass = vary(dice, (62, 78, 100), 12)
    canvas.paint(area, glass, mask=pane)
    bright = pane & lit[np.minimum(row, floors - 1), np.minimum(column, bays - 1)]
    canvas.paint(area, glass, mask=bright, glow=dice.choice(_LIT))
    door = x + dice.between(width // 8, width // 2)
    canvas.box(door, base - 38, door + 26, base, _shade(wall, 45))


def _draw_buildings(canvas: Canvas, dice: Dice, street: _Street, domain: str):
    """Stands each building in a strip of its own, at the end of the ground; nearer ones hide part of the others."""
    count = dice.choice(_COUNTS[domain]["buildings"])
    tall, low = ((430, 150), (340, 150))[domain == "b"]
    shift = dice.between(0, UNIT)
    for strip in range(count):
        width = dice.between(130, 240)
        middle = (shift + strip * UNIT // count + dice.between(-40, 40)) % UNIT
        _draw_building(canvas, dice, middle - width // 2, street.horizon + 6, width, dice.between(low, tall))


def _draw_tree(canvas: Canvas, street: _Street, dice: Dice, x: int, foot: int):
    """A trunk and a crown of round lobes: dark ones behind, bright ones where the light falls, from the upper left."""
    radius = dice.between(80, 110) + (foot - street.horizon) // 3
    leaf, bark = vary(dice, dice.choice(_LEAVES), 10), vary(dice, (98, 70, 46), 8)
    middle = foot - radius * dice.between(15, 18) // 10
    canvas.shadow(x, foot, radius, radius // 4)
    canvas.trapezoid((x - radius // 10, x + radius // 10, middle), (x - radius // 7, x + radius // 7, foot), bark, TREE)
    canvas.ellipse(x, middle, radius * 9 // 10, radius * 9 // 10, _shade(leaf, 74), TREE)
    lobes = [(dice.between(-50, 50), dice.between(-50, 40), dice.between(36, 50)) for _ in range(7)]
    for right, down, size in lobes:
        cx, cy, r = x + right * radius // 100, middle + down * radius // 100, size * radius // 100
        canvas.ellipse(cx, cy, r, r, _shade(leaf, 104 - (right + down) * 2 // 5), TREE)
    for right, down, size in lobes:
        cx, cy, r = x + right * radius // 120, middle + down * radius // 120, size * radius // 340
        canvas.ellipse(cx - r, cy - r, r, r, _shade(leaf, 128 - (right + down) // 2), TREE)


def _draw_lamp(canvas: Canvas, street: _Street, x: int, foot: int, side: int):
    """A pole whose arm reaches over the road, with a light at its end and a pool of light below."""
    height, half = 290 + (foot - street.horizon), 8 + (foot - street.horizon) // 60
    metal, top, head = (76, 80, 86), foot - height, x - side * height // 4
    area, bump = canvas.falloff(head, foot + 10, height * 3 // 4, height // 5)
    canvas.pool[area] += bump * 230 >> 8
    canvas.shadow(x, foot, 30, 9)
    canvas.box(x - half, top, x + half, foot, metal, LAMP)
    canvas.box(x - half - 5, foot - height // 9, x + half + 5, foot, _shade(metal, 84), LAMP)
    canvas.box(min(x - half, head), top, max(x + half, head), top + half * 2, metal, LAMP)
    canvas.box(head - 20, top, head + 20, top + half * 2 + 8, _shade(metal, 90), LAMP)
    canvas.box(head - 16, top + 8, head + 16, top + half * 2 + 8, (224, 220, 200), LAMP, glow=(255, 240, 205))
    canvas.shine(head, top + 16, 76 + half * 2, (250, 226, 176))
    canvas.shine(head, top + 16, 250, (54, 46, 40))


def _draw_car(canvas: Canvas, street: _Street, dice: Dice, x: int, foot: int, away: bool):
    """A car from behind (`away`, red lights) or from the front: wheels, body, cabin, windows, lights, plate."""
    width = max(street.half_width(foot) * dice.between(70, 85) // 100, 128)
    height, paint = width * dice.between(70, 80) // 100, vary(dice, dice.choice(_PAINTS), 12)
    left, top = x - width // 2, foot - height

    def at(across: int, down: int) -> tuple[int, int]:
        return left + width * across // 100, top + height * down // 100

    def part(x0: int, y0: int, x1: int, y1: int, colour: Colour, **kwargs):
        canvas.box(*at(x0, y0), *at(x1, y1), colour, CAR, **kwargs)

    def taper(top_inset: int, bottom_inset: int, y0: int, y1: int, colour: Colour):
        (left0, y0), (right0, _), (left1, y1), (right1, _) = (
            at(top_inset, y0), at(100 - top_inset, y0), at(bottom_inset, y1), at(100 - bottom_inset, y1),
        )  # fmt: skip
        canvas.trapezoid((left0, right0, y0), (left1, right1, y1), colour, CAR)

    canvas.shadow(x, foot - height // 20, width * 3 // 5, height // 5)
    for wheel in (5, 75):
        part(wheel, 76, wheel + 20, 100, (26, 26, 28))
    taper(22, 9, 0, 44, _shade(paint, 92))
    taper(27, 16, 7, 40, (52, 64, 80) if away else (112, 134, 154))
    part(0, 42, 100, 88, paint)
    part(2, 41, 98, 47, _shade(paint, 125))
    part(0, 74, 100, 88, _shade(paint, 66))
    part(38, 66, 62, 76, (214, 214, 200) if away else (40, 40, 44))
    colour, glow, glare = ((150, 20, 18), (235, 30, 20), (90, 8, 4)) if away else ((236, 234, 214),) * 2 + ((70,) * 3,)
    for lamp in (3, 79):
        part(lamp, 50, lamp + 18, 64, colour, glow=glow)
        canvas.shine(*at(lamp + 9, 57), width // 5, glare)


def _draw_pedestrian(canvas: Canvas, street: _Street, dice: Dice, x: int, foot: int):
    """Hair, head, body with arms, and two legs, of which one may be ahead."""
    height = 116 + (foot - street.horizon) * 2 // 5 + dice.between(0, 24)
    skin, shirt = dice.choice(((224, 180, 150), (176, 124, 92), (112, 76, 56))), vary(dice, dice.choice(_SHIRTS), 14)
    trousers, stride = vary(dice, dice.choice(((44, 52, 84), (58, 54, 52), (96, 88, 74))), 8), dice.between(0, 5)
    top = foot - height

    def part(x0: int, y0: int, x1: int, y1: int, colour: Colour):
        box = (x + height * x0 // 100, top + height * y0 // 100, x + height * x1 // 100, top + height * y1 // 100)
        canvas.box(*box, colour, PEDESTRIAN)

    canvas.shadow(x, foot, height // 4, height // 16)
    part(-11 - stride, 52, -1 - stride, 100, trousers)
    part(1 + stride, 52, 11 + stride, 98, _shade(trousers, 84))
    part(-18, 24, 18, 52, _shade(shirt, 78))
    part(-12, 21, 12, 58, shirt)
    part(-18, 50, -13, 56, skin)
    part(13, 50, 18, 56, skin)
    canvas.ellipse(x, top + height * 11 // 100, height * 10 // 100, height * 11 // 100, skin, PEDESTRIAN)
    part(-9, 0, 9, 6, (60, 44, 36))


def _draw_objects(canvas: Canvas, dice: Dice, street: _Street, domain: str):
    """Places lamps, trees, people and cars on the street and draws them from the far to the near ones."""
    counts = {kind: dice.choice(options) for kind, options in _COUNTS[domain].items()}
    things, first = [], dice.choice((-1, 1))
    for index in range(counts["lamps"]):
        side, foot = first * (-1) ** index, street.foot(dice.between(60, 330))
        things.append((foot, _draw_lamp, (street.beside(dice, side, foot, 20, 50), foot, side)))
    for _ in range(counts["trees"]):
        foot = street.foot(dice.between(30, 260))
        things.append((foot, _draw_tree, (dice, street.beside(dice, dice.choice((-1, 1)), foot, 50, 330), foot)))
    for _ in range(counts["pedestrians"]):
        foot = street.foot(dice.between(90, 460))
        things.append((foot, _draw_pedestrian, (dice, street.beside(dice, dice.choice((-1, 1)), foot, -16, 110), foot)))
    for index in range(counts["cars"]):
        # A depth of its own for each, so that cars hide little of each other.
        foot, lane = street.foot(100 + (index * 410 + dice.between(0, 410)) // counts["cars"]), dice.choice((-1, 1))
        things.append(
            (foot, _draw_car, (dice, street.middle(foot) + lane * street.half_width(foot) // 2, foot, lane > 0))
        )
    for _, draw, arguments in sorted(things, key=lambda thing: thing[0]):
        draw(canvas, street, *arguments)


def draw_scene(seed: int, split: str, domain: str, index: int, size: int) -> dict[str, np.ndarray]:
    """Draws one scene in both lights: the same arguments give the same bits everywhere.

    Args:
      seed: of the whole data set, 0 to 2^64 - 1.
      split: 'train', 'validation' or 'test'.
      domain: 'a' (night) or 'b' (day).
      index: of the scene in its split and domain, 0 to 2^32 - 1.
      size: the side in pixels, 64, 128 or 256. Scenes look alike at each, save for the noise.

    Returns:
      'image' [size, size, 3] uint8 in the domain's light, 'label' [size, size] uint8 indices into `CLASS_NAMES`, and
      'truth' [size, size, 3] uint8, the same scene in the other light.
    """
    stream = (SPLITS.index(split) * 2 + DOMAINS.index(domain)) * 2**32 + index
    dice, canvas = Dice(seed, stream), Canvas(size)
    street = _Street(dice)
    _draw_clouds(canvas, dice, street)
    _draw_ground(canvas, dice, street)
    _draw_buildings(canvas, dice, street, domain)
    _draw_objects(canvas, dice, street, domain)
    night, day = canvas.night(dice, street.horizon), canvas.day(street.horizon)
    image, truth = (night, day) if domain == "a" else (day, night)
    return {"image": image, "label": canvas.label[::POINTS, ::POINTS].copy(), "truth": truth}
