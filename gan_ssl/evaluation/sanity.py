"""Finds translators that ignore their input or invert it."""

import numpy as np
from absl import logging

from gan_ssl.evaluation import scores

# Below these a translator is suspected to invert its input, or to give one picture for every input.
LOWEST_CORRELATION, LOWEST_VARIATION = -0.7, 0.1


def sanity(images: np.ndarray, translated: np.ndarray) -> dict[str, float]:
    """Compares inputs and outputs.

    Args:
        images: `[n, height, width, 3]` uint8 or uint16.
        translated: their translations.

    Returns:
        `correlation` of a picture with its translation (see `scores`), and the `variation` of the translations over
        the pictures divided by that of the pictures; 1 where these do not vary.
    """
    before = scores.variation(images)
    relative = scores.variation(translated) / before if before > 1e-3 else 1.0
    return {"correlation": scores.input_output_correlation(images, translated), "variation": relative}


def warnings_of(measured: dict[str, float]) -> list[str]:
    """Returns a line for each suspicion, which is logged as well."""
    lines = []
    if measured["correlation"] < LOWEST_CORRELATION:
        lines.append(f"the colours look inverted: correlation of input and output {measured['correlation']:.2f}")
    if measured["variation"] < LOWEST_VARIATION:
        lines.append(
            f"one picture for every input: no variation over inputs ({measured['variation']:.2f} of the inputs' own)"
        )
    for line in lines:
        logging.warning(line)
    return lines
