"""Portraits drawn from a seed, with any labels: the pictures of the embedded data set `faces`.

Integers only and chance from raw Philox words, as in `scene_drawing`, so that the bits are the same on every machine.
Who somebody is (shape, skin, hair style, clothes, background, light, noise) and the labels come from two streams of
chance. The functions here therefore draw the same chances whatever the labels are, and only then look at these.
`face_canvas` has the means, `face_hair` the hair.
"""

from collections.abc import Sequence

import numpy as np

from gan_ssl.data.face_canvas import LEVEL, SIDE, UNIT, Canvas, Colour, mix
from gan_ssl.data.face_hair import Hair
from gan_ssl.data.scene_canvas import Dice, vary

HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair")
ATTRIBUTES = (*HAIR_COLOURS, "Smiling", "Eyeglasses")  # CelebA's names
EXCLUSIVE = (HAIR_COLOURS,)  # everybody has exactly one of them
SPLITS = ("train", "validation", "test")
SIZES = (32, 64, 128)

# In per cent, a little unbalanced as in life: black and blond hair (brown is the rest), smiles, glasses.
_SHARES = (40, 25, 50, 30)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_SKINS = ((236, 202, 180), (230, 190, 160), (222, 176, 142), (206, 156, 120), (186, 134, 98), (156, 110, 82))
_SKINS += ((122, 86, 68), (96, 68, 58))
_WALLS = ((92, 116, 138), (130, 142, 126), (164, 108, 96), (112, 92, 128), (74, 128, 124), (178, 170, 162))
_WALLS += ((84, 90, 102), (144, 128, 158), (196, 186, 190), (66, 98, 74), (152, 88, 112), (104, 146, 178))
_CLOTHES = ((40, 62, 128), (150, 36, 44), (38, 108, 84), (208, 204, 198), (66, 68, 78), (126, 72, 140))
_CLOTHES += ((218, 156, 60), (84, 150, 190), (196, 108, 128), (58, 84, 56), (230, 226, 214), (100, 40, 66))
_IRISES = ((70, 44, 28), (70, 44, 28), (96, 66, 36), (56, 104, 160), (66, 116, 84), (104, 120, 130))
_LIPS = ((178, 44, 62), (196, 84, 92), (150, 48, 70))
_DARK_FRAMES = ((22, 22, 26), (22, 22, 26), (70, 36, 22), (130, 24, 34), (28, 44, 110))
_BRIGHT_FRAMES = ((232, 230, 224), (220, 180, 84), (190, 198, 206), (230, 92, 66), (96, 190, 206))


class _Head:
    """Where a head is, how it is turned and lit, and its proportions, from which every place in the face follows."""

    def __init__(self, dice: Dice):
        self.x, self.y = UNIT // 2 + dice.between(-60, 60), dice.between(430, 490)
        self.tilt, self.turn, self.light = dice.between(-110, 110), dice.between(-44, 44), dice.between(-100, 100)
        self.width, self.top, self.chin = dice.between(200, 238), dice.between(226, 250), dice.between(278, 322)
        self.jaw = dice.between(-40, 110)
        self.skin = vary(dice, dice.choice(_SKINS), 7)
        self.eyes, self.eye_y = self.width * dice.between(40, 47) // 100, dice.between(-30, 0)
        self.mouth_y = self.chin * dice.between(55, 61) // 100

    def across(self, x: int) -> int:
        """Where something in the face appears after the turn, which moves the middle most."""
        return x + self.turn * (self.width**2 - x * x) // self.width**2


def _draw_background(canvas: Canvas, dice: Dice):
    """A wall that darkens downwards; on it lights out of focus, stripes, a door or nothing."""
    wall, other, kind = vary(dice, dice.choice(_WALLS), 16), vary(dice, dice.choice(_WALLS), 16), dice.between(0, 4)
    area = canvas.area(0, 0, UNIT, UNIT)
    x, y = canvas.local(area)
    canvas.paint(area, wall)
    edge, width = dice.between(60, UNIT - 60), dice.between(70, 190)
    if kind == 1:
        for _ in range(dice.between(6, 12)):
            radius = dice.between(40, 110)
            spot, depth = canvas.blob(dice.between(0, UNIT), dice.between(0, UNIT), radius, radius)
            canvas.tint(spot, other, np.clip(depth >> 5, 0, 110))
    elif kind == 2:
        canvas.paint(area, mix(wall, other, 100), (x + (y * (edge - 512) >> 10)) // width & 1 == 1)
    elif kind == 3:
        canvas.paint(area, other, (x < edge) == (edge < UNIT // 2))
    elif kind == 4:
        canvas.paint(area, other, y > 300 + edge // 3)
    canvas.shade(area, LEVEL + 16 - (y >> 5) + (x - UNIT // 2) * dice.between(-20, 20) // UNIT)


def _draw_body(canvas: Canvas, dice: Dice, head: _Head):
    """Shoulders in clothes, the neck and, at the neckline, a bit of the chest or a collar."""
    cloth, second = vary(dice, dice.choice(_CLOTHES), 14), vary(dice, dice.choice(_CLOTHES), 14)
    kind, stripes, neck = dice.between(0, 4), dice.between(24, 60), head.width * dice.between(48, 60) // 100
    body = canvas.at(head.x - head.tilt // 3 + dice.between(-24, 24), head.y + head.chin + dice.between(44, 64))
    area, depth = body.blob(0, 360, dice.between(400, 480), 360, square=170)
    x, y = body.local(area)
    light = LEVEL - 20 + (depth * 36 >> 16) + x * head.light // 1600
    body.paint(area, cloth, depth > 0, light)
    if kind == 1:
        body.paint(area, second, (depth > 0) & (y // stripes & 1 == 1), light)
    area, depth = body.blob(0, 0, neck + dice.between(20, 60), dice.between(50, 110))
    if kind != 2:  # not a roll-neck
        body.paint(area, head.skin, depth > 0, LEVEL - 8)
    if kind == 3:  # an open collar
        for side in (-1, 1):
            area, mask = body.crescent(side * (neck + 6), 40, 96, 0, side * -64, upright=True)
            body.paint(area, mix(cloth, _WHITE, 110), mask)
    area = canvas.at(head.x, head.y, head.tilt).area(-neck, 100, neck, head.chin + 76)
    x, y = canvas.at(head.x, head.y, head.tilt).local(area)
    roll = (kind == 2) & (y > head.chin + 24)
    mask = np.abs(x) < neck - 10 + np.abs(y - head.chin - 20) // 5
    canvas.paint(area, head.skin, mask & ~roll, LEVEL - 40 + np.clip(y - head.chin, -20, 60) // 2)
    canvas.paint(area, mix(cloth, _BLACK, 30), mask & roll)


def _draw_skull(canvas: Canvas, dice: Dice, head: _Head):
    """Ears and the bare face: round by light, red at the cheeks, here and there a stubble."""
    ears, pink, stubble = dice.between(34, 46), dice.between(10, 50), dice.between(-150, 80)
    for side in (-1, 1):
        area, depth = canvas.blob(side * (head.width + 2), 24, 32, ears + 20)
        canvas.paint(area, head.skin, depth > 0, LEVEL - 14 + side * head.light // 8 - (depth > 30000) * 16)
    area, depth = canvas.blob(0, 0, head.width, head.top, below=head.chin, square=head.jaw)
    x, y = canvas.local(area)
    light = LEVEL - 26 + (depth * 38 >> 16) + (x - head.turn) * head.light // 1100
    canvas.paint(area, head.skin, depth > 0, light)
    if stubble > 0:
        grown = np.clip((y - 70) * 2, 0, stubble) * (depth > 0) * (np.abs(x) + y > 150)
        canvas.tint(area, mix(head.skin, (40, 40, 44), 200), grown)
    for side in (-1, 1):
        area, depth = canvas.blob(head.across(side * head.width * 56 // 100), 84, 66, 52)
        canvas.tint(area, (216, 92, 84), np.maximum(depth, 0) * pink >> 16)


def _draw_eyes(canvas: Canvas, dice: Dice, head: _Head):
    """Both eyes with lids, and brows, whose colour does not follow the hair's."""
    iris, rx, ry = vary(dice, dice.choice(_IRISES), 10), dice.between(38, 46), dice.between(19, 25)
    brow, thick, arch = mix(head.skin, (34, 24, 20), dice.between(150, 215)), dice.between(11, 21), dice.between(10, 30)
    lift, slope, look = dice.between(46, 60), dice.between(-34, 24), dice.between(-10, 10)
    lashes = dice.between(5, 12)
    for side in (-1, 1):
        x, y = head.across(side * head.eyes), head.eye_y
        area, depth = canvas.blob(x, y - 6, rx + 18, ry + 22)
        canvas.shade(area, LEVEL - (np.maximum(depth, 0) * 20 >> 16))
        area, white = canvas.blob(x, y, rx, ry, square=-60)
        canvas.paint(area, (240, 238, 234), white > 0, LEVEL - 6)
        px, py = canvas.local(area)
        away = (px - x - look) ** 2 + (py - y + 2) ** 2
        canvas.paint(area, iris, (white > 0) & (away < 21**2))
        canvas.paint(area, (14, 12, 14), (white > 0) & (away < 11**2))
        canvas.paint(area, _WHITE, (px - x - look + 7) ** 2 + (py - y + 9) ** 2 < 6**2)
        area, lid = canvas.crescent(x, y, rx + 6, -ry - lashes, -ry + 3)
        canvas.paint(area, mix(head.skin, (24, 14, 14), 215), lid)
        area, mask = canvas.crescent(x + side * 4, y - lift + arch, rx + 18, -arch - thick, 4 - arch, slope * side)
        canvas.paint(area, brow, mask)


def _draw_nose(canvas: Canvas, dice: Dice, head: _Head):
    """The side away from the light, the tip and the nostrils."""
    wide, tip = dice.between(30, 46), head.mouth_y * dice.between(52, 60) // 100
    x, bridge = head.across(0) + head.turn // 3, head.across(0)
    side = 1 if head.light < 0 else -1
    area, mask = canvas.crescent(
        (x + bridge) // 2 + side * 12, (head.eye_y + tip) // 2, tip // 2 + 20, 0, side * 22, upright=True
    )
    canvas.shade(area, LEVEL - 22, mask)
    area, depth = canvas.blob(x, tip, wide, 24)
    canvas.shade(area, LEVEL + (np.maximum(depth, 0) * 14 >> 16))
    area, mask = canvas.crescent(x, tip + 8, wide, 8, 24)
    canvas.shade(area, LEVEL - 30, mask)
    for nostril in (-1, 1):
        area, depth = canvas.blob(x + nostril * wide // 2, tip + 18, 9, 6)
        canvas.paint(area, mix(head.skin, (70, 24, 18), 170), depth > 0)


def _draw_mouth(canvas: Canvas, dice: Dice, head: _Head, smiling: bool):
    """Closed lips, or a smile: teeth between lips that go up at the ends, and folds beside them."""
    lips = mix(head.skin, dice.choice(_LIPS), dice.between(90, 200))
    lips = mix(lips, (90, 20, 24), 50 + max(head.skin[1] - 150, 0))  # darker on pale skin, for teeth to be seen
    rx, upper, lower, sag = dice.between(62, 76), dice.between(10, 18), dice.between(14, 26), dice.between(-10, 2)
    wider, deep, up = dice.between(24, 36), dice.between(58, 76), dice.between(16, 24)
    x, y = head.across(0) + head.turn // 6, head.mouth_y
    if not smiling:
        area, mask = canvas.crescent(x, y, rx, sag - upper, sag + lower)
        canvas.paint(area, lips, mask)
        area, mask = canvas.crescent(x, y, rx + 4, sag - 4, sag + 5)
        canvas.paint(area, mix(lips, (30, 8, 10), 170), mask)
        return
    rx += wider
    for side in (-1, 1):
        area, mask = canvas.crescent(x + side * (rx + 10), y - 22, 50, side * 10, side * 21, upright=True)
        canvas.shade(area, LEVEL - 26, mask)
    top = y - up
    area, mask = canvas.crescent(x, top, rx + 8, -upper // 2, deep + lower)
    canvas.paint(area, lips, mask)
    area, mask = canvas.crescent(x, top, rx - 4, 6, deep)
    canvas.paint(area, (64, 14, 20), mask)
    area, mask = canvas.crescent(x, top, rx - 8, 8, deep - 10)
    canvas.paint(area, (250, 248, 242), mask, LEVEL + 2)


def _draw_glasses(canvas: Canvas, dice: Dice, head: _Head, worn: bool):
    """Two rims with glass that reflects a little, the bridge and the arms. Dark skin has bright rims, to be seen."""
    rim = vary(dice, dice.choice(_DARK_FRAMES if head.skin[0] > 140 else _BRIGHT_FRAMES), 8)
    rx, ry = head.eyes - dice.between(10, 18), dice.between(48, 62)
    square, thick, droop = dice.choice((0, 0, 120, 200, 230)), dice.between(12, 18), dice.between(0, 14)
    if not worn:
        return
    y, centres = head.eye_y + 6, [head.across(side * head.eyes) for side in (-1, 1)]
    for x in centres:
        area, depth = canvas.blob(x, y, rx, ry, below=ry + droop, square=square)
        canvas.tint(area, (206, 222, 236), (depth > 0) * 46)
        px, py = canvas.local(area)
        streak = (depth > 0) & ((px - x + py - y + 30) // 26 == 1)
        canvas.tint(area, _WHITE, streak * 70)
        inner_area, inner = canvas.blob(x, y, rx - thick, ry - thick, below=ry + droop - thick, square=square)
        hole = np.zeros((SIDE, SIDE), bool)
        hole[inner_area] = inner > 0
        canvas.paint(area, rim, (depth > 0) & ~hole[area])
    _draw_bars(canvas, rim, centres, y, rx, thick, head.width)


def _draw_bars(canvas: Canvas, rim: Colour, centres: Sequence[int], y: int, rx: int, thick: int, width: int):
    """The bridge between the rims and the arms from them to the ears."""
    left, right = centres
    for x0, x1, top in ((left + rx, right - rx, y - 16), (-width, left - rx, y - 22), (right + rx, width, y - 22)):
        area = canvas.area(x0 - 6, top, x1 + 6, top + thick)
        x, down = canvas.local(area)
        canvas.paint(area, rim, (x >= x0 - 6) & (x < x1 + 6) & (down >= top) & (down < top + thick))


def draw_labels(seed: int, split: str, index: int) -> np.ndarray:
    """Draws somebody's labels, which do not depend on who it is: [5] uint8 0/1 in the order of `ATTRIBUTES`."""
    dice = Dice(seed, _stream(split, index) + 2**40)
    black, blond, smiling, glasses = _SHARES
    hair, labels = dice.between(1, 100), np.zeros(len(ATTRIBUTES), np.uint8)
    labels[0 if hair <= black else 1 if hair <= black + blond else 2] = 1
    labels[3:] = dice.chance(smiling), dice.chance(glasses)
    return labels


def _stream(split: str, index: int) -> int:
    return SPLITS.index(split) * 2**32 + index


def draw_face(seed: int, split: str, index: int, size: int, labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """Draws one portrait: the same arguments give the same bits everywhere, other labels change what they name alone.

    Args:
      seed: of the whole data set, 0 to 2^64 - 1.
      split: 'train', 'validation' or 'test'.
      index: of the portrait in its split, 0 to 2^32 - 1.
      size: the side in pixels, 32, 64 or 128. Portraits look alike at each, save for the noise.
      labels: [5] 0/1 in the order of `ATTRIBUTES`.

    Returns:
      [size, size, 3] uint8.

    Raises:
      ValueError: where labels are not 0 or 1, or of a wrong number, or not exactly one names a hair colour.
    """
    labels = [int(label) for label in labels]
    if len(labels) != len(ATTRIBUTES) or not set(labels) <= {0, 1} or sum(labels[:3]) != 1:
        raise ValueError(f"labels are {labels}; allowed: 0 or 1 for each of {ATTRIBUTES}, one hair colour")
    dice, canvas = Dice(seed, _stream(split, index)), Canvas()
    _draw_background(canvas, dice)
    head = _Head(dice)
    hair, face = Hair(dice, head.width, head.top, head.light), canvas.at(head.x, head.y, head.tilt)
    colour = hair.colour(HAIR_COLOURS[labels.index(1)])
    hair.draw_back(face, colour)
    _draw_body(canvas, dice, head)
    _draw_skull(face, dice, head)
    _draw_eyes(face, dice, head)
    _draw_nose(face, dice, head)
    _draw_mouth(face, dice, head, bool(labels[3]))
    hair.draw_front(face, colour)
    _draw_glasses(face, dice, head, bool(labels[4]))
    bright, warm = dice.between(214, 276), dice.between(-14, 14)
    octets = dice.octets(4, size, size, 3)
    noise = (octets[0] + octets[1] + octets[2] + octets[3] - 510) * 222 + 8192 >> 14  # a deviation of two levels
    return canvas.picture(size, (bright + warm, bright, bright - warm), noise)
