"""MatchGAN's recipes: `--config=configs/match_gan.py:VARIANT[,VARIANT...]`.

    (nothing)   our recommended full-size run: CelebA, 128x128, 200,000 updates, 5% of the labels
    quick       the embedded faces at 32x32 on two CPU cores, 5% of the labels
    published   the paper's settings to the letter
    stargan     no match loss and no unlabelled images

Variants combine from left to right: `quick,stargan`; another share of labels by `--config.data.labelled_fraction=1.0`.

Expected of `quick`: GAN-test 80.3 to 82.6 over 3 seeds (`quick,stargan` 73.2 to 82.2 with the same labels, 79.2 to 83.1
with all); 8 steps a second and 7 minutes on one CPU core that is not disturbed.
"""

from gan_ssl.recipes.match_gan import VARIANTS, get_config

__all__ = ["VARIANTS", "get_config"]
