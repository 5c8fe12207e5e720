"""Recipes as functions, for notebooks and wherever there is no checkout: `recipes.op_gan.get_config("quick")`.

The files of the same names in `configs/` are what the command line takes: `--config=configs/op_gan.py:quick`.
"""

from gan_ssl.recipes import cut, match_gan, op_gan

__all__ = ["cut", "match_gan", "op_gan"]
