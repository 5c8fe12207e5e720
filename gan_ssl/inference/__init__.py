"""Images in, translated images out: `load(workdir)`, then `translate(images, ...)`."""

from gan_ssl.inference.editor import Editor
from gan_ssl.inference.loading import load, make
from gan_ssl.inference.translator import Translator

__all__ = ["Editor", "Translator", "load", "make"]
