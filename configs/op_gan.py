"""OP-GAN's recipes: `--config=configs/op_gan.py:VARIANT[,VARIANT...]`.

    (nothing)   our recommended full-size run: 256x256, 200 epochs of the user's own folders
    quick       the embedded scenes at 64x64 on two CPU cores
    published   the paper's settings to the letter
    cyclegan    no self-supervision
    content     the content task alone
    domain      the domain task alone

Variants combine from left to right: `quick,cyclegan`, `quick,published`.

Expected of `quick`: test mIoU 40.7 to 43.2 over 5 seeds with JAX 0.10.2 (untranslated 27.3, the true day pictures 67.5;
`quick,cyclegan` 36.1 to 40.9 over 5); 39.7 by seed 0 and the judges of JAX 0.12. 52 ms a bare step on two CPU cores,
3 minutes with drawing and compilation.
"""

from gan_ssl.recipes.op_gan import VARIANTS, get_config

__all__ = ["VARIANTS", "get_config"]
