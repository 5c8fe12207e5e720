"""How our programs are compiled: JAX's persistent cache, so that a second start does not compile again, and options."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import jax

# XLA gives convolutions on a CPU to YNNPACK by default (JAX 0.10, 0.12), which takes up to 20 times as long as Eigen
# where a kernel has few outputs or the image was padded before, and twice as long in many of our layers.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}


def user_cache() -> Path:
    """Returns the folder for what can be made again: `$XDG_CACHE_HOME` (or `~/.cache`) `/gan_ssl`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_ssl"


def enable_cache() -> None:
    """Turns the cache on in the user's cache folder, unless JAX was told of another."""
    if jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue] made when JAX starts
        return
    jax.config.update("jax_compilation_cache_dir", str(user_cache() / "jax"))
    jax.config.update("jax_compilation_cache_max_size", 2 * 2**30)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@functools.cache
def compiler_options(platform: str) -> Mapping[str, str]:
    """Returns XLA's options for programs on a platform; none where `XLA_FLAGS` has its own or XLA has them no more."""
    if platform != "cpu" or any(name in os.environ.get("XLA_FLAGS", "") for name in _CPU_OPTIONS):
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS)()
    except jax.errors.JaxRuntimeError:
        return {}
    return _CPU_OPTIONS


def jit(function: Callable, **options) -> Callable:
    """Compiles like `jax.jit`, with our options for the default platform, which is asked for at the first call."""

    @functools.cache
    def program():
        return jax.jit(function, compiler_options=dict(compiler_options(jax.default_backend())), **options)

    @functools.wraps(function)
    def call(*args, **kwargs):
        return program()(*args, **kwargs)

    call.lower = lambda *args, **kwargs: program().lower(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
    return call
