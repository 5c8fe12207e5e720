"""What the self-supervision samples: patch pairs and twins. Pure and jit-able; randomness is one key an example."""

from gan_ssl.pretext.patches import PatchPairs, cut_patches, sample_patch_pairs
from gan_ssl.pretext.triplets import match_triplets
from gan_ssl.pretext.twins import DEFAULT_STRENGTH, photometric_twin

__all__ = [
    "DEFAULT_STRENGTH",
    "PatchPairs",
    "cut_patches",
    "match_triplets",
    "photometric_twin",
    "sample_patch_pairs",
]
