#!/usr/bin/env python3
"""Trains: python launch/train.py --config=configs/op_gan.py:quick --workdir=DIR [--config.field=value ...].

On TPU pods, Slurm, Open MPI and GKE the same command on every host is one run. Elsewhere each host gets
--coordinator=HOST:PORT (of process 0), --num_processes=N and --process_id=0 to N - 1.
"""

import sys

import _cli
from absl import flags
from ml_collections import config_flags

from gan_ssl.training import guard, hosts

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A recipe, with its variants after a colon.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, which all hosts share; a run in it goes on.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, where JAX does not find its peers.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes; 1 keeps JAX from looking for peers.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this one is.")


def main(argv):
    """Trains to the last step."""
    _cli.require(argv, config=_CONFIG.value, workdir=_WORKDIR.value)
    peers = hosts.find(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    if peers.count > 1 and not guard.is_guarded():
        sys.exit(guard.run())
    guard.follow()
    from gan_ssl.training import loop  # late, so that the parent of a process stays small

    with hosts.joined(peers):
        loop.train_and_evaluate(_CONFIG.value, _WORKDIR.value)  # pyright: ignore[reportArgumentType] required above


if __name__ == "__main__":
    _cli.run(main)
