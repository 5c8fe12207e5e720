"""A trained generator as one file that needs no gan_ssl: StableHLO, ONNX, or weights under PyTorch's names."""

from gan_ssl.export.files import FORMATS, export
from gan_ssl.export.program import Program, make_program

__all__ = ["FORMATS", "Program", "export", "make_program"]
