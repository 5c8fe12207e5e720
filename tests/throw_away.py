"""A third method, as small as one can be: translators held to their inputs, and a discriminator that learns nothing."""

import jax
import jax.numpy as jnp

from gan_ssl import losses, networks
from gan_ssl.data.images import normalise
from gan_ssl.methods import state as states

EVALUATION = "gan_ssl.evaluation.translation"
INFERENCE = "gan_ssl.inference.translator:Translator"
PROGRESS = ("generator/identity",)


def _net(config):
    return networks.ResnetGenerator(config.model.width, config.model.num_blocks, config.model.upsample)


def create_state(rng, config):
    image = jax.ShapeDtypeStruct((1, *config.data.image_size, 3), jnp.float32)
    params = {d: _net(config).lazy_init(rng, image)["params"] for d in ("a2b", "b2a")}
    player = lambda weights: states.create_player(weights, config, config.optimizer.learning_rate)
    return states.GanState(jnp.zeros((), jnp.int32), rng, player(params), player({"unused": jnp.zeros(1)}))


def make_train_steps(config):
    translate = make_translate(config)

    def loss_fn(params, batch):
        sides = (("a2b", normalise(batch["a"])), ("b2a", normalise(batch["b"])))
        return sum(losses.l1_loss(x, translate(params, x, d)) for d, x in sides)

    def step(state, batch):
        loss, grads = states.global_mean(jax.value_and_grad(loss_fn)(state.generator.params, batch))
        state = state.replace(step=state.step + 1, generator=state.generator.apply_gradients(grads=grads))
        return state, {"generator/identity": loss}

    return {"update": step}


def step_kind(config, step):
    return "update"


def streams(config):
    return {"update": "unpaired"}


def make_translate(config):
    return lambda params, images, direction: _net(config).apply({"params": params[direction]}, images)


def make_sample(config):
    def sample(params, batch):
        a = normalise(batch["a"])
        return {"a": a, "a to b": make_translate(config)(params, a, "a2b")}

    return sample
