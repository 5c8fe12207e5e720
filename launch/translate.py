#!/usr/bin/env python3
"""Translates images: python launch/translate.py --workdir=DIR --input=FILE_OR_FOLDER --output=FOLDER.

Images of any size and mode, in nested folders; each is written as PNG, as large as it came, under its own name.
OP-GAN's runs take --direction=b2a, MatchGAN's --set=Blond_Hair=1 --set=Smiling=0, or --grid for all edits side by side.
"""

import _cli
from absl import flags

from gan_ssl.inference import translate_files

_WORKDIR = flags.DEFINE_string("workdir", "", "Folder of a run, which is only read.")
_INPUT = flags.DEFINE_string("input", "", "An image, or a folder of images.")
_OUTPUT = flags.DEFINE_string("output", "", "Folder to write to.")
_DIRECTION = flags.DEFINE_string("direction", None, "OP-GAN: a2b (default) or b2a.")
_SET = flags.DEFINE_multi_string(
    "set", None, "MatchGAN: NAME=1 or NAME=0, as often as need be. All else keeps the label that the run reads."
)
_GRID = flags.DEFINE_bool("grid", None, "MatchGAN: a sheet an image with all edits of one attribute, after --set.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to use; the newest by default.")
_MULTIPLE = flags.DEFINE_integer("multiple", 32, "Sides are rounded up to it; larger ones compile fewer programs.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Images at once; by default 1 on a CPU, 8 elsewhere.")


def main(argv):
    """Translates all that --input holds."""
    _cli.require(argv, workdir=_WORKDIR.value, input=_INPUT.value, output=_OUTPUT.value)
    translate_files.translate_files(
        _WORKDIR.value,
        _INPUT.value,
        _OUTPUT.value,
        step=_STEP.value,
        multiple=_MULTIPLE.value,
        batch_size=_BATCH_SIZE.value,
        direction=_DIRECTION.value,
        set=_SET.value,
        grid=_GRID.value,
    )


if __name__ == "__main__":
    _cli.run(main)
