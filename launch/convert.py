#!/usr/bin/env python3
r"""Turns weights files into a work directory that translate accepts, and back.

    python launch/convert.py --a2b=latest_net_G_A.pth --b2a=latest_net_G_B.pth --workdir=DIR
    python launch/convert.py --generator=200000-G.pth --discriminator=200000-D.pth --workdir=DIR \
        --attributes=Black_Hair,Blond_Hair,Brown_Hair,Male,Young --exclusive=Black_Hair,Blond_Hair,Brown_Hair
    python launch/convert.py --from_workdir=DIR --output=FOLDER --format=safetensors

Names and layout are those of pytorch-CycleGAN-and-pix2pix, StarGAN and MatchGAN; sizes are read off the files. Reading
or writing .pth needs PyTorch (pip install 'gan_ssl[torch]').
"""

import _cli
from absl import flags

from gan_ssl.interop import convert

_FILES = {
    "a2b": "Weights of OP-GAN's generator from domain a to b (G_A of the public CycleGAN): .pth, .npz, .safetensors.",
    "b2a": "Weights of the generator from b to a (G_B).",
    "discriminator_a": "Weights of the discriminator that judges domain a (D_B of the public code).",
    "discriminator_b": "Weights of the discriminator that judges domain b (D_A).",
    "generator": "Weights of MatchGAN's or StarGAN's generator.",
    "discriminator": "Weights of its discriminator, which reads the labels that an edit keeps.",
}
for _name, _help in _FILES.items():
    flags.DEFINE_string(_name, "", _help)
_ATTRIBUTES = flags.DEFINE_list("attributes", [], "Names of MatchGAN's labels, in the order of the weights.")
_EXCLUSIVE = flags.DEFINE_multi_string(
    "exclusive", [], "Those of which an image has exactly one; once for each group, names separated by commas."
)
_WORKDIR = flags.DEFINE_string("workdir", "", "Work directory to make; networks without a file are initialised afresh.")
_FROM_WORKDIR = flags.DEFINE_string(
    "from_workdir", "", "Work directory whose networks to write; --workdir is then unused."
)
_OUTPUT = flags.DEFINE_string("output", "", "Folder to write them to, with --from_workdir.")
_FORMAT = flags.DEFINE_enum("format", "pth", ["pth", "npz", "safetensors"], "Format to write, with --from_workdir.")
_NAMES = flags.DEFINE_string("names", "", "Whose names to write: cyclegan, matchgan (default) or stargan.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to write, with --from_workdir; the newest by default.")


def main(argv):
    """Converts in the direction that the flags ask for."""
    if _FROM_WORKDIR.value:
        _cli.require(argv, output=_OUTPUT.value)
        convert.workdir_to_files(_FROM_WORKDIR.value, _OUTPUT.value, _FORMAT.value, _STEP.value, _NAMES.value)
    else:
        _cli.require(argv, workdir=_WORKDIR.value)
        files = {name: flags.FLAGS[name].value for name in _FILES}
        groups = [group.split(",") for group in _EXCLUSIVE.value]
        convert.files_to_workdir(files, _WORKDIR.value, _ATTRIBUTES.value, groups)  # pyright: ignore[reportArgumentType] empty by default


if __name__ == "__main__":
    _cli.run(main)
