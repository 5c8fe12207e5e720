"""The names of pytorch-CycleGAN-and-pix2pix.

The public generator is one `Sequential`, a layer's name its index. What we added keeps the index of the layer that it
replaces and stands there as a `Sequential` of its own; the public code has no such networks, so nothing clashes:

- `transpose` (published): `model.4` down, `model.19` up for 9 blocks.
- `transpose` with skip: `model.19.0` transposed (then norm, ReLU, pad), `model.19.4` convolution.
- `resize`, `antialias`, with or without skip: `model.19.2` convolution (after upsampling and pad).
- `antialias`: `model.4.0` convolution (then blur).
"""

import itertools

import flax.linen as nn

from gan_ssl.interop.layout import TRANSPOSED, Layer, Published, Shapes
from gan_ssl.networks import PatchDiscriminator, ResnetGenerator

DESCRIPTION = "pytorch-CycleGAN-and-pix2pix (model.1.weight or model.0.weight, ...)"
_MOST_BLOCKS, _MOST_LAYERS = 64, 6


def _resnet_layers(net: ResnetGenerator) -> dict[str, Layer]:
    layers = {"conv_in": Layer("model.1")}
    for i in range(2):
        layers[f"down_{i}"] = Layer(f"model.{4 + 3 * i}" + (".0" if net.upsample == "antialias" else ""))
    for i in range(net.num_blocks):
        layers[f"block_{i}/conv_0"] = Layer(f"model.{10 + i}.conv_block.1")
        layers[f"block_{i}/conv_1"] = Layer(f"model.{10 + i}.conv_block.5")
    for i in range(2):
        name = f"model.{10 + net.num_blocks + 3 * i}"
        if net.upsample != "transpose":
            layers[f"up_{i}"] = Layer(f"{name}.2")
        elif net.skip:
            layers[f"up_{i}_transpose"] = Layer(f"{name}.0", TRANSPOSED)
            layers[f"up_{i}"] = Layer(f"{name}.4")
        else:
            layers[f"up_{i}"] = Layer(name, TRANSPOSED)
    return layers | {"conv_out": Layer(f"model.{17 + net.num_blocks}")}


def _patch_layers(net: PatchDiscriminator) -> dict[str, Layer]:
    layers = {"conv_0": Layer("model.0")}
    layers |= {f"conv_{i}": Layer(f"model.{3 * i - 1}") for i in range(1, net.num_layers + 1)}
    return layers | {"conv_out": Layer(f"model.{3 * net.num_layers + 2}")}


def _inputs(first: str):
    return lambda net, kernels: ((1, 256, 256, kernels.get(first, (0, 0, 3))[2]),)


PUBLISHED = {
    ResnetGenerator: Published({"cyclegan": _resnet_layers}, _inputs("conv_in")),
    PatchDiscriminator: Published({"cyclegan": _patch_layers}, _inputs("conv_0")),
}


def infer_net(shapes: Shapes) -> nn.Module | None:
    """Finds the network whose kernels have these shapes, by published name; None where it is no such network."""
    if "model.0.weight" in shapes:
        num_layers = next(i for i in itertools.count() if f"model.{3 * i + 2}.weight" not in shapes) - 1
        if 1 <= num_layers <= _MOST_LAYERS:
            return PatchDiscriminator(width=shapes["model.0.weight"][0], num_layers=num_layers)
    elif "model.1.weight" in shapes:
        blocks = {name.partition(".conv_block.")[0] for name in shapes if ".conv_block." in name}
        if len(blocks) <= _MOST_BLOCKS:
            return _infer_generator(shapes, len(blocks))
    return None


def _infer_generator(shapes: Shapes, num_blocks: int) -> ResnetGenerator:
    width, up = shapes["model.1.weight"][0], f"model.{10 + num_blocks}"
    resized = shapes.get(f"{up}.2.weight")
    if resized is None:
        return ResnetGenerator(width, num_blocks, "transpose", skip=f"{up}.4.weight" in shapes)
    upsample = "antialias" if "model.4.0.weight" in shapes else "resize"
    return ResnetGenerator(width, num_blocks, upsample, skip=resized[1] > 4 * width)
