#!/usr/bin/env python3
r"""Writes a run's generator as one file: python launch/export.py --workdir=DIR --format=stablehlo.

    stablehlo    a program for CPU, CUDA and TPU, with its weights; any batch size, sides that are multiples of 4
    onnx         the same for ONNX Runtime; needs, in an environment of its own, pip install -e ".[onnx]"
    safetensors  the weights under PyTorch's names; all networks of a run at once: launch/convert.py

FILE.json beside it says what it takes and gives; docs/serving.md how to run it from Python, a browser or C++.
"""

import _cli
from absl import flags

from gan_ssl import export

_WORKDIR = flags.DEFINE_string("workdir", "", "Folder of a run, which is only read.")
_FORMAT = flags.DEFINE_enum("format", "stablehlo", list(export.FORMATS), "What to write.")
_OUTPUT = flags.DEFINE_string("output", "", "File to write; by default RUN_DIRECTION.FORMAT in the current folder.")
_DIRECTION = flags.DEFINE_string("direction", None, "OP-GAN: a2b (default) or b2a.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to export; the newest by default.")


def main(argv):
    """Exports one generator."""
    _cli.require(argv, workdir=_WORKDIR.value)
    export.export(_WORKDIR.value, _FORMAT.value, _OUTPUT.value, _DIRECTION.value, _STEP.value)


if __name__ == "__main__":
    _cli.run(main)
