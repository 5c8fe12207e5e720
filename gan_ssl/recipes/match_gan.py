"""MatchGAN's recipes; `configs/match_gan.py` says what they are, what they take and what to expect."""

from gan_ssl.config import apply_variants, base_config


def _recommended(config):
    config.method = "match_gan"
    config.num_steps = 200_000
    config.batch_size = 0  # four groups of four, or fewer groups where there are fewer combinations
    config.log_steps = 100
    config.sample_steps = 5000
    config.checkpoint_steps = 5000
    config.data.name = "celeba"
    config.data.attributes = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    config.data.exclusive = (("Black_Hair", "Blond_Hair", "Brown_Hair"),)
    config.data.center_crop = 178
    config.data.image_size = (128, 128)
    config.data.labelled_fraction = 0.05
    config.model.num_blocks = 6
    config.model.discriminator_layers = 6
    config.model.ema_decay = 0.999
    config.optimizer.learning_rate = config.optimizer.discriminator_learning_rate = 1e-4


def _quick(config):
    config.num_steps = 3000
    config.log_steps = 100
    config.sample_steps = 1000
    config.checkpoint_steps = 1000
    config.data.name = "faces"
    config.data.attributes = ()  # all that the faces have
    config.data.exclusive = ()
    config.data.center_crop = 0
    config.data.image_size = (32, 32)
    config.model.width = 16
    config.model.num_blocks = 3
    config.model.discriminator_width = 16
    config.model.discriminator_layers = 4
    config.model.ema_decay = 0.995
    config.generator_every = 3
    # The critic's slope is held to 1, so that the same edit moves it a quarter as far at a quarter of the side, while
    # the classifier's loss stays as large: at weight 1 labels win, and a mouth may turn green.
    config.loss.adversarial = 4.0
    config.optimizer.learning_rate = config.optimizer.discriminator_learning_rate = 5e-4


def _published(config):
    config.model.upsample = "transpose"
    config.model.skip = config.model.mask = False
    config.model.condition = "planes"
    config.model.discriminator_init = "uniform"
    config.model.match_head = "concat"
    config.model.ema_decay = 0.0
    config.generator_every = 5
    config.loss.pseudo_labels = False
    config.loss.adversarial = 1.0


def _stargan(config):
    config.data.unlabelled = False
    config.loss.match = 0.0


VARIANTS = {"quick": _quick, "published": _published, "stargan": _stargan}


def get_config(arg: str = ""):
    """Returns the config of the named variants, applied from left to right to the recommended run."""
    config = base_config()
    _recommended(config)
    return apply_variants(config, arg, VARIANTS)
