"""Weights from and to PyTorch: `read` a file, `infer_net` from its arrays, `from_torch`; `to_torch`, `write`."""

from gan_ssl.interop.torch_names import from_torch, infer_net, to_torch
from gan_ssl.interop.weight_files import read, write

__all__ = ["from_torch", "infer_net", "read", "to_torch", "write"]
