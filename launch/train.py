#!/usr/bin/env python3
"""Trains: python launch/train.py --config=configs/op_gan.py:quick --workdir=DIR [--config.field=value ...]."""

import _cli
from absl import flags
from ml_collections import config_flags

from gan_ssl.training import loop

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A recipe, with its variants after a colon.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; a run in it goes on.")


def main(argv):
    """Trains to the last step."""
    _cli.require(argv, config=_CONFIG.value, workdir=_WORKDIR.value)
    loop.train_and_evaluate(_CONFIG.value, _WORKDIR.value)


if __name__ == "__main__":
    _cli.run(main)
