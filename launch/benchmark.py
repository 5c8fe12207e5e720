#!/usr/bin/env python3
"""Times a recipe's steps on random arrays: python launch/benchmark.py --config=configs/op_gan.py:published --size=96.

No data set is needed. MatchGAN: `discriminator_update` is one labelled batch with the generator's forward pass,
`generator_update` one update of the generator alone; OP-GAN: `update` is both players. --json prints one line of JSON
last. --loop=600 also trains for 600 steps in a temporary folder, with data and writes, and tells what that adds.
"""

import json

import _cli
from absl import flags
from ml_collections import config_flags

from gan_ssl import benchmark, errors

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A recipe, with its variants after a colon.", lock_config=True
)
_SIZES = {
    "size": "Side of the images.",
    "batch": "Global batch.",
    "width": "Channels of the first layer of every network.",
    "blocks": "Residual blocks of the generators.",
    "layers": "Stride-2 layers of the discriminators.",
}
for _name, _help in _SIZES.items():
    flags.DEFINE_integer(_name, 0, f"{_help} 0 takes the recipe's.")
_DEVICES = flags.DEFINE_integer("devices", 0, "Devices; 0 takes as many as divide the batch.")
_STEPS = flags.DEFINE_integer("steps", 10, "Timed calls of each program.")
_LOOP = flags.DEFINE_integer("loop", 0, "Steps of the training loop to time as well.")
_TRANSLATE = flags.DEFINE_bool("translate", False, "Time inference instead of the updates.")
_PROFILE = flags.DEFINE_string("profile", "", "Folder to leave a trace of jax.profiler in.")
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON last.")


def main(argv):
    """Measures and prints."""
    _cli.require(argv, config=_CONFIG.value)
    for name, least in (("steps", 1), ("loop", 0), ("devices", 0)):
        if flags.FLAGS[name].value < least:  # pyright: ignore[reportOptionalOperand] it has a default
            raise errors.ConfigError(f"--{name} is {flags.FLAGS[name].value}; allowed: at least {least}")
    config = benchmark.configure(_CONFIG.value, **{name: flags.FLAGS[name].value for name in _SIZES})  # pyright: ignore[reportArgumentType] too
    with config.unlocked():
        config.num_devices = _DEVICES.value or config.num_devices
    report = benchmark.benchmark(config, steps=_STEPS.value, translate=_TRANSLATE.value, profile=_PROFILE.value)
    if _LOOP.value:
        report["loop"] = benchmark.time_loop(config, _LOOP.value)
    print("\n".join(benchmark.describe(report)))
    if _JSON.value:
        print(json.dumps(report))


if __name__ == "__main__":
    _cli.run(main)
