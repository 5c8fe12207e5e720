"""What the tables of published names are made of."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# From PyTorch's axes to ours.
CONV = (2, 3, 1, 0)  # OIHW -> HWIO
TRANSPOSED = (2, 3, 0, 1)  # IOHW -> HWIO

Shapes = Mapping[str, tuple[int, ...]]


class Layer(NamedTuple):
    """A layer's published name, and the axes of its kernel."""

    name: str
    axes: tuple[int, ...] = CONV


class Published(NamedTuple):
    """How a network's weights are exchanged.

    Attributes:
        layers: by the name of a public code, `layers(net) -> {our path: Layer}` in PyTorch's order, that of the image
            first. The first name is the one to write under by default.
        inputs: `inputs(net, kernels) -> shapes` to initialise the network with; `kernels` has the shapes of its HWIO
            kernels by our path, as far as they are known.
    """

    layers: Mapping[str, Callable[[Any], dict[str, Layer]]]
    inputs: Callable[[Any, Shapes], tuple[tuple[int, ...], ...]]
