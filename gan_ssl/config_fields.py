"""The base config: every field with its default and a comment; recipes change values and cannot invent fields."""

from ml_collections import ConfigDict


def base_config() -> ConfigDict:
    """Returns the fields that all recipes start from, locked."""
    config = ConfigDict()
    # Which entry of gan_ssl.methods to train.
    config.method = "op_gan"
    # Seed of weights, data order, augmentation and sampling.
    config.seed = 0
    # Updates of the run; 0 takes num_epochs x steps an epoch.
    config.num_steps = 0
    # Passes over the larger domain, where num_steps is 0.
    config.num_epochs = 0
    # Global batch size, over all devices and processes. MatchGAN: groups x data.images_per_group; 0 takes min(4,
    # label combinations) groups.
    config.batch_size = 1
    # Discriminator updates a generator update (MatchGAN; odd, so that the generator sees both streams).
    config.generator_every = 5
    # Devices of this process to use; 0 takes as many as divide its share of the batch.
    config.num_devices = 0
    # What networks compute in: float32, or bfloat16 for GPUs and TPUs. Parameters, optimisers, statistics of norms,
    # losses and the gradient penalty stay float32.
    config.precision = "float32"
    # Steps a call of the compiled program, for GPUs and TPUs: whole cycles of the method's kinds of step.
    config.steps_per_call = 1
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
    # Two domains: scenes (embedded), folder or tfds:NAME. Images with labels (MatchGAN): faces (embedded), celeba,
    # rafd, classes (a folder a class), csv or tfds:NAME.
    data.name = "scenes"
    # The root of the user's own files (folder: holds trainA, trainB, ...); for embedded and TFDS sets the folder where
    # TFDS keeps prepared ones ("" is its default).
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
    # CelebA's attribute list or the CSV file; "" is list_attr_celeba.txt or attributes.csv in data.dir.
    data.attribute_file = ""
    # Attributes that the labels are made of, by name; () takes all that the data set has.
    data.attributes = ()
    # Groups of attributes of which each image has exactly one, as a tuple of tuples of names; () takes the data set's.
    data.exclusive = ()
    # Share of the training images whose labels are used, or their number where it is not 0.
    data.labelled_fraction = 1.0
    data.labelled_count = 0
    # Whether the other training images are trained on without labels (MatchGAN).
    data.unlabelled = True
    # Images of one label in a labelled batch, a multiple of 4: the quadruples that the triplets are drawn from.
    data.images_per_group = 4
    # Side of the square cut out of the middle before resizing (CelebA: 178); 0 takes the whole image.
    data.center_crop = 0
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
    # Whether MatchGAN's generator mixes its colours with the image's by a mask that it makes (ours).
    model.mask = True
    # Whether translations are grey, all channels the same, for data without colour.
    model.grey = False
    # How labels enter MatchGAN's generator: planes beside the image (published), or norms, whose scale and bias they
    # shift as well (ours).
    model.condition = "norms"
    # Channels of the discriminators' first layer.
    model.discriminator_width = 64
    # Stride-2 layers of the discriminators. OP-GAN: 3 see 70 pixels, 2 see 34, 1 sees 16. MatchGAN: sides must be
    # multiples of 2 to their number.
    model.discriminator_layers = 3
    # The siamese features have 8 times as many channels.
    model.siamese_width = 64
    # Strides of the siamese trunk, 3 to 5 of them: (2, 2, 2) for 85-pixel patches, (1, 2, 2) for 21
    # to 32; one more sees more.
    model.siamese_strides = (2, 2, 2)
    # Initialisation of MatchGAN's discriminator: uniform (PyTorch's default, published) or kaiming (ours).
    model.discriminator_init = "kaiming"
    # Normalisation of the content map (content_form maps): none, l2, softmax or standardize.
    model.normalise = "none"
    # Initialisation of the siamese network: normal (N(0, 0.02), published) or kaiming (which twins need).
    model.siamese_init = "kaiming"
    # How two images' features meet in MatchGAN's match head: compare (product and absolute difference; ours) or concat
    # (published; it cannot beat chance).
    model.match_head = "compare"
    # Whether the generators' residual blocks are computed again for the gradient instead of kept, for large images.
    model.remat = False
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
    # Strength of a smooth light across the twin, as of a lamp beside it: log of its largest gain; 0 for even light.
    pretext.twin_local = 0.0
    # Places a layer that CUT contrasts.
    pretext.places = 256
    # Temperature of the contrast over places.
    pretext.temperature = 0.1
    return pretext


def _loss_config() -> ConfigDict:
    loss = ConfigDict()
    # Adversarial loss: least squares in OP-GAN, Wasserstein in MatchGAN. There the critic's slope is at most 1 in the
    # pixels' norm, so that 128 / side keeps the published balance with the labels on smaller images.
    loss.adversarial = 1.0
    # L1 between an image and its reconstruction.
    loss.cycle = 10.0
    # L1 between an image and its translation into its own domain.
    loss.identity = 0.0
    # The content task: twins (ours: S learns from photometric twins) or maps (published).
    loss.content_form = "twins"
    # Content registration: of features, generators only (twins); of maps, both players (maps).
    loss.content = 1.0
    # What is registered of twins' features: features themselves, or their relations within a patch.
    loss.registered = "features"
    # Whether a place counts by how surely the siamese network finds it again in another light.
    loss.certainty = False
    # Share of that weight which is left at the last step; it falls linearly.
    loss.content_left = 1.0
    # Contrast over places that teaches S its content features (twins; S only).
    loss.twin = 1.0
    # Squared positive correlation of maps at other positions, which keeps them alive (maps; S only).
    loss.contrast = 0.0
    # Classification of the domains of a pair, both players.
    loss.domain = 1.0
    # MatchGAN: penalty on the critic's gradient, classification of labels, L1 of the reconstruction, match of pairs.
    loss.gradient_penalty = 10.0
    loss.classification = 1.0
    loss.reconstruction = 10.0
    loss.match = 0.5
    # Whether unlabelled images are reconstructed towards the labels that the discriminator reads (ours; published: no
    # reconstruction there).
    loss.pseudo_labels = True
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
    # unet or pspnet, which the paper scores with as well.
    evaluation.segmenter = "unet"
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
    # MatchGAN's classifiers (GAN-test, GAN-train): updates and channels of the first layer.
    evaluation.classifier_steps = 500
    evaluation.classifier_width = 16
    # Inception weights for FID: pytorch-fid's .pth, or .npz; "" looks into the user's cache.
    evaluation.inception_weights = ""
    # Most test images of a domain to score; 0 for all.
    evaluation.limit = 0
    return evaluation
