#!/usr/bin/env python3
"""Serves a page on which a run translates or edits pictures: python launch/demo.py --workdir=DIR.

This machine alone reaches it, unless --host says otherwise. Pictures that are uploaded are deleted as soon as they are
read. Needs pip install -e ".[demo]".
"""

import signal
import sys

import _cli
from absl import flags

from gan_ssl import demo
from gan_ssl.demo import page

_WORKDIR = flags.DEFINE_string("workdir", "", "Folder of a run, which is only read.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to use; the newest by default.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 lets others in.")
_PORT = flags.DEFINE_integer("port", 7860, "Port to listen on; 0 takes a free one.", lower_bound=0, upper_bound=65535)
_MOST_SIDE = flags.DEFINE_integer(
    "most_side", 0, "Larger pictures are made smaller to it; 0 is the longer side of the training images."
)


def main(argv):
    """Loads the run and serves until a signal."""
    _cli.require(argv, workdir=_WORKDIR.value)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the folder of uploads goes with the program
    page.serve(demo.make_view(_WORKDIR.value, _STEP.value, _MOST_SIDE.value), _HOST.value, _PORT.value)


if __name__ == "__main__":
    _cli.run(main)
