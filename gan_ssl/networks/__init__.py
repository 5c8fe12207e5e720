"""Flax modules. Arrays are NHWC; `net.apply({'params': p}, x)`."""

from gan_ssl.networks.cyclegan import PatchDiscriminator, ResnetGenerator
from gan_ssl.networks.siamese import Siamese

__all__ = ["PatchDiscriminator", "ResnetGenerator", "Siamese"]
