"""A study as one self-contained HTML page: tables, charts and pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from gan_ssl.studies import charts, pictures, settings, table
from gan_ssl.studies.markup import Markup, element, join
from gan_ssl.studies.plan import NOTHING, Row, Run, Score
from gan_ssl.studies.report import Report
from gan_ssl.studies.style import CSS
from gan_ssl.training.metrics import read_metrics
from gan_ssl.training.workdir import read_config

_SHOWN_SIDE = 144  # about, in pixels of the screen: small pictures are enlarged by whole factors


def page(report: Report, command: str, here: Sequence[Run]) -> str:
    """Returns the page.

    Args:
        report: the numbers.
        command: that makes it.
        here: the runs whose work directories are at hand, with the settings that the report is of.
    """
    study = report.study
    sections = [
        element("h1", study.title),
        element("p", study.text) if study.text else None,
        element("pre", element("code", command)),
        *(element("p", note, class_="note") for note in report.notes),
        *_scores(report),
        *_curves(report),
        *_pictures(report, here),
        *_seeds(report),
        *_details(report),
        *_losses(report, here),
        element("h2", "Where the numbers come from"),
        element("ul", *(element("li", line) for line in table.provenance(report))),
        _commands(report),
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", study.title),
        element("style", Markup(CSS)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', *sections), lang='en')}\n"


def _scores(report: Report) -> list[Markup]:
    scores = report.study.scores
    body = [
        _line(
            row.title, table.seeds_of(report, row), *(table.mean_and_spread(s, report.summary(row, s)) for s in scores)
        )
        for row in report.study.rows
    ]
    references = [
        _line(label, "", *(score.shown(values.get(score.name)) for score in scores))
        for label, values in report.references.items()
    ]
    parts = [
        element("h2", "Scores"),
        _table(
            table.READING,
            ["", "seeds", *(score.header for score in scores)],
            element("tbody", *body),
            element("tbody", *references, class_="references") if references else None,
        ),
    ]
    if table.compared(report):
        parts += [element("h2", "Differences"), _differences(report)]
    return parts


def _seeds(report: Report) -> list[Markup]:
    return [
        element("h2", "Seed by seed"),
        element("p", "A dot a seed, a bar at their mean; dashed lines are what no row changes.", class_="soft"),
        element("div", *(charts.seeds(report, score) for score in report.study.scores), class_="charts"),
    ]


def _differences(report: Report) -> Markup:
    study, lines = report.study, []
    for row in table.compared(report):
        found = [report.difference(row, score) for score in study.scores]
        cells = [
            element("b", table.interval(score, d)) if d.is_clear else table.interval(score, d)
            for score, d in zip(study.scores, found, strict=True)
        ]
        against = study.row(study.against(row)).title
        lines.append(_line(row.title, against, str(max(d.n for d in found)), *cells))
    names = ["difference", "to", "common seeds", *(score.header for score in study.scores)]
    return _table(table.INTERVALS, names, element("tbody", *lines))


def _curves(report: Report) -> list[Markup]:
    """The charts over the rows' `x`, where a study has such rows."""
    curves = charts.curves_of(report)
    if not curves:
        return []
    drawn = [charts.over_x(report, score) for score in report.study.scores]
    return [
        element("h2", f"Scores over {report.study.x_label}"),
        element("p", "A dot a seed, lines through their means.", class_="soft"),
        charts.legend(list(curves)),
        element("div", *drawn, class_="charts"),
    ]


def _pictures(report: Report, here: Sequence[Run]) -> list[Markup]:
    """The same test images under every row that has a work directory here."""
    chosen = _one_a_row(report, here)
    parts = [element("h2", f"The same {report.study.split} images under every row")]
    absent = [row.title for row in report.study.rows if row.name not in chosen and report.seeds(row)]
    if absent:
        words = "their runs are not in this work directory, only their scores are known"
        parts.append(element("p", f"No pictures of {', '.join(absent)}: {words}.", class_="note"))
    if not chosen:
        return parts
    folders, split = {run.row.name: run.folder for run in chosen.values()}, report.study.split
    found = pictures.gallery(folders, _config_of(*chosen.values()), split)
    captions = {run.row.name: _column(report, run) for run in chosen.values()}
    if found.note:
        parts.append(element("p", found.note, class_="note"))
    if found.legend:
        swatch = lambda colour: element("span", class_="swatch", style=f"background:{colour}")
        items = [element("li", swatch(colour), element("span", name)) for name, colour in found.legend.items()]
        parts.append(element("ul", *items, class_="legend", aria_label="Colours of the labels"))
    columns = [*found.before, *captions, *found.after]
    titles = {run.row.name: f"{run.row.title}, seed {run.seed}" for run in chosen.values()}
    lines = [
        element(
            "tr",
            element("th", line.caption, scope="row"),
            *(element("td", _image(line, column, titles.get(column, column))) for column in columns),
            class_="first" if line.is_first else None,
        )
        for line in found.lines
    ]
    words = "Enlarged by whole pixels. Below each row's name: the seed, and that run's own score."
    heads = [captions.get(column, element("th", column, scope="col")) for column in columns]
    thead = element("thead", element("tr", element("th", "", scope="col"), *heads))
    drawn = element("table", thead, element("tbody", *lines), class_="pictures")
    return [*parts, element("p", words, class_="soft"), element("div", drawn, class_="scroll", tabindex=0)]


def _one_a_row(report: Report, here: Sequence[Run]) -> dict[str, Run]:
    """Returns a run of each row, of the same seed in all of them where there is one."""
    seeds = {row.name: {run.seed: run for run in here if run.row.name == row.name} for row in report.study.rows}
    seeds = {name: found for name, found in seeds.items() if found}
    common = set.intersection(*(set(found) for found in seeds.values())) if seeds else set()
    return {name: found[min(common or found)] for name, found in seeds.items()}


def _config_of(run: Run, *_: Run) -> ConfigDict:
    """Returns the config of the first run, which knows its labels, with the data where this command says."""
    config = read_config(str(run.folder)) or run.config
    with config.unlocked():
        config.update_from_flattened_dict({name: v for name, v in run.changes.items() if name in settings.PATHS})
    return config


def _column(report: Report, run: Run) -> Markup:
    score = report.study.scores[0]
    value = score.shown(report.values[run.row.name][score.name].get(run.seed))
    own = element("span", f"seed {run.seed}, {score.label} {value}", class_="soft")
    return element("th", run.row.title, element("br"), own, scope="col")


def _image(line: pictures.Line, column: str, title: str) -> Markup | str:
    if column not in line.shown:
        return NOTHING
    picture: np.ndarray = line.shown[column]
    height, width = picture.shape[:2]
    factor = max(1, round(_SHOWN_SIDE / width))
    alt = f"{line.caption}: {title}"
    return element("img", src=pictures.data_uri(picture), alt=alt, width=width * factor, height=height * factor)


def _details(report: Report) -> list[Markup]:
    parts = []
    for caption, pattern in report.study.details.items():
        found, score = report.details(pattern), Score(pattern, "", percent=True)
        lines = []
        for row in filter(report.seeds, report.study.rows):
            cells = [by_row.get(row.name) for by_row in found.values()]
            lines.append(_line(row.title, *(table.mean_and_spread(score, c) if c else NOTHING for c in cells)))
        names = ["", *(name.replace("_", " ") for name in found)]
        parts += [element("h2", caption), _table("In %. " + table.READING, names, element("tbody", *lines))]
    return parts


def _losses(report: Report, here: Sequence[Run]) -> list[Markup]:
    """Small panels, a row each, for every metric that the study names."""
    curves = {run.key: read_metrics(str(run.folder)) for run in here} if report.study.losses else {}
    parts = []
    for name in report.study.losses:
        points = {key: [(x["step"], x[name]) for x in lines if name in x] for key, lines in curves.items()}
        points = {key: found for key, found in points.items() if len(found) > 1}
        if points:
            parts += [element("h3", name), element("div", *_panels(report, points), class_="panels")]
    if not parts:
        return []
    words = (
        "A panel a row, a line a seed; in grey the seeds of the row that it is compared with. "
        "What lies beyond the axis (1% at either end) is cut off."
    )
    return [element("h2", "Learning curves"), element("p", words, class_="soft"), *parts]


def _panels(report: Report, points: Mapping[tuple[str, int], charts.Points]) -> list[Markup]:
    values = [value for found in points.values() for _, value in found]
    ends = charts.limits(np.quantile(values, [0.01, 0.99]).tolist())
    of = lambda name: {seed: found for (row, seed), found in points.items() if row == name}
    drawn = []
    for row in report.study.rows:
        base = {} if report.study.against(row) == row.name else of(report.study.against(row))
        if of(row.name):
            drawn.append(element("figure", charts.losses(row.title, of(row.name), base, ends)))
    return drawn


def _commands(report: Report) -> Markup:
    """What trains each row, with its first finished seed."""
    shown: list[Row] = [row for row in report.study.rows if report.seeds(row)]
    lines = [
        element("p", row.title, element("br"), element("code", report.results[row.name, report.seeds(row)[0]].command))
        for row in shown
    ]
    return element("details", element("summary", "The command of each row"), *lines)


def _line(title: str, *cells: str) -> Markup:
    return element("tr", element("th", title, scope="row"), *(element("td", cell) for cell in cells))


def _table(caption: str, names: Sequence[str], *bodies: Markup | None) -> Markup:
    """Returns a table in a box of its own, which scrolls where the screen is narrow; the caption stays in place."""
    heads = [element("th", name, scope="col", class_="wrap" if name else None) for name in names]
    made = element("table", element("thead", element("tr", *heads)), *bodies)
    return join(element("p", caption, class_="soft"), element("div", made, class_="scroll", tabindex=0))
