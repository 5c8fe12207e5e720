"""JAX's persistent compilation cache, so that a second start does not compile again."""

import os
from pathlib import Path

import jax


def user_cache() -> Path:
    """Returns the folder for what can be made again: `$XDG_CACHE_HOME` (or `~/.cache`) `/gan_ssl`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_ssl"


def enable_cache() -> None:
    """Turns the cache on in the user's cache folder, unless JAX was told of another."""
    if jax.config.jax_compilation_cache_dir:
        return
    jax.config.update("jax_compilation_cache_dir", str(user_cache() / "jax"))
    jax.config.update("jax_compilation_cache_max_size", 2 * 2**30)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
