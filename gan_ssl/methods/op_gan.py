"""OP-GAN: CycleGAN plus a siamese network trained by self-supervision on patch pairs (ECCV 2020).

One update, counted in passes over a batch: each generator runs forward twice (translation, reconstruction) and
backward twice, an identity term joining the second pass; the discriminators and the siamese network run forward and
backward once for the generators (towards their inputs) and once for themselves, the discriminators on real and shown
images together. Their update reuses the translations made for the generators'. Twins are a further pass of the siamese
network over real patches.

With the self-supervised weights at 0 this is CycleGAN.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_ssl import losses, networks
from gan_ssl.config import self_supervised
from gan_ssl.data.images import normalise
from gan_ssl.methods import image_pool, siamese_terms
from gan_ssl.methods import state as states
from gan_ssl.methods.state import Batch, GanState, Metrics, StepFn

EVALUATION = "gan_ssl.evaluation.translation"
INFERENCE = "gan_ssl.inference.translator:Translator"
PROGRESS = ("generator/cycle", "generator/adversarial", "discriminator/adversarial")
DIRECTIONS = ("a2b", "b2a")


class Networks(NamedTuple):
    """The modules of a config."""

    generator: networks.ResnetGenerator
    discriminator: networks.PatchDiscriminator
    siamese: networks.Siamese


def create_networks(config: ConfigDict) -> Networks:
    """Builds the three kinds of network."""
    model, dtype = config.model, config.precision
    return Networks(
        networks.ResnetGenerator(
            model.width, model.num_blocks, model.upsample, model.skip, model.remat, dtype, model.grey
        ),
        networks.PatchDiscriminator(model.discriminator_width, model.discriminator_layers, dtype),
        networks.Siamese(model.siamese_width, tuple(model.siamese_strides), model.normalise, model.siamese_init, dtype),
    )


def patch_size(config: ConfigDict) -> tuple[int, int]:
    """Height and width of a patch."""
    return tuple(side // config.pretext.grid for side in config.data.image_size)


def create_state(rng: jax.Array, config: ConfigDict) -> GanState:
    """Initialises weights, optimisers, pools and averages.

    Args:
        rng: the run's key.
        config: a validated config whose `num_steps` is known.

    Returns:
        The state at step 0; `places` holds a pool of past translations a domain.
    """
    nets = create_networks(config)
    shape = (*config.data.image_size, 3)
    image, patch = (jax.ShapeDtypeStruct((1, *size, 3), jnp.float32) for size in (shape[:2], patch_size(config)))
    keys = jax.random.split(jax.random.fold_in(rng, 0), 5)
    generator = {d: nets.generator.lazy_init(k, image)["params"] for d, k in zip(DIRECTIONS, keys[:2], strict=True)}
    discriminator = {d: nets.discriminator.lazy_init(k, image)["params"] for d, k in zip("ab", keys[2:4], strict=True)}
    discriminator["siamese"] = nets.siamese.lazy_init(keys[4], patch, patch)["params"]
    pool = lambda: image_pool.create(config.batch_size, config.pool.size, shape, config.pool.dtype)
    return GanState(
        step=jnp.zeros((), jnp.int32),
        rng=rng,
        generator=states.create_player(generator, config, config.optimizer.learning_rate),
        discriminator=states.create_player(discriminator, config, config.optimizer.discriminator_learning_rate),
        averaged=jax.tree.map(jnp.copy, generator) if config.model.ema_decay else {},
        places={d: pool() for d in "ab"} if config.pool.size else {},
    )


def generator_loss(
    params: dict,
    fixed: dict,
    images: dict[str, jax.Array],
    keys: jax.Array,
    config: ConfigDict,
    step: jax.Array | int = 0,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Metrics]]:
    """The generators' objective, with discriminators and siamese network fixed (OP-GAN, eq. 6).

    Args:
        params: `{'a2b', 'b2a'}` generators.
        fixed: `{'a', 'b', 'siamese'}`.
        images: `{'a', 'b'}`, each `[batch, height, width, 3]` in [-1, 1].
        keys: `[batch]` keys for the patch pairs.
        config: weights and sizes.
        step: of the run, on which the weight of the content task depends.

    Returns:
        The weighted sum, and the translations `{'a', 'b'}` with the unweighted terms.
    """
    nets, weight = create_networks(config), config.loss
    translate = lambda direction, x: nets.generator.apply({"params": params[direction]}, x)
    judge = lambda domain, x: nets.discriminator.apply({"params": fixed[domain]}, x)
    fakes = {"b": translate("a2b", images["a"]), "a": translate("b2a", images["b"])}
    second = {"a": fakes["b"], "b": fakes["a"]}
    if weight.identity:
        second = {d: jnp.concatenate([x, images[d]]) for d, x in second.items()}
    made = {"a": translate("b2a", second["a"]), "b": translate("a2b", second["b"])}
    size = images["a"].shape[0]
    terms = {
        "adversarial": sum(losses.lsgan_generator_loss(judge(d, fakes[d])) for d in "ab"),
        "cycle": sum(losses.l1_loss(images[d], made[d][:size]) for d in "ab"),
    }
    if weight.identity:
        terms["identity"] = sum(losses.l1_loss(images[d], made[d][size:]) for d in "ab")
    if self_supervised(config):
        terms |= siamese_terms.for_generators(nets.siamese, fixed["siamese"], images, fakes, keys, config)
    shares = {"content": states.linear_share(step, config.num_steps, weight.content_left)}
    total = sum(weight[name] * shares.get(name, 1.0) * term for name, term in terms.items())
    return total, (fakes, terms | {"total": total})  # pyright: ignore[reportReturnType] there are terms


def adversarial_terms(
    net: networks.PatchDiscriminator, params: Mapping, images: Mapping[str, jax.Array], shown: Mapping[str, jax.Array]
) -> Metrics:
    """The discriminators' losses on real and shown images, judged in one pass: `adversarial_a`, `_b`, and their sum."""
    judge = lambda domain, x: net.apply({"params": params[domain]}, x)
    judged = {d: jnp.split(judge(d, jnp.concatenate([images[d], shown[d]])), 2) for d in "ab"}
    terms = {f"adversarial_{d}": losses.lsgan_discriminator_loss(*judged[d]) for d in "ab"}
    return {**terms, "adversarial": terms["adversarial_a"] + terms["adversarial_b"]}


def discriminator_loss(
    params: dict,
    images: dict[str, jax.Array],
    fakes: dict[str, jax.Array],
    shown: dict[str, jax.Array],
    keys: jax.Array,
    config: ConfigDict,
) -> tuple[jax.Array, tuple[Metrics, Metrics]]:
    """The objective of discriminators and siamese network, with the generators fixed.

    Args:
        params: `{'a', 'b', 'siamese'}`.
        images: `{'a', 'b'}` real images in [-1, 1].
        fakes: `{'a', 'b'}` translations of these images, for the siamese network.
        shown: `{'a', 'b'}` translations from the pools, for the discriminators.
        keys: `[batch]` keys for patch pairs and twins.
        config: weights and sizes.

    Returns:
        The weighted sum, and the unweighted terms with what is only logged.
    """
    nets = create_networks(config)
    metrics, logged = adversarial_terms(nets.discriminator, params, images, shown), {}
    total = metrics["adversarial"]
    if self_supervised(config):
        terms, logged = siamese_terms.for_siamese(nets.siamese, params["siamese"], images, fakes, keys, config)
        total = total + sum(config.loss[name] * term for name, term in terms.items())
        metrics |= terms
    return total, (metrics | {"total": total}, logged)  # pyright: ignore[reportReturnType] there are terms


def train_step(state: GanState, batch: Batch, config: ConfigDict) -> tuple[GanState, Metrics]:
    """One update of both players: generators first, then discriminators and siamese network on the same translations.

    Args:
        state: the state; its buffers may be donated.
        batch: `{'a', 'b'}`, each `[per_device, height, width, 3]` uint8 or uint16.
        config: a validated config.

    Returns:
        The next state and the global means of all terms.
    """
    images = {d: normalise(batch[d]) for d in "ab"}
    keys = jax.vmap(lambda k: jax.random.split(k, 4))(states.example_keys(state, images["a"].shape[0]))
    player, opponent = state.generator, state.discriminator
    gradient = jax.grad(generator_loss, has_aux=True)
    grads, (fakes, terms) = gradient(player.params, opponent.params, images, keys[:, 0], config, state.step)
    grads, terms = states.global_mean((grads, terms))
    player = player.apply_gradients(grads=grads)

    exchanged = {d: image_pool.exchange(state.places[d], keys[:, 1 + "ab".index(d)], fakes[d]) for d in state.places}
    shown = {d: shown for d, (_, shown) in exchanged.items()} or fakes
    gradient = jax.grad(discriminator_loss, has_aux=True)
    grads, (opposed, logged) = gradient(opponent.params, images, fakes, shown, keys[:, 3], config)
    grads, opposed, logged = states.global_mean((grads, opposed, logged))

    state = state.replace(
        step=state.step + 1,
        generator=player,
        discriminator=opponent.apply_gradients(grads=grads),
        averaged=states.update_average(state.averaged, player.params, state.step, config.model.ema_decay),
        places={d: pool for d, (pool, _) in exchanged.items()},
    )
    return state, states.by_group(generator=terms, discriminator=opposed, siamese=logged)


def make_train_steps(config: ConfigDict) -> dict[str, StepFn]:
    """Returns the only kind of step."""
    return {"update": lambda state, batch: train_step(state, batch, config)}


def step_kind(config: ConfigDict, step: int) -> str:
    """Every step is an update of both players."""
    return "update"


def streams(config: ConfigDict) -> dict[str, str]:
    """Unpaired images of both domains."""
    return {"update": "unpaired"}


def make_translate(config: ConfigDict):
    """Returns `translate(params, images, direction)`, pure; `direction` is `a2b` or `b2a`."""
    generator = create_networks(config).generator
    return lambda params, images, direction: generator.apply({"params": params[direction]}, images)


def make_sample(config: ConfigDict):
    """Returns `sample(params, batch)`: each domain, its translation and its reconstruction, float in [-1, 1]."""
    translate = make_translate(config)

    def sample(params, batch):
        a, b = normalise(batch["a"]), normalise(batch["b"])
        a2b, b2a = translate(params, a, "a2b"), translate(params, b, "b2a")
        return {
            "a": a, "a to b": a2b, "a to b to a": translate(params, a2b, "b2a"),
            "b": b, "b to a": b2a, "b to a to b": translate(params, b2a, "a2b"),
        }  # fmt: skip

    return sample
