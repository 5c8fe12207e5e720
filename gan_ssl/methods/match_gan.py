"""MatchGAN: StarGAN plus a match loss over triplets of images with equal and different labels (ACCV 2020).

Labelled and unlabelled batches alternate. A step updates the discriminator; every `generator_every`-th updates the
generator as well.

A discriminator's update, counted in passes over a batch: the generator runs forward once; the discriminator's trunk
forward and backward once on images and translations together, for all its heads, and the gradient penalty takes it
forward, backward and through the derivative of both on the blends. The generator's update: the generator runs forward
and backward twice (translation, which XLA makes once for both updates, and reconstruction), the discriminator forward
and backward once on the translations, and forward once on unlabelled images whose labels are read.

Without unlabelled images and with the match loss's weight at 0 this is StarGAN.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from ml_collections import ConfigDict

from gan_ssl import losses, networks
from gan_ssl.data.images import normalise
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.methods import match_terms
from gan_ssl.methods import state as states
from gan_ssl.methods.state import Batch, GanState, Metrics, StepFn

PROGRESS = (
    "generator/reconstruction",
    "generator/classification",
    "discriminator/match",
    "discriminator/classification",
)
EVALUATION = "gan_ssl.evaluation.attributes"
INFERENCE = "gan_ssl.inference.editor:Editor"


class Networks(NamedTuple):
    """The modules of a config."""

    generator: networks.ConditionalGenerator
    discriminator: networks.ConditionalDiscriminator


def create_networks(config: ConfigDict) -> Networks:
    """Builds both networks."""
    model, dtype = config.model, config.precision
    return Networks(
        networks.ConditionalGenerator(
            model.width,
            model.num_blocks,
            model.upsample,
            model.skip,
            model.mask,
            model.condition,
            model.remat,
            dtype,
            model.grey,
        ),
        networks.ConditionalDiscriminator(
            model.discriminator_width,
            model.discriminator_layers,
            len(config.data.attributes),
            model.match_head,
            model.discriminator_init,
            dtype,
        ),
    )


def label_space(config: ConfigDict) -> LabelSpace:
    """Returns the label space of a resolved config."""
    return LabelSpace(tuple(config.data.attributes), tuple(config.data.exclusive))


def create_state(rng: jax.Array, config: ConfigDict) -> GanState:
    """Initialises weights, optimisers and averages.

    Args:
        rng: the run's key.
        config: a validated config whose `num_steps` and label space are known.

    Returns:
        The state at step 0.
    """
    nets = create_networks(config)
    image = jax.ShapeDtypeStruct((1, *config.data.image_size, 3), jnp.float32)
    labels = jax.ShapeDtypeStruct((1, len(config.data.attributes)), jnp.float32)
    keys = jax.random.split(jax.random.fold_in(rng, 0))
    generator = nets.generator.lazy_init(keys[0], image, labels)["params"]
    discriminator = nets.discriminator.lazy_init(keys[1], image)["params"]
    rates, updates = config.optimizer, -(-config.num_steps // config.generator_every)
    return GanState(
        step=jnp.zeros((), jnp.int32),
        rng=rng,
        generator=states.create_player(generator, config, rates.learning_rate, updates),
        discriminator=states.create_player(discriminator, config, rates.discriminator_learning_rate),
        averaged=jax.tree.map(jnp.copy, generator) if config.model.ema_decay else {},
    )


def read_labels(logits: jax.Array, space: LabelSpace) -> jax.Array:
    """Rounds label logits to the labels that they stand for.

    Args:
        logits: `[batch, num_labels]`.
        space: says which labels exclude each other.

    Returns:
        `[batch, num_labels]` float 0 or 1: the largest of each exclusive group, and the positive ones of the others.
    """
    labels = (logits > 0).astype(jnp.float32)
    for group in space.exclusive:
        members = np.array([space.attributes.index(name) for name in group])
        largest = jnp.argmax(logits[:, members], axis=-1)
        labels = labels.at[:, members].set(jax.nn.one_hot(largest, len(members)))
    return labels


def discriminator_loss(
    params: dict, images: jax.Array, fakes: jax.Array, labels: jax.Array | None, blend: jax.Array, config: ConfigDict
) -> tuple[jax.Array, Metrics]:
    """The discriminator's objective, with the generator fixed (MatchGAN, eq. 7).

    Args:
        params: of the discriminator.
        images: `[batch, height, width, 3]` real images in [-1, 1].
        fakes: their translations.
        labels: `[batch, num_labels]` of the images; None for unlabelled ones, which are neither classified nor matched.
        blend: `[batch]` share of the real image in what the gradient penalty is measured at.
        config: weights and sizes.

    Returns:
        The weighted sum, and the unweighted terms with `match_accuracy`.
    """
    net, weight = create_networks(config).discriminator, config.loss
    apply = lambda method, *args: net.apply({"params": params}, *args, method=method)
    features = apply("features", jnp.concatenate([images, fakes]))
    source, logits = apply("heads", features)
    real, fake = jnp.split(source, 2)
    share = blend[:, None, None, None]
    exact = net.clone(dtype="float32")  # a slope's square does not bear rounding
    critic = lambda x: exact.apply({"params": params}, x, method=lambda net, x: net.source_logits(net.features(x)))
    terms = {
        "adversarial": losses.wasserstein_discriminator_loss(real, fake),
        "gradient_penalty": losses.gradient_penalty(critic, share * images + (1 - share) * fakes),
    }
    logged = {}
    if labels is not None:
        single = label_space(config).is_single
        terms["classification"] = losses.label_classification_loss(logits[: len(images)], labels, single)
        if weight.match:
            logged = match_terms.score(
                net, params, features[: len(images)], labels, match_terms.groups(config, interleaved=False)
            )
            terms["match"] = logged["match"]
    total = sum(weight[name] * term for name, term in terms.items())
    return total, logged | terms | {"total": total}  # pyright: ignore[reportReturnType] there are terms


def generator_loss(
    params: dict,
    fixed: dict,
    images: jax.Array,
    labels: jax.Array | None,
    targets: jax.Array,
    config: ConfigDict,
) -> tuple[jax.Array, Metrics]:
    """The generator's objective, with the discriminator fixed (MatchGAN, eq. 8).

    Args:
        params: of the generator.
        fixed: of the discriminator.
        images: `[batch, height, width, 3]` in [-1, 1].
        labels: `[batch, num_labels]` of the images; None for unlabelled ones. Those are reconstructed towards the
            labels that the discriminator reads, or not at all (published).
        targets: `[batch, num_labels]` to translate to.
        config: weights and sizes.

    Returns:
        The weighted sum, and the unweighted terms with `match_accuracy`.
    """
    nets, weight, space = create_networks(config), config.loss, label_space(config)
    judge = lambda method, *args: nets.discriminator.apply({"params": fixed}, *args, method=method)
    translate = lambda x, to: nets.generator.apply({"params": params}, x, to)
    fakes = translate(images, targets)
    features = judge("features", fakes)
    source, logits = judge("heads", features)
    terms = {
        "adversarial": losses.wasserstein_generator_loss(source),
        "classification": losses.label_classification_loss(logits, targets, space.is_single),
    }
    logged = {}
    if weight.match:
        logged = match_terms.score(
            nets.discriminator, fixed, features, targets, match_terms.groups(config, interleaved=True)
        )
        terms["match"] = logged["match"]
    if labels is None and weight.pseudo_labels:
        labels = lax.stop_gradient(read_labels(judge(None, images)[1], space))
    if labels is not None:
        terms["reconstruction"] = losses.l1_loss(images, translate(fakes, labels))
    total = sum(weight[name] * term for name, term in terms.items())
    return total, logged | terms | {"total": total}  # pyright: ignore[reportReturnType] there are terms


def _blend(state: GanState, per_device: int) -> jax.Array:
    """Draws `[per_device]` shares of the real image, for the gradient penalty."""
    return jax.vmap(jax.random.uniform)(states.example_keys(state, per_device))


def train_step(state: GanState, batch: Batch, config: ConfigDict, both: bool) -> tuple[GanState, Metrics]:
    """One update of the discriminator and, where `both`, then one of the generator.

    Args:
        state: the state; its buffers may be donated.
        batch: `image` `[per_device, height, width, 3]` uint8 or uint16, `target` `[per_device, num_labels]` and, in
            labelled batches, `label`.
        config: a validated config.
        both: whether the generator is updated.

    Returns:
        The next state and the global means of all terms.
    """
    images, labels, targets = normalise(batch["image"]), batch.get("label"), batch["target"]
    player, opponent = state.generator, state.discriminator
    fakes = create_networks(config).generator.apply({"params": player.params}, images, targets)
    blend = _blend(state, images.shape[0])
    gradient = jax.grad(discriminator_loss, has_aux=True)
    grads, terms = states.global_mean(gradient(opponent.params, images, fakes, labels, blend, config))
    opponent = opponent.apply_gradients(grads=grads)
    metrics = {f"discriminator/{name}": value for name, value in terms.items()}
    averaged = state.averaged
    if both:
        gradient = jax.grad(generator_loss, has_aux=True)
        grads, terms = gradient(player.params, opponent.params, images, labels, targets, config)
        grads, terms = states.global_mean((grads, terms))
        metrics |= {f"generator/{name}": value for name, value in terms.items()}
        before, player = player, player.apply_gradients(grads=grads)
        averaged = states.update_average(averaged, player.params, before.step, config.model.ema_decay)
    state = state.replace(step=state.step + 1, generator=player, discriminator=opponent, averaged=averaged)
    return state, metrics


def _uses_unlabelled(config: ConfigDict) -> bool:
    return config.data.unlabelled and (config.data.labelled_count > 0 or config.data.labelled_fraction < 1)


def streams(config: ConfigDict) -> dict[str, str]:
    """Labelled and unlabelled images; each stream's steps with and without an update of the generator."""
    names = ("labelled", "unlabelled") if _uses_unlabelled(config) else ("labelled",)
    return {f"{name}{suffix}": name for name in names for suffix in ("", "_both")}


def step_kind(config: ConfigDict, step: int) -> str:
    """Even steps take labelled images, odd ones unlabelled; every `generator_every`-th updates both players."""
    name = "unlabelled" if step % 2 and _uses_unlabelled(config) else "labelled"
    return f"{name}_both" if (step + 1) % config.generator_every == 0 else name


def make_train_steps(config: ConfigDict) -> dict[str, StepFn]:
    """Returns a step a kind, each its own program; what a batch holds tells labelled from unlabelled."""
    make = lambda both: lambda state, batch: train_step(state, batch, config, both)
    return {kind: make(kind.endswith("_both")) for kind in streams(config)}


def make_translate(config: ConfigDict):
    """Returns `translate(params, images, labels)`, pure."""
    generator = create_networks(config).generator
    return lambda params, images, labels: generator.apply({"params": params}, images, labels)


def make_sample(config: ConfigDict):
    """Returns `sample(params, batch)`: labelled images, their reconstruction, and each attribute set or flipped."""
    translate, space = make_translate(config), label_space(config)

    def sample(params, batch):
        images, labels = normalise(batch["image"]), jnp.asarray(batch["label"])
        made = {"image": images, "same labels": translate(params, images, labels)}
        for i, name in enumerate(space.attributes):
            group = next((g for g in space.exclusive if name in g), ())
            cleared = labels.at[:, np.array([space.attributes.index(n) for n in group], int)].set(0.0)
            edited = cleared.at[:, i].set(1.0 if group else 1.0 - labels[:, i])
            made[name if group else f"{name} flipped"] = translate(params, images, edited)
        return made

    return sample
