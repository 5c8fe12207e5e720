"""Losses: arrays in, a scalar out. No Flax, no config, no state."""

from gan_ssl.losses.adversarial import lsgan_discriminator_loss, lsgan_generator_loss
from gan_ssl.losses.labels import label_classification_loss, match_loss
from gan_ssl.losses.reconstruction import l1_loss
from gan_ssl.losses.self_supervised import (
    content_consistency_loss,
    content_contrast_loss,
    domain_classification_loss,
    feature_registration_loss,
    patch_contrast_loss,
    place_contrast_loss,
)
from gan_ssl.losses.wasserstein import (
    gradient_penalty,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)

__all__ = [
    "content_consistency_loss",
    "content_contrast_loss",
    "domain_classification_loss",
    "feature_registration_loss",
    "gradient_penalty",
    "l1_loss",
    "label_classification_loss",
    "lsgan_discriminator_loss",
    "lsgan_generator_loss",
    "match_loss",
    "patch_contrast_loss",
    "place_contrast_loss",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]
