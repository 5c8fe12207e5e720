"""Finished results: one small JSON file a row and seed, found by the next start on any machine."""

import dataclasses
import json
import math
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gan_ssl import data, errors
from gan_ssl.studies import settings
from gan_ssl.studies.plan import Run
from gan_ssl.training.workdir import write_whole, writing

# Left out of `eval.json`: known from the result, or full of this machine's paths.
_LEFT_OUT = ("step", "config_hash", "split", "num_images", "missing")


@dataclasses.dataclass(frozen=True)
class Result:
    """What is kept of a run.

    Attributes:
        row: name of the row.
        seed: its seed.
        recipe: with variants, from the checkout's root.
        overrides: values by field, without paths.
        command: that trains it; `PATH` and `DIR` stand for the reader's own.
        settings: fields that differ from the base config, see `settings.of`.
        defaults: the other fields that scores depend on.
        data: digest of the training images and of those scored; "" where it is not known.
        step: of the checkpoint.
        num_images: scored.
        scores: what `eval.json` holds.
        seconds: of `train` and `evaluate`; the first run of a kind trains the judges as well.
        hardware: `cpu` (its model), `cores` used, `devices` as JAX counts them.
        versions: of `python` and `jax`.
        date: the day, UTC.
        split: of the data, that was scored.
    """

    row: str
    seed: int
    recipe: str
    overrides: Mapping[str, Any]
    command: str
    settings: Mapping[str, Any]
    defaults: Mapping[str, Any]
    data: str
    step: int
    num_images: int
    scores: Mapping[str, Any]
    seconds: Mapping[str, float]
    hardware: Mapping[str, Any]
    versions: Mapping[str, str]
    date: str
    split: str = "test"

    def differences(self, run: Run) -> dict[str, str]:
        """Returns the fields whose values are not the run's, as `settings.differences`; `split` is one of them."""
        found = {"split": f"was {self.split!r}, is {run.split!r}"} if self.split != run.split else {}
        own = {"settings": self.settings, "defaults": self.defaults}
        return found | settings.differences(own, settings.of(run.config))


def path(folder: Path, run: Run) -> Path:
    """Returns the file of a run's result."""
    return folder / f"{run.row.name}_seed_{run.seed}.json"


def read_all(folder: Path, runs: Iterable[Run]) -> dict[tuple[str, int], Result]:
    """Returns the results of runs that there are, by row and seed, whatever their settings.

    Raises:
        DataError: a file is no result.
    """
    found = {}
    for run in runs:
        file = path(folder, run)
        if not file.exists():
            continue
        try:
            found[run.key] = Result(**json.loads(file.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise errors.DataError(f"{file} is no result of a study: {errors.reason(error)}; remove it") from None
    return found


def write(folder: Path, run: Run, result: Result) -> None:
    """Writes a result; raises TrainingError where the folder cannot be written."""
    with writing(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path(folder, run), json.dumps(_rounded(dataclasses.asdict(result)), indent=1) + "\n")


def make(run: Run, root: Path, seconds: Mapping[str, float], cores: int) -> Result:
    """Collects what is kept of a run that was trained and evaluated.

    Args:
        run: whose folder holds its scores.
        root: the checkout.
        seconds: of training and evaluation.
        cores: that it was given.

    Raises:
        DataError: there are no scores, or the file is none.
    """
    file = run.scored
    try:
        scored = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise errors.DataError(f"{file} is missing: the evaluation has written none") from None
    except ValueError as error:
        raise errors.DataError(f"{file} is no JSON: {errors.reason(error)}") from None
    recipe = _from_root(run.row.recipe, root)
    flags = " ".join(_quoted(argument) for argument in settings.arguments(run.changes, run.seed, hide_paths=True))
    return Result(
        row=run.row.name,
        seed=run.seed,
        recipe=recipe,
        overrides=settings.without_paths(run.changes),
        command=f"python launch/train.py --config={recipe} {flags} --workdir=DIR",
        **settings.of(run.config),
        data=_data_digest(run),
        step=scored["step"],
        num_images=scored["num_images"],
        scores={name: value for name, value in scored.items() if name not in _LEFT_OUT},
        seconds=seconds,
        hardware={"cpu": cpu_model(), "cores": cores, "devices": _devices(run.log)},
        versions=_versions(run.folder / "versions.json"),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        split=run.split,
    )


def _quoted(argument: str) -> str:
    return f"'{argument}'" if set("()' ") & set(argument) and "'" not in argument else argument


def _from_root(recipe: str, root: Path) -> str:
    """The recipe as a reader of the checkout writes it; of a file elsewhere the name alone."""
    file, colon, variants = recipe.partition(":")
    known = Path(file) if not Path(file).is_absolute() else None
    if known is None and Path(file).is_relative_to(root):
        known = Path(file).relative_to(root)
    return f"{known or Path(file).name}{colon}{variants}"


def _data_digest(run: Run) -> str:
    """A digest of names and contents, the same for copies of a folder; it tells results on other data apart."""
    config = run.config
    try:
        if config.method == "match_gan":
            sources = [data.open_attributes(config, split) for split in ("train", run.split)]
        else:
            sides = (("train", "a"), ("train", "b"), (run.split, "a"))
            sources = [data.open_source(config, split, domain) for split, domain in sides]
    except errors.GanSslError:  # the run itself would have said so
        return ""
    return "-".join(source.fingerprint()[:8] for source in sources)


def cpu_model() -> str:
    """Returns the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _devices(log: Path) -> str:
    """What the loop's first line says that it trains on: `1 cpu`."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    told = [line.partition(" on ")[2] for line in lines if line.startswith("training ")]
    return told[-1] if told else ""


def _versions(file: Path) -> dict[str, str]:
    found = json.loads(file.read_text()) if file.exists() else {}
    return {name: found[name] for name in ("python", "jax") if name in found}


def _rounded(value: Any) -> Any:
    """Six digits of each number: more are noise, and make every table's commit large."""
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) and math.isfinite(value) else value
