"""An override as `launch/train.py` takes it, without starting a process a case."""

from absl import flags
from ml_collections import config_flags

from gan_ssl import config as configs
from tests.conftest import ROOT

import _cli  # isort: skip

_RECIPE = str(ROOT / "configs" / "op_gan.py") + ":quick"


def override(text: str) -> object:
    """Takes `field=value` as the launcher does and checks the config."""
    values = flags.FlagValues()
    argv = _cli.resolve_config(["train.py", f"--config={_RECIPE}", f"--config.{text}"])
    recipe = config_flags.DEFINE_config_file("config", None, lock_config=True, flag_values=values, sys_argv=argv)
    _cli.parse_flags(argv, values)
    return configs.validate(recipe.value)
