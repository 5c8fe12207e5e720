"""What the launcher does: finds what is finished, runs the rest, and writes the report."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import logging

from gan_ssl import errors
from gan_ssl.studies import page, plan, report, results, running, settings, table
from gan_ssl.studies.plan import Run, Study
from gan_ssl.studies.results import Result
from gan_ssl.training.workdir import in_bucket, write_whole, writing


class _Work(NamedTuple):
    """A study and its places.

    Attributes:
        study: what is asked.
        path: its file.
        home: where runs and report lie.
        root: the checkout.
        folder: of the finished results.
        runs: all of them.
    """

    study: Study
    path: Path
    home: Path
    root: Path
    folder: Path
    runs: Sequence[Run]


def run(
    path: Path,
    workdir: str,
    root: Path,
    jobs: int = 1,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    overrides: Mapping[str, Any] | None = None,
    again: bool = False,
    dry_run: bool = False,
    report_only: bool = False,
    results_dir: str = "",
) -> None:
    """Runs what is not finished of a study, and writes `study.json`, `study.md` and `study.html` into `workdir`.

    The table lies beside the finished results too, as `README.md`.

    Args:
        path: of the study file.
        workdir: where runs and report lie.
        root: the checkout, which holds `launch/`, the recipes and the finished results.
        jobs: runs at a time.
        only: names of the rows to run; all where empty. The report is of all rows.
        seeds: to run; all where empty.
        overrides: values by config field, for all rows.
        again: whether results with other settings are computed again and replaced.
        dry_run: whether what would be run is only listed.
        report_only: whether nothing is run.
        results_dir: folder of the finished results instead of the study's own.

    Raises:
        ConfigError: the study, a row, a seed, a field or a score does not exist.
        DataError: nothing is finished, and nothing is to be run.
        Interrupted: a signal came; what ran was saved.
        TrainingError: runs have failed; the others are finished and in the report.
    """
    if jobs < 1:
        raise errors.ConfigError(f"--jobs is {jobs}; allowed: at least 1")
    if in_bucket(workdir):
        raise errors.ConfigError(f"--workdir is {workdir}; allowed: a folder")
    study, home = plan.load(path), Path(workdir).resolve()
    folder = Path(results_dir).resolve() if results_dir else root / study.results
    work = _Work(study, path, home, root, folder, plan.runs(study, home, root, overrides or {}))
    found, stale = _found(work)
    chosen = plan.select(work.runs, only, seeds)
    todo = [r for r in chosen if r.key not in found or (again and r.key in stale)]
    _tell(chosen, todo, stale, again)
    if dry_run:
        print("\n".join(_list(todo, found, jobs)))
        return
    failed = {}
    if todo and not report_only:
        failed = running.execute(todo, jobs, root, again, lambda *done: _finish(work, *done))
        found, stale = _found(work)
    _write_report(work, found, stale, failed)
    if failed:
        listed = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise errors.TrainingError(f"{len(failed)} of {len(todo)} runs failed: {listed}")
    if not found.keys() - stale.keys():
        raise errors.DataError(f"no run of {path} is finished, here or in {folder}; start without --report_only")


def _found(work: _Work) -> tuple[dict[tuple[str, int], Result], dict[tuple[str, int], str]]:
    """Returns the finished results, and why some of them are not what is asked for now.

    Raises:
        ConfigError: none of them has a score that the study names.
    """
    found, stale, lacking = results.read_all(work.folder, work.runs), {}, {}
    for run in work.runs:
        if run.key in found:
            other = found[run.key].differences(run)
            if other:
                words = ", ".join(f"{name} {words}" for name, words in other.items())
                stale[run.key] = f"its finished result has other settings: {words}"
            try:
                report.check_scores(work.study, found[run.key])
            except errors.ConfigError as error:
                lacking[run.key] = str(error)
    if lacking and len(lacking) == len(found):
        raise errors.ConfigError(f"{work.path}: {next(iter(lacking.values()))}")
    return found, lacking | stale


def _finish(work: _Work, run: Run, seconds: Mapping[str, float], cores: int) -> None:
    """Keeps the result of a run, and checks that it has the scores that the study asks for."""
    made = results.make(run, work.root, dict(seconds), cores)
    results.write(work.folder, run, made)
    report.check_scores(work.study, made)


def _tell(chosen: Sequence[Run], todo: Sequence[Run], stale: Mapping[tuple[str, int], str], again: bool) -> None:
    """Says how many runs there are, and which finished ones are of no use."""
    logging.info("%d runs: %d finished, %d to run", len(chosen), len(chosen) - len(todo), len(todo))
    for run in chosen:
        if run.key in stale:
            words = "computed again" if again else "left out; --again computes it again"
            logging.warning("%s is %s: %s", run.name, words, stale[run.key])


def _list(todo: Sequence[Run], found: Mapping[tuple[str, int], Result], jobs: int) -> list[str]:
    """Returns what would be run, a line a row, and how long that takes by the runs that are finished."""
    if not todo:
        return ["nothing to run"]
    lines, times = [], [estimate(run, found) for run in todo]
    for row in dict.fromkeys(run.row.name for run in todo):
        of_row = [run for run in todo if run.row.name == row]
        first, seeds = of_row[0].row, ", ".join(str(run.seed) for run in of_row)
        changes = " ".join(f"{name}={value}" for name, value in first.overrides.items())
        lines.append(f"{row}, seeds {seeds}: {first.recipe} {changes}".rstrip())
    known = [seconds for seconds in times if seconds is not None]
    if len(known) < len(todo):
        return [*lines, f"{len(todo)} runs; how long they take is not known before one is finished"]
    return [*lines, f"{len(todo)} runs, about {table.duration(sum(known) / jobs)} with --jobs={jobs}"]


def estimate(run: Run, found: Mapping[tuple[str, int], Result]) -> float | None:
    """Returns the seconds that a run may take: the mean of its row's finished runs, or else of all; None for none."""
    times = {key: sum(result.seconds.values()) for key, result in found.items()}
    own = [seconds for (row, _), seconds in times.items() if row == run.row.name] or list(times.values())
    return sum(own) / len(own) if own else None


def _write_report(
    work: _Work,
    found: Mapping[tuple[str, int], Result],
    stale: Mapping[tuple[str, int], str],
    failed: Mapping[str, str],
) -> None:
    """Writes and prints what is known, where there is anything."""
    fresh = {key: result for key, result in found.items() if key not in stale}
    if not fresh:
        return
    made = report.make(work.study, fresh, _notes(work, found, stale, failed))
    path = work.path.relative_to(work.root) if work.path.is_relative_to(work.root) else work.path.name
    paths = {word: None for run in fresh.values() for word in run.command.split() if word.endswith("=PATH")}
    command = " ".join((f"python launch/study.py --study={path} --workdir=DIR", *paths))
    here = [run for run in work.runs if run.key in fresh and _agrees(run)]
    text = table.markdown(made, command)
    with writing(str(work.home)):
        work.home.mkdir(parents=True, exist_ok=True)
        write_whole(work.home / "study.json", json.dumps(report.to_json(made), indent=1) + "\n")
        write_whole(work.home / "study.md", text)
        write_whole(work.home / "study.html", page.page(made, command, here))
    if not failed:
        with writing(str(work.folder)):
            write_whole(work.folder / "README.md", text)
    print(text)
    print(f"{work.home / 'study.html'}, study.md and study.json are written", file=sys.stderr)


def _notes(
    work: _Work,
    found: Mapping[tuple[str, int], Result],
    stale: Mapping[tuple[str, int], str],
    failed: Mapping[str, str],
) -> list[str]:
    """Returns what is not in the report, and why."""
    notes = [] if work.study.split == "test" else [f"Scored on the {work.study.split} split."]
    notes += [f"{run.name} is left out: {stale[run.key]}." for run in work.runs if run.key in stale]
    missing: dict[str, list[str]] = {}
    for run in work.runs:
        if run.key not in found and run.name not in failed:
            missing.setdefault(run.row.name, []).append(str(run.seed))
    if missing:
        listed = "; ".join(f"{row}, seeds {', '.join(seeds)}" for row, seeds in missing.items())
        notes.append(f"Not finished: {listed}.")
    return notes + [f"Failed: {name}." for name in failed]


def _agrees(run: Run) -> bool:
    """Whether the run's work directory holds the evaluated run that its result is of."""
    record = running.read_record(run)
    is_scored = run.scored.is_file()
    return is_scored and record is not None and not settings.differences(record, settings.of(run.config))
