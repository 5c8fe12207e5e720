"""OP-GAN's recipes: `--config=configs/op_gan.py:VARIANT[,VARIANT...]`.

    (nothing)   our recommended full-size run: 256x256, 200 epochs of the user's own folders
    quick       the embedded scenes at 64x64 on two CPU cores
    published   the paper's settings to the letter
    cyclegan    no self-supervision
    content     the content task alone
    domain      the domain task alone

Variants combine from left to right: `quick,cyclegan`, `quick,published`.

Expected of `quick`: mIoU 39.8 to 41.4 over 3 seeds (untranslated 26.8, ceiling 83.0; `quick,cyclegan` 37.0
to 40.0 over 3); 61 ms a step on two CPU cores, 3 minutes with drawing and compilation.
"""

from gan_ssl.recipes.op_gan import VARIANTS, get_config

__all__ = ["VARIANTS", "get_config"]
