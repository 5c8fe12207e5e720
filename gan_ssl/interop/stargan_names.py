"""The names of the public StarGAN and of the public MatchGAN.

Both generators are the same layers in a row. StarGAN's is one `Sequential`, `main.N`; MatchGAN's is cut in the middle
of the residual blocks into `encoder.N` and `decoder.N`. The discriminators are `main.N` with heads `conv1` (source) and
`conv2` (label); MatchGAN's has `conv3` (match) as well.

What we added has names of its own. It keeps the index of the layer that it replaces, as a `Sequential` there:

- `transpose` with skip: `main.15.0` transposed (then norm and ReLU), `main.15.3` convolution, for 6 blocks.
- `resize`, `antialias`, with or without skip: `main.15.1` convolution (after upsampling).
- `antialias`: `main.3.0` convolution (then blur).
- With a mask: `main.21.mask`, whose fourth output is the mask's.
- Norms that labels shift: `label_weight` and `label_bias` beside their `weight` and `bias`.
- The match head that compares is `compare`, since `conv3` of the same shape means another function.
"""

import itertools

import flax.linen as nn

from gan_ssl.interop.layout import TRANSPOSED, Layer, Published, Shapes
from gan_ssl.networks import ConditionalDiscriminator, ConditionalGenerator

DESCRIPTION = "the public StarGAN (main.0.weight, ...) or MatchGAN (encoder.0.weight, ...)"
_MATCH_HEADS = {"concat": "conv3", "compare": "compare"}
_MASK = ".mask"
_FIRST_BLOCK = 9  # after three times convolution, norm, ReLU
_FIRST_KERNEL = 7  # the discriminator's is 4
_MOST_BLOCKS, _MOST_LAYERS = 64, 6


def _place(index: int, num_blocks: int, names: str) -> str:
    """The published name of the generator's layer with this index, as if all stood in one row."""
    middle = _FIRST_BLOCK + num_blocks // 2
    if names == "stargan":
        return f"main.{index}"
    return f"encoder.{index}" if index < middle else f"decoder.{index - middle}"


def _generator_layers(net: ConditionalGenerator, names: str) -> dict[str, Layer]:
    place = lambda index: _place(index, net.num_blocks, names)
    layers = {"conv_in": Layer(place(0)), "norm_in": Layer(place(1))}
    for i in range(2):
        layers[f"down_{i}"] = Layer(place(3 + 3 * i) + (".0" if net.upsample == "antialias" else ""))
        layers[f"down_norm_{i}"] = Layer(place(4 + 3 * i))
    for i in range(net.num_blocks):
        block = f"{place(_FIRST_BLOCK + i)}.main"
        for name, index in (("conv_0", 0), ("norm_0", 1), ("conv_1", 3), ("norm_1", 4)):
            layers[f"block_{i}/{name}"] = Layer(f"{block}.{index}")
    first_up = _FIRST_BLOCK + net.num_blocks
    for i in range(2):
        up = place(first_up + 3 * i)
        if net.upsample != "transpose":
            layers[f"up_{i}"] = Layer(f"{up}.1")
        elif net.skip:
            layers[f"up_{i}_transpose"] = Layer(f"{up}.0", TRANSPOSED)
            layers[f"up_{i}"] = Layer(f"{up}.3")
        else:
            layers[f"up_{i}"] = Layer(up, TRANSPOSED)
        layers[f"up_norm_{i}"] = Layer(place(first_up + 3 * i + 1))
    return layers | {"conv_out": Layer(place(first_up + 6) + (_MASK if net.mask else ""))}


def _discriminator_layers(net: ConditionalDiscriminator, names: str) -> dict[str, Layer]:
    layers = {f"conv_{i}": Layer(f"main.{2 * i}") for i in range(net.num_layers)}
    layers |= {"source": Layer("conv1"), "label": Layer("conv2")}
    return layers if names == "stargan" else layers | {"match": Layer(_MATCH_HEADS[net.match_head])}


def _generator_inputs(net: ConditionalGenerator, kernels: Shapes) -> tuple[tuple[int, ...], ...]:
    channels = kernels.get("conv_out", (7, 7, 0, 3 + net.mask))[3] - net.mask
    labels = kernels.get("conv_in", (7, 7, 0, 0))[2] - channels
    return (1, 256, 256, channels), (1, max(0, labels))


def _discriminator_inputs(net: ConditionalDiscriminator, kernels: Shapes) -> tuple[tuple[int, ...], ...]:
    height, width = (side * 2**net.num_layers for side in kernels.get("label", (1, 1))[:2])
    return ((1, height, width, kernels.get("conv_0", (4, 4, 3))[2]),)


def _both(layers):
    return {names: lambda net, names=names: layers(net, names) for names in ("matchgan", "stargan")}


PUBLISHED = {
    ConditionalGenerator: Published(_both(_generator_layers), _generator_inputs),
    ConditionalDiscriminator: Published(_both(_discriminator_layers), _discriminator_inputs),
}


def infer_net(shapes: Shapes) -> nn.Module | None:
    """Finds the network whose kernels have these shapes, by published name; None where it is no such network.

    A discriminator without a match head gets the one that compares, which can learn.
    """
    if "conv2.weight" in shapes and "main.0.weight" in shapes:
        num_layers = next(i for i in itertools.count() if f"main.{2 * i}.weight" not in shapes)
        head = "concat" if "conv3.weight" in shapes else "compare"
        if num_layers <= _MOST_LAYERS:
            return ConditionalDiscriminator(shapes["main.0.weight"][0], num_layers, shapes["conv2.weight"][0], head)
    for first, names in (("encoder.0.weight", "matchgan"), ("main.0.weight", "stargan")):
        blocks = {name.partition(".main.")[0] for name in shapes if ".main." in name}
        if shapes.get(first, (0, 0, 0))[2] == _FIRST_KERNEL and len(blocks) <= _MOST_BLOCKS:
            return _infer_generator(shapes, shapes[first][0], len(blocks), names)
    return None


def _infer_generator(shapes: Shapes, width: int, num_blocks: int, names: str) -> ConditionalGenerator:
    up = _place(_FIRST_BLOCK + num_blocks, num_blocks, names)
    mask = f"{_place(_FIRST_BLOCK + num_blocks + 6, num_blocks, names)}{_MASK}.weight" in shapes
    condition = "norms" if any(name.endswith(".label_weight") for name in shapes) else "planes"
    resized = shapes.get(f"{up}.1.weight")
    if resized is None:
        return ConditionalGenerator(width, num_blocks, "transpose", f"{up}.3.weight" in shapes, mask, condition)
    upsample = "antialias" if f"{_place(3, num_blocks, names)}.0.weight" in shapes else "resize"
    return ConditionalGenerator(width, num_blocks, upsample, resized[1] > 4 * width, mask, condition)
