"""MatchGAN's recipes: `--config=configs/match_gan.py:VARIANT[,VARIANT...]`.

    (nothing)   our recommended full-size run: CelebA, 128x128, 200,000 updates, 5% of the labels
    quick       the embedded faces at 32x32 on two CPU cores, 5% of the labels
    published   the paper's settings to the letter
    stargan     no match loss and no unlabelled images

Variants combine from left to right: `quick,stargan`; another share of labels by `--config.data.labelled_fraction=1.0`.

Expected of `quick`: GAN-test 76.5 to 84.7, edit error .217 to .228 over 3 seeds (`quick,stargan` 73.7 to 79.0, .220 to
.225 with the same labels; 81.5 to 90.4, .208 to .219 with all); 10 steps a second and 6 minutes on one CPU core.
"""

from gan_ssl.recipes.match_gan import VARIANTS, get_config

__all__ = ["VARIANTS", "get_config"]
