#!/usr/bin/env python3
"""Runs a study: python launch/study.py --study=configs/studies/op_gan_scenes.py --workdir=DIR [--jobs=2].

Trains and scores every row with every seed that is not finished yet, --jobs at a time, each on cores of its own;
started again it goes on. Writes study.html, study.md and study.json there, and a small file a finished run into the
study's folder below docs/results, where the next start finds it. --config.FIELD=VALUE changes all rows: data that lies
elsewhere needs --config.data.dir=DIR.
"""

from pathlib import Path

import _cli
from absl import flags
from ml_collections import config_flags

from gan_ssl import config, errors, studies

_STUDY = flags.DEFINE_string("study", "", "A study file.")
_WORKDIR = flags.DEFINE_string("workdir", "", "Folder of runs and report.")
_JOBS = flags.DEFINE_integer("jobs", 1, "Runs at a time.")
_ONLY = flags.DEFINE_list("only", [], "Rows to run, by name; all by default.")
_SEEDS = flags.DEFINE_list("seeds", [], "Seeds to run; all by default.")
_AGAIN = flags.DEFINE_bool("again", False, "Compute finished results anew whose settings are others by now.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "List what would be run, and how long it would take.")
_REPORT_ONLY = flags.DEFINE_bool("report_only", False, "Run nothing; write the report of what is finished.")
_RESULTS = flags.DEFINE_string("results", "", "Folder of finished results; an empty one computes everything.")
_CONFIG = config_flags.DEFINE_config_dict("config", config.base_config(), "Fields to change in all rows.")


def main(argv):
    """Runs the study."""
    _cli.require(argv, study=_STUDY.value, workdir=_WORKDIR.value)
    if not all(seed.isdecimal() for seed in _SEEDS.value):
        raise errors.ConfigError(f"--seeds is {','.join(_SEEDS.value)!r}; allowed: whole numbers, as 0,1,2")
    path = Path(_STUDY.value)
    studies.run(
        path.resolve() if path.is_file() else _cli.ROOT / path,
        _WORKDIR.value,
        _cli.ROOT,
        jobs=_JOBS.value,
        only=_ONLY.value,
        seeds=[int(seed) for seed in _SEEDS.value],
        overrides=config_flags.get_override_values(flags.FLAGS["config"]),
        again=_AGAIN.value,
        dry_run=_DRY_RUN.value,
        report_only=_REPORT_ONLY.value,
        results_dir=_RESULTS.value,
    )


if __name__ == "__main__":
    _cli.run(main)
