"""CUT: contrastive learning for unpaired translation (Park et al., ECCV 2020), put beside OP-GAN for comparison.

No cycle: each place of a translation must find the same place of its source among places of that image, by features
of the generator's own encoder. Each direction is a CUT of its own; both are trained, side by side.

One update, counted in passes over a batch and a direction: the generator runs forward and backward once on source and
target images together, its encoder once more on what it made; the discriminator as in OP-GAN.

Fields: `loss.content` weighs the contrast of translations, `loss.identity` that of target images with themselves (both
0.5 in the paper's sum), `pretext.places` and `pretext.temperature` shape it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_ssl import losses, networks
from gan_ssl.data.images import normalise
from gan_ssl.methods import op_gan
from gan_ssl.methods import state as states
from gan_ssl.methods.state import Batch, GanState, Metrics, StepFn

EVALUATION = "gan_ssl.evaluation.translation"
INFERENCE = "gan_ssl.inference.translator:Translator"
PROGRESS = ("generator/content", "generator/adversarial", "discriminator/adversarial")
# Direction -> the domains that it leads from and to.
_DIRECTIONS = {"a2b": ("a", "b"), "b2a": ("b", "a")}


class Networks(NamedTuple):
    """The modules of a config."""

    generator: networks.ResnetGenerator
    discriminator: networks.PatchDiscriminator
    head: networks.PlaceHead


def create_networks(config: ConfigDict) -> Networks:
    """Builds the three kinds of network."""
    nets = op_gan.create_networks(config)
    return Networks(nets.generator, nets.discriminator, networks.PlaceHead())


def encode(generator: networks.ResnetGenerator, params: Mapping, images: jax.Array) -> list[jax.Array]:
    """Returns the images and what the encoder makes of them: two downsamplings, the first and the middle block.

    Args:
        generator: the module.
        params: its parameters.
        images: `[batch, height, width, 3]` in [-1, 1].

    Returns:
        Arrays `[batch, places, channels]`.
    """
    layers = ["down_0", "down_1", "block_0", f"block_{generator.num_blocks // 2}"]
    layers = [name for name in dict.fromkeys(layers) if generator.num_blocks or "block" not in name]
    keep = lambda module, _: module.name in layers
    _, kept = generator.apply({"params": params}, images, capture_intermediates=keep, mutable=["intermediates"])
    features = [images, *(kept["intermediates"][name]["__call__"][0] for name in layers)]
    return [x.reshape(x.shape[0], -1, x.shape[-1]).astype(jnp.float32) for x in features]


def create_state(rng: jax.Array, config: ConfigDict) -> GanState:
    """Initialises weights, optimisers and averages.

    Args:
        rng: the run's key.
        config: a validated config whose `num_steps` is known.

    Returns:
        The state at step 0; the generator's player holds the heads as well, `{'a2b', 'b2a', 'heads'}`.
    """
    nets = create_networks(config)
    image = jax.ShapeDtypeStruct((1, *config.data.image_size, 3), jnp.float32)
    generator, discriminator, heads = {}, {}, {}
    for i, (direction, (_, target)) in enumerate(_DIRECTIONS.items()):
        keys = jax.random.split(jax.random.fold_in(rng, i), 3)
        generator[direction] = nets.generator.lazy_init(keys[0], image)["params"]
        discriminator[target] = nets.discriminator.lazy_init(keys[1], image)["params"]
        features = jax.eval_shape(lambda p, x: encode(nets.generator, p, x), generator[direction], image)
        heads[direction] = nets.head.lazy_init(keys[2], features)["params"]
    generator["heads"] = heads
    return GanState(
        step=jnp.zeros((), jnp.int32),
        rng=rng,
        generator=states.create_player(generator, config, config.optimizer.learning_rate),
        discriminator=states.create_player(discriminator, config, config.optimizer.discriminator_learning_rate),
        averaged=jax.tree.map(jnp.copy, generator) if config.model.ema_decay else {},
    )


def content_loss(
    nets: Networks, params: Mapping, direction: str, source: jax.Array, made: jax.Array, keys: jax.Array, config
) -> jax.Array:
    """Contrasts places of what was made with those of its source, image by image and layer by layer (CUT, eq. 3).

    Args:
        nets: the modules.
        params: of the generator's player.
        direction: `a2b` or `b2a`.
        source: `[batch, height, width, 3]` in [-1, 1]; no gradient flows into its features.
        made: the same shape.
        keys: `[batch]` keys of the places.
        config: `pretext.places` a layer, `pretext.temperature`.

    Returns:
        A scalar, the mean over layers and images.
    """
    both = [encode(nets.generator, params[direction], images) for images in (made, source)]
    chosen = []
    for layer, queries in enumerate(both[0]):
        drawn = jax.vmap(lambda k: jax.random.uniform(k, queries.shape[1:2]))(_fold(keys, layer))  # noqa: B023
        places = jnp.argsort(drawn, axis=1)[:, : config.pretext.places, None]
        chosen.append([jnp.take_along_axis(side[layer], places, axis=1) for side in both])
    heads = lambda side: nets.head.apply({"params": params["heads"][direction]}, [pair[side] for pair in chosen])
    contrast = jax.vmap(losses.patch_contrast_loss, (0, 0, None))
    terms = [contrast(q, k, config.pretext.temperature) for q, k in zip(heads(0), heads(1), strict=True)]
    return jnp.mean(jnp.stack(terms))


def _fold(keys: jax.Array, number: int) -> jax.Array:
    return jax.vmap(lambda k: jax.random.fold_in(k, number))(keys)


def generator_loss(
    params: Mapping, fixed: Mapping, images: Mapping[str, jax.Array], keys: jax.Array, config: ConfigDict
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Metrics]]:
    """The generators' objective, with the discriminators fixed (CUT, eq. 5).

    Args:
        params: `{'a2b', 'b2a', 'heads'}`.
        fixed: `{'a', 'b'}` discriminators.
        images: `{'a', 'b'}`, each `[batch, height, width, 3]` in [-1, 1].
        keys: `[batch]` keys of the places.
        config: weights and sizes.

    Returns:
        The weighted sum over both directions, and the translations `{'a', 'b'}` with the unweighted terms.
    """
    nets, weight, fakes = create_networks(config), config.loss, {}
    terms: Metrics = dict.fromkeys(("adversarial", "content", "identity"), jnp.zeros(()))
    for i, (direction, (source, target)) in enumerate(_DIRECTIONS.items()):
        both = jnp.concatenate([images[source], images[target]])
        fakes[target], same = jnp.split(nets.generator.apply({"params": params[direction]}, both), 2)
        logits = nets.discriminator.apply({"params": fixed[target]}, fakes[target])
        terms["adversarial"] += losses.lsgan_generator_loss(logits)
        for j, (name, shown, made) in enumerate(
            (("content", images[source], fakes[target]), ("identity", images[target], same))
        ):
            if weight[name]:
                drawn = _fold(keys, 2 * i + j)
                terms[name] += content_loss(nets, params, direction, shown, made, drawn, config)
    total = sum(weight[name] * term for name, term in terms.items())
    return total, (fakes, terms | {"total": total})  # pyright: ignore[reportReturnType] there are terms


def discriminator_loss(
    params: Mapping, images: Mapping[str, jax.Array], fakes: Mapping[str, jax.Array], config: ConfigDict
) -> tuple[jax.Array, Metrics]:
    """The discriminators' objective on images and their translations, `{'a', 'b'}` each; see `generator_loss`."""
    terms = op_gan.adversarial_terms(create_networks(config).discriminator, params, images, fakes)
    return terms["adversarial"], terms


def train_step(state: GanState, batch: Batch, config: ConfigDict) -> tuple[GanState, Metrics]:
    """One update of the generators and heads, then of the discriminators on the same translations.

    Args:
        state: the state; its buffers may be donated.
        batch: `{'a', 'b'}`, each `[per_device, height, width, 3]` uint8 or uint16.
        config: a validated config.

    Returns:
        The next state and the global means of all terms.
    """
    images = {d: normalise(batch[d]) for d in "ab"}
    keys = states.example_keys(state, images["a"].shape[0])
    player, opponent = state.generator, state.discriminator
    gradient = jax.grad(generator_loss, has_aux=True)
    grads, (fakes, terms) = gradient(player.params, opponent.params, images, keys, config)
    grads, terms = states.global_mean((grads, terms))
    player = player.apply_gradients(grads=grads)
    grads, opposed = jax.grad(discriminator_loss, has_aux=True)(opponent.params, images, fakes, config)
    grads, opposed = states.global_mean((grads, opposed))
    state = state.replace(
        step=state.step + 1,
        generator=player,
        discriminator=opponent.apply_gradients(grads=grads),
        averaged=states.update_average(state.averaged, player.params, state.step, config.model.ema_decay),
    )
    return state, states.by_group(generator=terms, discriminator=opposed)


def make_train_steps(config: ConfigDict) -> dict[str, StepFn]:
    """Returns the only kind of step."""
    return {"update": lambda state, batch: train_step(state, batch, config)}


step_kind = op_gan.step_kind
streams = op_gan.streams
make_translate = op_gan.make_translate
make_sample = op_gan.make_sample
