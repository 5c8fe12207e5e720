"""What several seeds say: means, spreads, and paired differences with their bootstrap intervals."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_ssl import errors

FEWEST = 3  # seeds below which no interval is given
_RESAMPLES = 10_000
_LEVEL = 95


class Summary(NamedTuple):
    """Of a score over seeds.

    Attributes:
        mean: None where no seed has the score.
        spread: sample standard deviation; None for fewer than two seeds.
        n: seeds that have the score.
    """

    mean: float | None
    spread: float | None
    n: int


class Difference(NamedTuple):
    """Of two rows over the seeds that both have.

    Attributes:
        mean: None where they have none in common.
        low: lower end of the 95% interval; None for fewer than three seeds.
        high: its upper end.
        n: common seeds.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def is_clear(self) -> bool:
        """Whether there is an interval that leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def summarise(values: Sequence[float]) -> Summary:
    """Returns mean and sample standard deviation."""
    if not values:
        return Summary(None, None, 0)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), spread, len(values))


def paired(values: Mapping[int, float], base: Mapping[int, float]) -> Difference:
    """Compares two rows seed by seed.

    Args:
        values: a score by seed.
        base: the other row's.

    Returns:
        The mean of the differences and its percentile bootstrap interval: the seeds are drawn again 10,000 times,
        always in the same way.
    """
    common = sorted(values.keys() & base.keys())
    if not common:
        return Difference(None, None, None, 0)
    differences = np.array([values[seed] - base[seed] for seed in common])
    mean = float(differences.mean())
    if len(common) < FEWEST:
        return Difference(mean, None, None, len(common))
    drawn = np.random.default_rng(0).integers(len(common), size=(_RESAMPLES, len(common)))
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(differences[drawn].mean(axis=1), [tail, 100 - tail])
    return Difference(mean, float(low), float(high), len(common))


def lookup(scores: Mapping[str, Any], name: str, where: str) -> float | None:
    """Returns a number of `eval.json`, None where it is not known.

    Args:
        scores: what `eval.json` holds.
        name: with dots, `translated.iou.car`.
        where: what the scores are of, for the message.

    Raises:
        ConfigError: there is no such score; the nearest is told.
    """
    value: Any = scores
    for part in name.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping) or part not in value:
            raise _unknown(scores, name, where)
        value = value[part]
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise _unknown(scores, name, where)
    return None if value is None or not math.isfinite(value) else float(value)


def lookup_all(scores: Mapping[str, Any], pattern: str, where: str) -> dict[str, float | None]:
    """Returns the numbers that `translated.iou.*` stands for, by what the star is.

    Raises:
        ConfigError: nothing lies there.
    """
    prefix, _, rest = pattern.partition(".*")
    group: Any = scores
    for part in prefix.split("."):
        if group is None:
            return {}
        if not isinstance(group, Mapping) or part not in group:
            raise _unknown(scores, pattern, where)
        group = group[part]
    if not isinstance(group, Mapping | None):
        raise _unknown(scores, pattern, where)
    return {name: lookup({"x": value}, f"x{rest}", where) for name, value in (group or {}).items()}


def _unknown(scores: Mapping[str, Any], name: str, where: str) -> errors.ConfigError:
    nearest = difflib.get_close_matches(name, list(_names(scores)), n=1, cutoff=0)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return errors.ConfigError(f"{name} is no score in eval.json of {where}{hint}")


def _names(scores: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in scores.items():
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}"
