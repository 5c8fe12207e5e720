"""CUT, for comparison with OP-GAN: `--config=configs/cut.py[:quick]`.

(nothing)   256x256, 200 epochs of the user's own folders, both directions
quick       the embedded scenes at 64x64 on two CPU cores, with the networks of OP-GAN's `quick`
"""

from gan_ssl.recipes.cut import VARIANTS, get_config

__all__ = ["VARIANTS", "get_config"]
