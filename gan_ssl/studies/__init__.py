"""Studies: recipes times seeds, trained and scored by one command, and what they say side by side.

A study file has `get_study()`, which returns a `Study`; `launch/study.py` runs it.
"""

from gan_ssl.studies import rows
from gan_ssl.studies.plan import Row, Score, Study
from gan_ssl.studies.study import run

__all__ = ["Row", "Score", "Study", "rows", "run"]
