#!/usr/bin/env python3
"""Scores a run: python launch/evaluate.py --workdir=DIR.

Writes eval.json and eval.png there, and translated/*.png of OP-GAN; with --split=validation, eval_validation.json
and so on.
"""

import _cli
from absl import flags

from gan_ssl import evaluation

_WORKDIR = flags.DEFINE_string("workdir", "", "Folder of a run.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to score; the newest by default.")
_SPLIT = flags.DEFINE_string("split", "test", "test, or validation to choose settings by.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Where the data lies, if no longer where the run found it.")


def main(argv):
    """Scores and prints the table."""
    _cli.require(argv, workdir=_WORKDIR.value)
    evaluation.evaluate(_WORKDIR.value, step=_STEP.value, split=_SPLIT.value, data_dir=_DATA_DIR.value)


if __name__ == "__main__":
    _cli.run(main)
