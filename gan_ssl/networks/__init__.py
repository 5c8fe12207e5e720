"""The networks, as Flax modules: NHWC arrays, plain parameter trees."""

from gan_ssl.networks.cyclegan import PatchDiscriminator, PlaceHead, ResnetGenerator
from gan_ssl.networks.siamese import Siamese
from gan_ssl.networks.stargan import ConditionalDiscriminator, ConditionalGenerator

__all__ = [
    "ConditionalDiscriminator",
    "ConditionalGenerator",
    "PatchDiscriminator",
    "PlaceHead",
    "ResnetGenerator",
    "Siamese",
]
