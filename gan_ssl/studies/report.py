"""All that a study found, as numbers: what tables and the page show and `study.json` holds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gan_ssl.studies import statistics
from gan_ssl.studies.plan import Row, Score, Study
from gan_ssl.studies.results import Result
from gan_ssl.studies.statistics import Difference, Summary


@dataclasses.dataclass(frozen=True)
class Report:
    """The numbers of a study.

    Attributes:
        study: what was asked.
        results: by row and seed.
        values: `values[row][score][seed]`, in the score's own unit.
        references: `references[label][score]`, the mean over all runs.
        notes: what a reader must know: what is missing, and what does not fit together.
    """

    study: Study
    results: Mapping[tuple[str, int], Result]
    values: Mapping[str, Mapping[str, Mapping[int, float]]]
    references: Mapping[str, Mapping[str, float]]
    notes: Sequence[str]

    def summary(self, row: Row, score: Score) -> Summary:
        """Returns a score of a row over its seeds."""
        return statistics.summarise(list(self.values[row.name][score.name].values()))

    def difference(self, row: Row, score: Score) -> Difference:
        """Returns a row's score less that of the row that it is compared with, over common seeds."""
        base = self.values[self.study.against(row)]
        return statistics.paired(self.values[row.name][score.name], base[score.name])

    def seeds(self, row: Row) -> list[int]:
        """Returns the seeds of a row that are finished."""
        return [seed for seed in row.seeds if (row.name, seed) in self.results]

    def details(self, pattern: str) -> dict[str, dict[str, Summary]]:
        """Returns `[name][row]`, the scores that a pattern stands for, over seeds."""
        found: dict[str, dict[str, list[float]]] = {}
        for (row, seed), result in self.results.items():
            for name, value in statistics.lookup_all(result.scores, pattern, f"{row} seed {seed}").items():
                kept = found.setdefault(name, {}).setdefault(row, [])
                kept += [] if value is None else [value]
        return {name: {row: statistics.summarise(v) for row, v in rows.items()} for name, rows in found.items()}


def make(study: Study, results: Mapping[tuple[str, int], Result], notes: Sequence[str] = ()) -> Report:
    """Computes the report.

    Args:
        study: what was asked.
        results: those that are finished, with the settings of their runs.
        notes: what is known already.

    Raises:
        ConfigError: a score is in no `eval.json`.
    """
    values = {row.name: {score.name: {} for score in study.scores} for row in study.rows}
    references: dict[str, dict[str, list[float]]] = {}
    for (row, seed), result in sorted(results.items(), key=lambda item: item[0][1]):
        for score in study.scores:
            value = statistics.lookup(result.scores, score.name, f"{row} seed {seed}")
            if value is not None:
                values[row][score.name][seed] = value
            for label, name in score.references.items():
                value = statistics.lookup(result.scores, name, f"{row} seed {seed}")
                kept = references.setdefault(label, {}).setdefault(score.name, [])
                kept += [] if value is None else [value]
    means = {
        label: {name: statistics.summarise(v).mean or 0.0 for name, v in by_score.items() if v}
        for label, by_score in references.items()
    }
    return Report(study, results, values, means, [*notes, *_mixed(study, results, references)])


def check_scores(study: Study, result: Result) -> None:
    """Raises ConfigError where a score or a detail of the study is not in a result."""
    make(study, {(result.row, result.seed): result})
    for pattern in study.details.values():
        statistics.lookup_all(result.scores, pattern, f"{result.row} seed {result.seed}")


def _mixed(
    study: Study, results: Mapping[tuple[str, int], Result], references: Mapping[str, Mapping[str, Sequence[float]]]
) -> list[str]:
    """Says what results do not have in common, although nothing of it is a setting."""
    notes, apart = [], []
    for label, by_score in references.items():
        for score in study.scores:
            values = by_score.get(score.name, [])
            ends = [score.shown(pick(values)) for pick in (min, max)] if values else [""]
            if len(set(ends)) > 1:
                apart.append(f"{score.label} {label} is {ends[0]} to {ends[1]}")
    if apart:
        notes.append(
            f"The judges of these results are not the same, so that rows compare badly: {'; '.join(apart)}. Score all "
            "runs on one machine with one version of JAX."
        )
    digests = {result.data for result in results.values() if result.data}
    if len(digests) > 1:
        notes.append("These results were made on different data: the images of some runs are not those of others.")
    versions = sorted({result.versions.get("jax", "unknown") for result in results.values()})
    if len(versions) > 1:
        notes.append(f"These results were made with several versions of JAX: {', '.join(versions)}.")
    return notes


def to_json(report: Report) -> dict[str, Any]:
    """Returns what `study.json` holds."""
    study = report.study
    rows = []
    for row in study.rows:
        by_score = {
            score.name: {
                **report.summary(row, score)._asdict(),
                "seeds": report.values[row.name][score.name],
                "difference": report.difference(row, score)._asdict() if study.against(row) != row.name else None,
            }
            for score in study.scores
        }
        results = {seed: dataclasses.asdict(report.results[row.name, seed]) for seed in report.seeds(row)}
        rows.append({**dataclasses.asdict(row), "against": study.against(row), "scores": by_score, "results": results})
    return {
        "title": study.title,
        "base": study.base,
        "scores": [dataclasses.asdict(score) for score in study.scores],
        "references": report.references,
        "notes": list(report.notes),
        "rows": rows,
    }
