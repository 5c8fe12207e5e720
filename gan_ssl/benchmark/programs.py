"""The programs that are timed, compiled over devices as training compiles them, with what they are fed."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_ssl import methods
from gan_ssl.benchmark.settings import random_batch
from gan_ssl.data.images import normalise
from gan_ssl.methods import match_gan
from gan_ssl.methods import state as states
from gan_ssl.methods.state import Batch, GanState, Metrics, StepFn
from gan_ssl.training import compilation, parallel


@dataclasses.dataclass
class Program:
    """A compiled program and what it is called with.

    Attributes:
        call: runs it once and returns what to wait for.
        images: of one call; OP-GAN's pairs count once.
        devices: that share the call.
        compile_s: seconds of tracing and compilation; less where JAX was told of a persistent cache.
        compiled: what XLA tells about it.
    """

    call: Callable[[], Any]
    images: int
    devices: list[jax.Device]
    compile_s: float
    compiled: jax.stages.Compiled

    @property
    def flops(self) -> float | None:
        """Floating-point operations of one call on one device, as XLA counts them in the compiled program.

        None on a GPU, whose convolutions are calls of cuDNN there: XLA does not count what a library computes, nor does
        JAX analyse a program for a GPU before it is compiled.
        """
        if self.devices[0].platform == "gpu":
            return None
        analysis = self.compiled.cost_analysis()
        return ((analysis[0] if isinstance(analysis, list) else analysis) or {}).get("flops")

    @property
    def temporary_bytes(self) -> int:
        """What the program needs on a device beside its arguments and results."""
        return self.compiled.memory_analysis().temp_size_in_bytes  # pyright: ignore[reportOptionalMemberAccess] compiled programs have one


def update_steps(config: ConfigDict) -> dict[str, tuple[StepFn, str]]:
    """Returns what counts as an update of a method: `{name: (step, stream)}`.

    MatchGAN's `discriminator_update` is a step on labelled images, the generator's forward pass included;
    `generator_update` is one of the generator alone, which training runs after it in one program. Of other methods it
    is every kind of step.
    """
    method = methods.get(config.method)
    steps, streams = method.make_train_steps(config), method.streams(config)
    if config.method != "match_gan":
        return {kind: (step, streams[kind]) for kind, step in steps.items()}
    alone = lambda state, batch: _update_generator(state, batch, config)
    return {
        "discriminator_update": (steps["labelled"], "labelled"),
        "generator_update": (alone, "labelled"),
    }


def compile_update(config: ConfigDict, step: StepFn, stream: str) -> Program:
    """Compiles an update with a state of its own, which each call moves on.

    Raises:
        ConfigError: there are fewer devices than `config.num_devices`, or the batch does not divide.
    """
    devices = parallel.choose_devices(config.batch_size, config.num_devices)
    state = methods.get(config.method).create_state(jax.random.PRNGKey(config.seed), config)
    state = parallel.shard_state(state, devices)
    batch = parallel.shard_batch(random_batch(config, stream), devices)
    mapped = parallel.MappedStep(step, devices)
    with warnings.catch_warnings():
        # An update of the generator alone does not return the discriminator, whose donated buffers are then kept.
        warnings.filterwarnings("ignore", "Some donated buffers were not usable")
        facts = _compile(mapped.lower, mapped.compile, state, batch)
    compiled = facts["compiled"]
    batch = jax.device_put(batch, compiled.input_shardings[0][1])

    def call() -> Any:
        nonlocal state  # its buffers are donated
        made, metrics = compiled(state, batch)
        state = made.replace(discriminator=made.discriminator or state.discriminator)
        return made, metrics

    return Program(call, config.batch_size, devices, **facts)


def compile_translation(config: ConfigDict) -> Program:
    """Compiles inference: one generator on one device, no gradients; of OP-GAN's two, from a to b."""
    method = methods.get(config.method)
    stream = next(iter(method.streams(config).values()))
    state = method.create_state(jax.random.PRNGKey(config.seed), config)
    device, batch, translate = jax.local_devices()[0], random_batch(config, stream), method.make_translate(config)
    images = batch["a"] if "a" in batch else batch["image"]
    arguments = (state.generator_params(), jax.jit(normalise)(images), batch.get("target"))
    if "a" in batch:
        program, arguments = compilation.jit(lambda params, x: translate(params, x, "a2b")), arguments[:2]
    else:
        program = compilation.jit(translate)
    arguments = jax.device_put(arguments, device)
    facts = _compile(program.lower, jax.stages.Lowered.compile, *arguments)
    return Program(lambda: facts["compiled"](*arguments), config.batch_size, [device], **facts)


def _compile(lower: Callable, finish: Callable, *arguments: Any) -> dict[str, Any]:
    """Returns a compiled program and the seconds that it took, by `Program`'s names."""
    began = time.perf_counter()
    compiled = finish(lower(*arguments))
    return {"compile_s": time.perf_counter() - began, "compiled": compiled}


def _update_generator(state: GanState, batch: Batch, config: ConfigDict) -> tuple[GanState, Metrics]:
    images = normalise(batch["image"])
    player, gradient = state.generator, jax.grad(match_gan.generator_loss, has_aux=True)
    fixed, labels, targets = state.discriminator.params, batch["label"], batch["target"]
    grads, terms = states.global_mean(gradient(player.params, fixed, images, labels, targets, config))
    player = player.apply_gradients(grads=grads)
    averaged = states.update_average(state.averaged, player.params, state.generator.step, config.model.ema_decay)
    # What is handed through would be copied, which is no part of the update.
    return state.replace(step=state.step + 1, generator=player, averaged=averaged, discriminator={}), terms
