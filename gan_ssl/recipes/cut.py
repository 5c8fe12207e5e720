"""CUT's recipes; `configs/cut.py` says what they are, what they take and what to expect."""

from gan_ssl.config import apply_variants
from gan_ssl.recipes import op_gan


def _as_cut(config):
    config.method = "cut"
    config.pool.size = 0
    config.pretext.temperature = 0.07
    config.loss.cycle = config.loss.twin = config.loss.domain = 0.0
    config.loss.content = config.loss.identity = 0.5


def _quick(config):
    op_gan.VARIANTS["quick"](config)
    _as_cut(config)


VARIANTS = {"quick": _quick}


def get_config(arg: str = ""):
    """Returns the config of the named variants, applied to OP-GAN's recommended run with CUT's objective."""
    config = op_gan.get_config()
    _as_cut(config)
    return apply_variants(config, arg, VARIANTS)
