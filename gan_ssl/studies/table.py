"""A study's tables as text: cells that the page shows as well, and the Markdown file."""

from collections.abc import Sequence

from gan_ssl.studies.plan import NOTHING, Row, Score
from gan_ssl.studies.report import Report
from gan_ssl.studies.statistics import FEWEST, Difference, Summary

READING = "Mean ± sample standard deviation over seeds. ↑ more is better, ↓ less is better."
INTERVALS = (
    "Differences are of the same seeds of both rows. In brackets the 95% interval of a percentile bootstrap over seeds "
    f"(10,000 draws); none is given below {FEWEST} seeds, and over so few it is rather too narrow than too wide. "
    "Bold: it leaves out zero."
)


def mean_and_spread(score: Score, summary: Summary) -> str:
    """Returns `41.1 ± 0.8`."""
    spread = "" if summary.spread is None else f" ± {score.shown(summary.spread)}"
    return score.shown(summary.mean) + spread


def interval(score: Score, difference: Difference) -> str:
    """Returns `+3.2 [+1.4, +5.0]`; without an interval, why."""
    shown = score.shown(difference.mean, sign=True)
    if difference.mean is None:
        return shown
    if difference.low is None or difference.high is None:
        return f"{shown} (n = {difference.n})"
    return f"{shown} [{score.shown(difference.low, sign=True)}, {score.shown(difference.high, sign=True)}]"


def seeds_of(report: Report, row: Row) -> str:
    """Returns how many seeds of a row are finished: `3`, or `2 of 3`."""
    finished = len(report.seeds(row))
    return str(finished) if finished == len(row.seeds) else f"{finished} of {len(row.seeds)}"


def compared(report: Report) -> list[Row]:
    """Returns the rows that are compared with another one and have seeds in common with it."""
    others = [row for row in report.study.rows if report.study.against(row) != row.name]
    return [row for row in others if any(report.difference(row, score).n for score in report.study.scores)]


def provenance(report: Report) -> list[str]:
    """Returns where the numbers come from: processors, versions, days, and the time of a run."""
    results = list(report.results.values())
    if not results:
        return []
    hardware = sorted({f"{r.hardware['cpu']}, {_counted(r.hardware['cores'], 'core')} a run" for r in results})
    devices = sorted({r.hardware["devices"] for r in results if r.hardware["devices"]})
    versions = sorted({f"Python {r.versions.get('python')}, JAX {r.versions.get('jax')}" for r in results})
    days = sorted({r.date for r in results})
    seconds = [sum(r.seconds.values()) for r in results]
    return [
        f"Hardware: {'; '.join(hardware)} (JAX: {', '.join(devices) or 'unknown'}).",
        f"Versions: {'; '.join(versions)}.",
        f"{'Date' if len(days) == 1 else 'Dates'}: {' to '.join(dict.fromkeys((days[0], days[-1])))}.",
        f"Time: {duration(sum(seconds))} for {_counted(len(results), 'run')}, "
        f"{duration(min(seconds))} to {duration(max(seconds))} each.",
    ]


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """Returns `2 h 5 min`, `5 min` or `40 s`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def markdown(report: Report, command: str) -> str:
    """Returns the whole file: scores, differences, details, notes, and where they come from."""
    study = report.study
    parts = [f"# {study.title}", study.text, f"```bash\n{command}\n```", _scores(report), READING]
    if compared(report):
        parts += [_differences(report), INTERVALS]
    for caption, pattern in study.details.items():
        parts += [f"## {caption}", details(report, pattern)]
    if report.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in report.notes))
    parts.append("\n".join(f"- {line}" for line in provenance(report)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _scores(report: Report) -> str:
    scores = report.study.scores
    lines = [["", "seeds", *(score.header for score in scores)]]
    for row in report.study.rows:
        cells = [mean_and_spread(score, report.summary(row, score)) for score in scores]
        lines.append([row.title, seeds_of(report, row), *cells])
    for label, values in report.references.items():
        lines.append([f"*{label}*", "", *(s.shown(values.get(s.name)) for s in scores)])
    return _table(lines)


def _differences(report: Report) -> str:
    study = report.study
    lines = [["difference", "to", "common seeds", *(score.header for score in study.scores)]]
    for row in compared(report):
        found = [report.difference(row, score) for score in study.scores]
        cells = [interval(score, d) for score, d in zip(study.scores, found, strict=True)]
        cells = [f"**{cell}**" if d.is_clear else cell for cell, d in zip(cells, found, strict=True)]
        against = study.row(study.against(row)).title
        lines.append([row.title, against, str(max(d.n for d in found)), *cells])
    return _table(lines)


def details(report: Report, pattern: str) -> str:
    """Returns a Markdown table with a column a class or attribute, in percent."""
    found, score = report.details(pattern), Score(pattern, "", percent=True)
    lines = [["", *found]]
    for row in filter(report.seeds, report.study.rows):
        cells = [by_row.get(row.name) for by_row in found.values()]
        lines.append([row.title, *(mean_and_spread(score, cell) if cell else NOTHING for cell in cells)])
    return _table(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    rule = ["---"] + ["---:"] * (len(lines[0]) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (escaped[0], rule, *escaped[1:]))
