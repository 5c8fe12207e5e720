"""OP-GAN and MatchGAN in JAX and Flax: pure losses, jitted steps, one loop."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "__version__":
        import importlib.metadata  # late: it reads the installed package's files

        return importlib.metadata.version("gan_ssl")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
