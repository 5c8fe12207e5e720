"""Images in, translated images out: `load(workdir).translate(images)`."""

from gan_ssl.inference.translator import Translator, load

__all__ = ["Translator", "load"]
