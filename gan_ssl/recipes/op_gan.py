"""OP-GAN's recipes; `configs/op_gan.py` says what they are, what they take and what to expect."""

from gan_ssl.config import apply_variants, base_config


def _recommended(config):
    config.num_epochs = 200
    config.data.name = "folder"
    config.data.load_size = (286, 286)
    config.log_steps = 100
    config.sample_steps = 2000
    config.checkpoint_steps = 2000
    config.loss.content = 3.0
    config.pretext.twin_local = 1.0


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
    config.model.siamese_strides = (1, 2, 2, 2)
    config.model.ema_decay = 0.995
    config.pretext.pairs = (1, 1, 3, 1)
    config.pretext.twin_negative = 0.4  # lit windows by night are dark windows by day


def _published(config):
    config.model.upsample = "transpose"
    config.model.skip = False
    config.model.discriminator_layers = 3
    config.model.siamese_init = "normal"
    config.model.siamese_strides = config.model.siamese_strides[:3]
    config.model.ema_decay = 0.0
    config.loss.content_form = "maps"
    config.loss.content = 1.0
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
