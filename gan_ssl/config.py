"""The base config, a comment a field, and its one validation step."""

import difflib
import hashlib
import json
from typing import Any

import ml_collections
from ml_collections import ConfigDict

from gan_ssl import errors
from gan_ssl.config_rules import RULES


def base_config() -> ConfigDict:
    """Returns the fields that all recipes start from, locked: recipes change values and cannot invent fields."""
    config = ConfigDict()
    # Which entry of gan_ssl.methods to train.
    config.method = "op_gan"
    # Seed of weights, data order, augmentation and sampling.
    config.seed = 0
    # Updates of the run; 0 takes num_epochs x steps an epoch.
    config.num_steps = 0
    # Passes over the larger domain, where num_steps is 0.
    config.num_epochs = 0
    # Global batch size, over all devices and processes.
    config.batch_size = 1
    # Devices of this process to use; 0 takes as many as divide its share of the batch.
    config.num_devices = 0
    # Steps between two written metrics.
    config.log_steps = 100
    # Steps between two pictures; 0 for none.
    config.sample_steps = 1000
    # Steps between two checkpoints; the last step is always saved.
    config.checkpoint_steps = 1000
    # Checkpoints to keep, the newest ones.
    config.keep_checkpoints = 2
    # A work directory, or a weights folder made by convert, whose weights a new run starts from.
    config.init_from = ""
    config.data = _data_config()
    config.model = _model_config()
    config.pool = ConfigDict()
    # Past translations kept a place of the global batch, shown to the discriminators again; 0 for none.
    config.pool.size = 50
    # Number type of the kept translations: float32 or bfloat16.
    config.pool.dtype = "float32"
    config.pretext = _pretext_config()
    config.loss = _loss_config()
    config.optimizer = _optimizer_config()
    config.evaluation = _evaluation_config()
    return config.lock()


def _data_config() -> ConfigDict:
    data = ConfigDict()
    # scenes (embedded), folder, or tfds:NAME.
    data.name = "scenes"
    # folder: the root that holds trainA, trainB, ...; otherwise where TFDS keeps prepared sets ("" is its default).
    data.dir = ""
    # Two folders of any name to train on, instead of data.dir.
    data.dir_a = ""
    data.dir_b = ""
    # (height, width) that the networks see, multiples of 4.
    data.image_size = (256, 256)
    # (height, width) before the random crop; (0, 0) is image_size.
    data.load_size = (0, 0)
    # Whether images are flipped at random.
    data.flip = True
    # Loader processes; 0 loads in threads of this one.
    data.workers = 0
    # Whether unreadable images are named, counted and skipped instead of stopping the run.
    data.skip_corrupt = False
    # Pixels past which an image is refused before it is decoded.
    data.max_pixels = 64 * 2**20
    # (low, high) of 16-bit and float images that map to [-1, 1]; () is the type's full range.
    data.intensity_range = ()
    # Bits of the batches: 8, or 16 for images that need them.
    data.bits = 8
    # Label value that no score counts.
    data.ignore_index = 255
    # Names of the label classes by index; () takes the data set's own.
    data.class_names = ()
    return data


def _model_config() -> ConfigDict:
    model = ConfigDict()
    # Channels of the generators' first layer.
    model.width = 64
    # Residual blocks of the generators.
    model.num_blocks = 9
    # transpose (published), resize (bilinear, then convolution) or antialias (as resize, and blurred downsampling).
    model.upsample = "resize"
    # Whether encoder features are concatenated at both upsampling stages (ours).
    model.skip = True
    # Channels of the discriminators' first layer.
    model.discriminator_width = 64
    # Stride-2 layers of the discriminators: 3 see 70 pixels, 2 see 34, 1 sees 16.
    model.discriminator_layers = 3
    # The siamese features have 8 times as many channels.
    model.siamese_width = 64
    # Strides of the siamese trunk: (2, 2, 2) for 85-pixel patches, (1, 2, 2) for 21 to 32.
    model.siamese_strides = (2, 2, 2)
    # Normalisation of the content map (content_form maps): none, l2, softmax or standardize.
    model.normalise = "none"
    # Initialisation of the siamese network: normal (N(0, 0.02), published) or kaiming (which twins need).
    model.siamese_init = "kaiming"
    # Decay of the averaged generator weights that evaluate and translate use; 0 keeps none.
    model.ema_decay = 0.0
    return model


def _pretext_config() -> ConfigDict:
    pretext = ConfigDict()
    # Patches a side.
    pretext.grid = 3
    # Pairs an image of each scenario: both of a, both of b, same position, other position.
    pretext.pairs = (1, 1, 1, 1)
    # Real patches an image and domain whose places the twin task contrasts.
    pretext.twin_patches = 3
    # Ranges of the twin's light: log gamma, gain, offset (each +- around 1, 1, 0), largest noise sigma; on [0, 1].
    pretext.twin_log_gamma = 1.2
    pretext.twin_gain = 0.6
    pretext.twin_offset = 0.2
    pretext.twin_noise = 0.06
    # Probability that a twin is mixed with its grey, by a uniform share.
    pretext.twin_grey = 1.0
    # Probability of the negative: 0.4 where things light up by night, 0 elsewhere.
    pretext.twin_negative = 0.0
    # Temperature of the contrast over places.
    pretext.temperature = 0.1
    return pretext


def _loss_config() -> ConfigDict:
    loss = ConfigDict()
    # Least-squares adversarial loss.
    loss.adversarial = 1.0
    # L1 between an image and its reconstruction.
    loss.cycle = 10.0
    # L1 between an image and its translation into its own domain.
    loss.identity = 0.0
    # The content task: twins (ours: S learns from photometric twins) or maps (published).
    loss.content_form = "twins"
    # Content registration: of features, generators only (twins); of maps, both players (maps).
    loss.content = 1.0
    # Contrast over places that teaches S its content features (twins; S only).
    loss.twin = 1.0
    # Squared positive correlation of maps at other positions, which keeps them alive (maps; S only).
    loss.contrast = 0.0
    # Classification of the domains of a pair, both players.
    loss.domain = 1.0
    return loss


def _optimizer_config() -> ConfigDict:
    optimizer = ConfigDict()
    # Adam's rate for the generators, and for the discriminators and the siamese network.
    optimizer.learning_rate = 2e-4
    optimizer.discriminator_learning_rate = 2e-4
    optimizer.beta1 = 0.5
    optimizer.beta2 = 0.999
    # Share of the steps at the constant rate; it then falls linearly to 0.
    optimizer.constant_share = 0.5
    return optimizer


def _evaluation_config() -> ConfigDict:
    evaluation = ConfigDict()
    # Segmenters trained on labelled domain b, whose scores are averaged: one is no judge.
    evaluation.num_segmenters = 3
    # Updates of each.
    evaluation.segmenter_steps = 1000
    # Channels of a segmenter's first layer.
    evaluation.segmenter_width = 16
    # Images in a batch of theirs.
    evaluation.segmenter_batch_size = 8
    # Whether they are trained with photometric jitter, noise and blur.
    evaluation.jitter = True
    # Most test images of a domain to score; 0 for all.
    evaluation.limit = 0
    return evaluation


# Fields that a resumed run may change; all others shape its trajectory. A group's name stands for all of it.
MAY_CHANGE_ON_RESUME = (
    *("num_steps", "num_epochs", "num_devices", "log_steps", "sample_steps", "checkpoint_steps", "keep_checkpoints"),
    *("init_from", "data.dir", "data.dir_a", "data.dir_b", "data.workers", "data.class_names", "data.ignore_index"),
    "evaluation",
)


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Returns the fields by dotted name."""
    flat = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def validate(config: ConfigDict) -> ConfigDict:
    """Checks every field, before anything is compiled.

    Args:
        config: a config made from `base_config`.

    Returns:
        The config, locked.

    Raises:
        ConfigError: one line that names the field, the value and what is allowed; a field that the base config does
            not know comes with the nearest one that it does.
    """
    known, given = flatten(base_config()), flatten(config)
    for name in given:
        if name not in known:
            raise unknown_field(name)
    for name, default in known.items():
        if name not in given:
            raise errors.ConfigError(f"config.{name} is missing; its default is {default!r}")
        _check_type(name, given[name], default)
        if name in RULES:
            accepts, allowed = RULES[name]
            if not accepts(given[name]):
                raise errors.ConfigError(f"config.{name} is {given[name]!r}; allowed: {allowed}")
    _check_together(config)
    return config.lock()


def unknown_field(name: str) -> errors.ConfigError:
    """Returns the error for a field that does not exist, with the nearest that does."""
    known = flatten(base_config())
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0) or [""]
    return errors.ConfigError(f"config.{name} is no field; did you mean config.{nearest[0]}?")


def _check_type(name: str, value: Any, default: Any) -> None:
    wanted = type(default)
    fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    if wanted is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if not fits:
        raise errors.ConfigError(f"config.{name} is {value!r}; allowed: a value of type {wanted.__name__}")


def _check_together(config: ConfigDict) -> None:
    """Checks the fields that depend on each other."""
    data, grid = config.data, config.pretext.grid
    if not config.num_steps and not config.num_epochs:
        raise errors.ConfigError("config.num_steps and config.num_epochs are both 0; allowed: one of them above 0")
    if any(data.load_size) and any(load < size for load, size in zip(data.load_size, data.image_size, strict=True)):
        raise errors.ConfigError(
            f"config.data.load_size is {data.load_size!r}; allowed: (0, 0) or at least image_size {data.image_size!r}"
        )
    if config.pretext.twin_patches > grid**2:
        raise errors.ConfigError(
            f"config.pretext.twin_patches is {config.pretext.twin_patches}; allowed: at most grid x grid = {grid**2}"
        )
    if self_supervised(config) and min(data.image_size) // grid < 8:
        raise errors.ConfigError(
            f"config.data.image_size is {data.image_size!r}; allowed: at least {8 * grid} a side with "
            f"config.pretext.grid = {grid}, so that patches have 8 pixels"
        )


def self_supervised(config: ConfigDict) -> bool:
    """Whether any term of the siamese network has weight."""
    return any(config.loss[name] > 0 for name in ("content", "contrast", "domain"))


def to_json(config: ConfigDict) -> str:
    """Returns the config as JSON, indented, as it lies beside the weights."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True)


def from_json(text: str) -> ConfigDict:
    """Reads what `to_json` wrote, through validation.

    Raises:
        ConfigError: the text is no config of this version.
    """
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise errors.ConfigError(f"not a config in JSON: {error}") from None
    config = ml_collections.ConfigDict(_with_tuples(fields)) if isinstance(fields, dict) else None
    if config is None:
        raise errors.ConfigError(f"not a config in JSON: a {type(fields).__name__}")
    return validate(config)


def _with_tuples(value):
    if isinstance(value, dict):
        return {k: _with_tuples(v) for k, v in value.items()}
    return tuple(value) if isinstance(value, list) else value


def config_hash(config: ConfigDict) -> str:
    """Returns 12 hex digits that change with any field that shapes the trajectory."""
    return hashlib.sha256(json.dumps(trajectory_fields(config), sort_keys=True).encode()).hexdigest()[:12]


def trajectory_fields(config: ConfigDict) -> dict[str, Any]:
    """Returns the fields that may not change when a run resumes."""
    free = set(MAY_CHANGE_ON_RESUME)
    return {n: v for n, v in flatten(config).items() if not {n, n.partition(".")[0]} & free}
