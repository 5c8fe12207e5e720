"""What a study is, and the runs that it is made of."""

import dataclasses
import re
import runpy
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from gan_ssl import config as configs
from gan_ssl import errors
from gan_ssl.evaluation import SPLITS
from gan_ssl.evaluation.report import suffix

NOTHING = "–"
_BETTER = ("higher", "lower")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclasses.dataclass(frozen=True)
class Score:
    """A number of `eval.json` to compare rows by.

    Attributes:
        name: where it stands there, `translated.iou.car`.
        label: what tables call it.
        better: `higher` or `lower`.
        percent: whether it is a share to be shown in percent.
        digits: decimals to show; None takes 1 for percent and 3 otherwise.
        references: label -> name in `eval.json` of what to compare with that does not depend on the row, such as the
            score of untranslated images.
    """

    name: str
    label: str
    better: str = "higher"
    percent: bool = False
    digits: int | None = None
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def header(self) -> str:
        """The label with its unit and an arrow to the better side."""
        unit = ",\N{NO-BREAK SPACE}%" if self.percent else ""
        return f"{self.label}{unit}\N{NO-BREAK SPACE}{'↑' if self.better == 'higher' else '↓'}"

    def shown(self, value: float | None, sign: bool = False) -> str:
        """Returns a value as it is shown; a dash where there is none."""
        if value is None:
            return NOTHING
        digits = (1 if self.percent else 3) if self.digits is None else self.digits
        return f"{100 * value if self.percent else value:{'+' if sign else ''}.{digits}f}"


@dataclasses.dataclass(frozen=True)
class Row:
    """A recipe with changes, trained with some seeds.

    Attributes:
        name: of its folders and files: letters, digits and `._+-`.
        recipe: as `--config` takes it, `configs/op_gan.py:quick,cyclegan`.
        overrides: values by config field, `{"loss.content": 1.0}`.
        seeds: values of `config.seed`.
        label: what tables call it; "" is the name.
        against: the row that this one is compared with; "" is the study's base.
        curve: the curve that it is a point of, in the charts over `x`; "" for none.
        x: its place on that curve.
    """

    name: str
    recipe: str
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    label: str = ""
    against: str = ""
    curve: str = ""
    x: float | None = None

    @property
    def title(self) -> str:
        """The label, or else the name."""
        return self.label or self.name


@dataclasses.dataclass(frozen=True)
class Study:
    """Rows to train and the scores to compare them by.

    Attributes:
        title: of the page.
        rows: their names differ.
        scores: the first is shown beside pictures.
        base: name of the row that the others are compared with.
        overrides: values by config field for all rows; those of a row come after them.
        results: folder of the finished results, from the checkout's root; "" is `docs/results/` and the file's name.
        details: caption -> names in `eval.json` of a table by class or attribute, `translated.iou.*`; in percent.
        losses: metrics whose curves are shown, by name in `metrics.jsonl`.
        x_label: what the rows' `x` is.
        text: a paragraph for the page: what is compared and why.
        split: of the data, to score on: `test`, or `validation` where defaults are chosen.
    """

    title: str
    rows: Sequence[Row]
    scores: Sequence[Score]
    base: str
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    results: str = ""
    details: Mapping[str, str] = dataclasses.field(default_factory=dict)
    losses: Sequence[str] = ()
    x_label: str = ""
    text: str = ""
    split: str = "test"

    def row(self, name: str) -> Row:
        """Returns a row by name."""
        return next(row for row in self.rows if row.name == name)

    def against(self, row: Row) -> str:
        """Returns the name of the row that a row is compared with."""
        return row.against or self.base


@dataclasses.dataclass(frozen=True)
class Run:
    """One row with one seed.

    Attributes:
        row: which.
        seed: which.
        config: validated, before the data is known.
        changes: values by field on top of the recipe, without the seed.
        folder: its work directory.
        split: of the data, to score on.
    """

    row: Row
    seed: int
    config: ConfigDict
    changes: Mapping[str, Any]
    folder: Path
    split: str = "test"

    @property
    def scored(self) -> Path:
        """What the evaluation writes, `eval.json`."""
        return self.folder / f"eval{suffix(self.split)}.json"

    @property
    def key(self) -> tuple[str, int]:
        """Row and seed."""
        return self.row.name, self.seed

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.row.name} seed {self.seed}"

    @property
    def log(self) -> Path:
        """What its launchers print."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def record(self) -> Path:
        """Its settings and times, for the next start."""
        return self.folder.with_name(f"{self.folder.name}.json")


def load(path: Path) -> Study:
    """Reads a study file, whose `get_study()` returns a `Study`.

    Raises:
        ConfigError: there is no such file, or it holds no sensible study; other errors in its code are its own.
    """
    if not path.is_file():
        raise errors.ConfigError(f"--study is {path}, which is no file")
    try:
        namespace = runpy.run_path(str(path))
    except SyntaxError as error:
        raise errors.ConfigError(f"{path}: line {error.lineno}: {error.msg}") from None
    if not callable(namespace.get("get_study")):
        raise errors.ConfigError(f"{path} has no get_study(); allowed: one that returns a gan_ssl.studies.Study")
    study = namespace["get_study"]()
    if not isinstance(study, Study):
        raise errors.ConfigError(
            f"{path}: get_study() returns a {type(study).__name__}; allowed: a gan_ssl.studies.Study"
        )
    try:
        _check(study)
    except errors.ConfigError as error:
        raise errors.ConfigError(f"{path}: {error}") from None
    rows = [dataclasses.replace(row, seeds=tuple(row.seeds)) for row in study.rows]
    return dataclasses.replace(study, rows=rows, results=study.results or f"docs/results/{path.stem}")


def _check(study: Study) -> None:
    names = [row.name for row in study.rows]
    if not names or not study.scores:
        raise errors.ConfigError("a study needs at least one row and one score")
    if study.split not in SPLITS:
        raise errors.ConfigError(f"split is {study.split!r}; allowed: {', '.join(SPLITS)}")
    for score in study.scores:
        if score.better not in _BETTER:
            raise errors.ConfigError(f"score {score.name}: better is {score.better!r}; allowed: {', '.join(_BETTER)}")
    for row in study.rows:
        _check_row(row, names, {*study.overrides, *row.overrides})
    if study.base not in names:
        raise errors.ConfigError(f"base is {study.base!r}; allowed: {', '.join(names)}")


def _check_row(row: Row, names: Sequence[str], overrides: Set[str]) -> None:
    if not _NAME.fullmatch(row.name):
        raise errors.ConfigError(f"row {row.name!r}; allowed: a name of letters, digits and ._+-")
    if names.count(row.name) > 1:
        raise errors.ConfigError(f"row {row.name!r} comes twice; allowed: different names")
    if row.against and row.against not in names:
        raise errors.ConfigError(f"row {row.name}: against is {row.against!r}; allowed: {', '.join(names)}")
    if not row.seeds or len(set(row.seeds)) < len(row.seeds) or not all(type(seed) is int for seed in row.seeds):
        raise errors.ConfigError(f"row {row.name}: seeds are {row.seeds!r}; allowed: different whole numbers")
    if bool(row.curve) != (row.x is not None):
        raise errors.ConfigError(f"row {row.name}: curve is {row.curve!r} and x {row.x!r}; allowed: both or none")
    for name in overrides:
        if name in ("seed", "init_from"):
            raise errors.ConfigError(f"row {row.name} overrides {name}; allowed: seeds in Row.seeds, and no init_from")


def runs(study: Study, workdir: Path, root: Path, overrides: Mapping[str, Any]) -> list[Run]:
    """Returns all runs of a study, seed by seed, so that every row has a first result early.

    Args:
        study: which.
        workdir: below which they lie.
        root: the checkout, where recipes are looked for first.
        overrides: values by config field, for all rows.

    Raises:
        ConfigError: a recipe or a field does not exist, or a value is not allowed.
    """
    made = []
    for row in study.rows:
        changes = {**study.overrides, **row.overrides, **overrides}
        for seed in row.seeds:
            try:
                config = _config(recipe(row, root), changes, seed)
            except errors.ConfigError as error:
                raise errors.ConfigError(f"row {row.name}: {error}") from None
            made.append(Run(row, seed, config, changes, workdir / "runs" / row.name / f"seed_{seed}", study.split))
    return sorted(made, key=lambda run: row_place(run.row.seeds, run.seed))


def row_place(seeds: Sequence[int], seed: int) -> int:
    """Returns which seed of its row a seed is."""
    return list(seeds).index(seed)


def recipe(row: Row, root: Path) -> str:
    """Returns a row's recipe as `--config` takes it from any folder."""
    path, colon, variants = row.recipe.partition(":")
    return f"{root / path if (root / path).is_file() else path}{colon}{variants}"


def _config(name: str, changes: Mapping[str, Any], seed: int) -> ConfigDict:
    path, _, variants = name.partition(":")
    if not Path(path).is_file():
        raise errors.ConfigError(f"the recipe is {path}, which is no file")
    config = runpy.run_path(path)["get_config"](variants)
    for field in changes:
        if field not in configs.known_fields():
            raise configs.unknown_field(field)
    with config.unlocked(), config.ignore_type():  # validation has the better words
        config.update_from_flattened_dict({**changes, "seed": seed})
    return configs.validate(config)


def select(runs: Iterable[Run], only: Sequence[str], seeds: Sequence[int]) -> list[Run]:
    """Returns the runs of some rows and seeds; of all where nothing is named.

    Raises:
        ConfigError: a row or a seed that no run has.
    """
    runs = list(runs)
    rows = list(dict.fromkeys(run.row.name for run in runs))
    for name in only:
        if name not in rows:
            raise errors.ConfigError(f"--only names {name!r}; allowed: {', '.join(rows)}")
    chosen = [run for run in runs if not only or run.row.name in only]
    known = sorted({run.seed for run in chosen})
    for seed in seeds:
        if seed not in known:
            raise errors.ConfigError(f"--seeds names {seed}; allowed: {', '.join(map(str, known))}")
    return [run for run in chosen if not seeds or run.seed in seeds]
