"""A study's charts as inline SVG: every seed as a dot, scores over `x`, and losses over steps."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gan_ssl.studies.markup import Markup, element, join
from gan_ssl.studies.plan import Row, Score
from gan_ssl.studies.report import Report
from gan_ssl.studies.style import CURVES

_WIDTH = 340
_ROW = 34
_LETTER = 7.0  # widths of a label are guessed by its letters
_NEAR = 1.0  # a reference is drawn where the axis need not grow by more than its length on that side
_POINTS = 120  # of a curve over steps; more are averaged

Points = Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """Turns values into places."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Returns the place of a value; one beyond an end is at the end."""
        turn = math.log if self.is_log else float
        share = (turn(value) - turn(self.low)) / (turn(self.high) - turn(self.low))
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Returns about `count` round values between two."""
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= min((1, 2, 5, 10), key=lambda factor: abs((high - low) / (factor * step) - count))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def limits(values: Sequence[float], references: Sequence[float] = ()) -> tuple[float, float]:
    """Returns the ends of an axis: all values, and the references that are not too far away, with some room."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    near = [r for r in references if low - _NEAR * span <= r <= high + _NEAR * span]
    low, high = min([low, *near]), max([high, *near])
    room = 0.06 * ((high - low) or span)
    return low - room, high + room


def seeds(report: Report, score: Score) -> Markup:
    """Draws a strip a row: a dot a seed, a bar at the mean, and dashed lines for the references."""
    rows = [row for row in report.study.rows if report.values[row.name][score.name]]
    if not rows:
        return Markup()
    values = [v for row in rows for v in report.values[row.name][score.name].values()]
    references = {label: by[score.name] for label, by in report.references.items() if score.name in by}
    low, high = limits(values, list(references.values()))
    shown = {label: v for label, v in references.items() if low <= v <= high}
    top, x = 14 * len(shown) + 4, Axis(low, high, 8, _WIDTH - 8)
    bottom = top + _ROW * len(rows) + 4
    parts = [_tick_x(x, score, bottom, top)]
    for place, (label, value) in enumerate(shown.items()):
        text = f"{label} {score.shown(value)}"
        parts += [
            element("line", x1=x(value), x2=x(value), y1=14 * place + 14, y2=bottom, class_="reference"),
            element("text", text, x=_inside(x(value), text), y=14 * place + 10, text_anchor="middle"),
        ]
    for place, row in enumerate(rows):
        parts.append(_strip(report, score, row, x, top + _ROW * place))
    unit = ", in %" if score.percent else ""
    words = f"{score.label}{unit}: {', '.join(f'{r.title} {_mean(report, r, score)}' for r in rows)}"
    far = [f"{label} {score.shown(v)}" for label, v in references.items() if label not in shown]
    caption = f"Off the scale: {', '.join(far)}." if far else None
    return figure(score.header, _svg(bottom + 18, words, *parts), caption)


def _strip(report: Report, score: Score, row: Row, x: Axis, top: float) -> Markup:
    values, y = report.values[row.name][score.name], top + 22
    mean = report.summary(row, score).mean or 0.0
    dots = [
        element("circle", element("title", f"seed {seed}: {score.shown(v)}"), cx=x(v), cy=y, r=4, class_="seed")
        for seed, v in values.items()
    ]
    return join(
        element("text", row.title, x=8, y=top + 11, class_="name"),
        element("text", score.shown(mean), x=_WIDTH - 8, y=top + 11, text_anchor="end", class_="value"),
        element("line", x1=x.start, x2=x.end, y1=y, y2=y, class_="grid"),
        element("line", x1=x(mean), x2=x(mean), y1=y - 7, y2=y + 7, class_="mean"),
        *dots,
    )


def _mean(report: Report, row: Row, score: Score) -> str:
    return score.shown(report.summary(row, score).mean)


def curves_of(report: Report) -> dict[str, list[Row]]:
    """Returns the rows of each curve by its name, ordered by `x`; {} where the study has none."""
    found: dict[str, list[Row]] = {}
    for row in report.study.rows:
        if row.curve and report.seeds(row):
            found.setdefault(row.curve, []).append(row)
    return {curve: sorted(rows, key=lambda row: row.x or 0.0) for curve, rows in found.items()}


def over_x(report: Report, score: Score) -> Markup:
    """Draws a score over the rows' `x`: a dot a seed, a line through the means of each curve."""
    curves = {
        curve: [row for row in rows if report.values[row.name][score.name]] for curve, rows in curves_of(report).items()
    }
    rows = [row for members in curves.values() for row in members]
    if not rows:
        return Markup()
    places = sorted({float(row.x or 0.0) for row in rows})
    values = [v for row in rows for v in report.values[row.name][score.name].values()]
    bottom, right = 200.0, _WIDTH - 14 - _LETTER * min(12, max(map(len, curves)))
    y = Axis(*limits(values), bottom, 12)
    is_log = places[0] > 0 and places[-1] >= 10 * places[0]
    x = Axis(places[0], places[-1] if len(places) > 1 else places[0] + 1, 44, right, is_log)
    parts = [_tick_y(y, score, 36, right + 8)]
    for place in places:
        parts.append(element("text", f"{place:g}", x=x(place), y=bottom + 16, text_anchor="middle"))
    parts.append(element("text", report.study.x_label, x=(36 + right) / 2, y=bottom + 32, text_anchor="middle"))
    ends = []
    for number_, (curve, members) in enumerate(curves.items()):
        if members:
            parts.append(_curve(report, score, members, number_, x, y))
            ends.append([y(report.summary(members[-1], score).mean or 0.0) + 4, curve, number_])
    for height, curve, number_ in _apart(ends):
        parts.append(element("text", curve, x=right + 10, y=height, style=f"fill:{colour(number_)}"))
    words = f"{score.label} over {report.study.x_label}: " + "; ".join(
        f"{curve} {', '.join(f'{_mean(report, r, score)} at {r.x:g}' for r in members)}"
        for curve, members in curves.items()
    )
    return figure(score.header, _svg(bottom + 38, words, *parts))


def _curve(report: Report, score: Score, rows: Sequence[Row], place: int, x: Axis, y: Axis) -> Markup:
    means = [(x(row.x or 0.0), y(report.summary(row, score).mean or 0.0)) for row in rows]
    dots = [
        _marker(place, x(row.x or 0.0), y(v), f"{row.title}, seed {seed}: {score.shown(v)}")
        for row in rows
        for seed, v in report.values[row.name][score.name].items()
    ]
    return join(_polyline(means, style=f"fill:none;stroke:{colour(place)};stroke-width:2"), *dots)


def colour(place: int) -> str:
    """Returns the colour of a curve, as the style sheet has it."""
    return f"var(--curve-{place % CURVES})"


def _marker(place: int, x: float, y: float, words: str) -> Markup:
    """A dot of a curve: colour and shape say of which."""
    shape = {
        0: lambda **rest: element("circle", element("title", words), cx=x, cy=y, r=3.5, **rest),
        1: lambda **rest: element("rect", element("title", words), x=x - 3.2, y=y - 3.2, width=6.4, height=6.4, **rest),
    }.get(place % CURVES, lambda **rest: _polygon(place % CURVES, x, y, words, **rest))
    return shape(style=f"fill:{colour(place)};fill-opacity:.6")


def _polygon(corners: int, x: float, y: float, words: str, **rest) -> Markup:
    """A triangle for the third curve, a diamond for the fourth, a pentagon for the fifth."""
    turns = [2 * math.pi * i / (corners + 1) for i in range(corners + 1)]
    points = " ".join(f"{x + 4.5 * math.sin(turn):.1f},{y - 4.5 * math.cos(turn):.1f}" for turn in turns)
    return element("polygon", element("title", words), points=points, **rest)


def legend(curves: Sequence[str]) -> Markup:
    """Returns the legend of the charts over `x`."""
    sample = lambda place: element(
        "svg",
        element("line", x1=0, x2=28, y1=6, y2=6, style=f"stroke:{colour(place)};stroke-width:2"),
        _marker(place, 14, 6, ""),
        viewBox="0 0 28 12",
        aria_hidden="true",
    )
    return element(
        "ul", *(element("li", sample(i), element("span", name)) for i, name in enumerate(curves)), class_="legend"
    )


def losses(title: str, ours: Mapping[int, Points], base: Mapping[int, Points], ends: tuple[float, float]) -> Markup:
    """Draws a panel: a line a seed of a row, and in grey those of the row that it is compared with.

    Args:
        title: of the row.
        ours: (step, value) by seed.
        base: the same of the other row.
        ends: of the axis of values, so that all panels share it.
    """
    steps = [step for points in (*ours.values(), *base.values()) for step, _ in points]
    last = max(steps)
    x, y = Axis(min(0, *steps), last, 40, 250), Axis(*ends, 108, 20)
    lines = [
        _polyline([(x(step), y(value)) for step, value in thinned(points)], class_=kind)
        for kind, runs in (("base", base), ("line", ours))
        for points in runs.values()
    ]
    marks = [
        element("text", f"{step:g}", x=x(step), y=122, text_anchor=anchor)
        for step, anchor in ((0, "middle"), (last / 2, "middle"), (last, "end"))
    ]
    plain = Score("", "")
    shown = [element("text", title, x=4, y=11, class_="name"), _tick_y(y, plain, 36, 250, count=3), *marks, *lines]
    words = f"{title}: " + ", ".join(f"seed {s} from {p[0][1]:.3g} to {p[-1][1]:.3g}" for s, p in ours.items() if p)
    return _svg(126, words, *shown, width=256)


def thinned(points: Points) -> Points:
    """Averages neighbours until few enough points are left."""
    each = -(-len(points) // _POINTS)
    if each <= 1:
        return points
    chunks = (np.mean(points[start : start + each], axis=0) for start in range(0, len(points), each))
    return [(float(step), float(value)) for step, value in chunks]


def figure(title: str, drawing: Markup, caption: str | None = None) -> Markup:
    """Returns a drawing below its title."""
    return element("figure", element("b", title), drawing, element("figcaption", caption) if caption else None)


def _svg(height: float, words: str, *parts: Markup, width: float = _WIDTH) -> Markup:
    """Returns a drawing with its contents in words for those who do not see it."""
    return element("svg", *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=words)


def _polyline(points: Points, **attributes) -> Markup:
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)


def _tick_x(x: Axis, score: Score, bottom: float, top: float) -> Markup:
    scale = 100 if score.percent else 1
    found = ticks(x.low * scale, x.high * scale)
    return join(
        *(element("line", x1=x(v / scale), x2=x(v / scale), y1=top, y2=bottom, class_="grid") for v in found),
        *(
            element("text", f"{v:g}", x=_inside(x(v / scale), f"{v:g}"), y=bottom + 14, text_anchor="middle")
            for v in found
        ),
    )


def _tick_y(y: Axis, score: Score, left: float, right: float, count: int = 4) -> Markup:
    scale = 100 if score.percent else 1
    found = ticks(y.low * scale, y.high * scale, count)
    return join(
        *(element("line", x1=left, x2=right, y1=y(v / scale), y2=y(v / scale), class_="grid") for v in found),
        *(element("text", f"{v:g}", x=left - 4, y=y(v / scale) + 4, text_anchor="end") for v in found),
    )


def _inside(x: float, text: str) -> float:
    """Moves a centred text so far that it lies within the drawing."""
    half = len(text) * _LETTER / 2
    return min(max(x, half + 2), _WIDTH - half - 2)


def _apart(ends: list[list]) -> list[list]:
    """Moves the labels at the ends of curves down until none covers another."""
    ends = sorted(ends)
    for before, after in zip(ends, ends[1:], strict=False):
        after[0] = max(after[0], before[0] + 12)
    return ends
