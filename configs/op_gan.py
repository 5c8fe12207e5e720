"""OP-GAN's recipes: `--config=configs/op_gan.py:VARIANT[,VARIANT...]`.

    (nothing)   our recommended full-size run: 256x256, 200 epochs of the user's own folders
    quick       the embedded scenes at 64x64 on two CPU cores
    published   the paper's settings to the letter
    cyclegan    no self-supervision
    content     the content task alone
    domain      the domain task alone

Variants combine from left to right: `quick,cyclegan`, `quick,published`.

Expected of `quick`: mIoU 39.8 to 41.4 over 3 seeds (untranslated 26.8, ceiling 83.0; `quick,cyclegan` 37.0
to 40.0 over 3); 70 to 80 ms a step on two CPU cores, 3.6 minutes with drawing and compilation.
"""

from gan_ssl.config import apply_variants, base_config


def _recommended(config):
    config.num_epochs = 200
    config.data.name = "folder"
    config.data.load_size = (286, 286)
    config.log_steps = 100
    config.sample_steps = 2000
    config.checkpoint_steps = 2000


def _quick(config):
    config.num_steps = 2400
    config.data.name = "scenes"
    config.data.image_size = (64, 64)
    config.data.load_size = (64, 64)
    config.log_steps = 100
    config.sample_steps = 600
    config.checkpoint_steps = 600
    config.model.width = 16
    config.model.num_blocks = 3
    config.model.discriminator_width = 16
    config.model.discriminator_layers = 2
    config.model.siamese_width = 8
    config.model.siamese_strides = (1, 2, 2)
    config.model.ema_decay = 0.995
    config.pretext.pairs = (1, 1, 3, 1)
    config.loss.content = 3.0
    config.pretext.twin_negative = 0.4  # lit windows by night are dark windows by day


def _published(config):
    config.model.upsample = "transpose"
    config.model.skip = False
    config.model.discriminator_layers = 3
    config.model.siamese_init = "normal"
    config.model.ema_decay = 0.0
    config.loss.content_form = "maps"
    config.loss.contrast = 0.0


def _cyclegan(config):
    config.loss.content = config.loss.twin = config.loss.contrast = config.loss.domain = 0.0


def _content(config):
    config.loss.domain = 0.0


def _domain(config):
    config.loss.content = config.loss.twin = config.loss.contrast = 0.0


VARIANTS = {
    "quick": _quick,
    "published": _published,
    "cyclegan": _cyclegan,
    "content": _content,
    "domain": _domain,
}


def get_config(arg: str = ""):
    """Returns the config of the named variants, applied from left to right to the recommended run."""
    config = base_config()
    _recommended(config)
    return apply_variants(config, arg, VARIANTS)
