"""Data sets and the pipeline that feeds training: files in, host batches `dict[str, np.ndarray]` out."""

from gan_ssl.data.images import Decoded, decode, normalise, read_label
from gan_ssl.data.pipeline import STREAMS, Batch, Stream, evaluation_arrays, make_stream, steps_per_epoch
from gan_ssl.data.source import Source, class_names, open_source

__all__ = [
    "STREAMS",
    "Batch",
    "Decoded",
    "Source",
    "Stream",
    "class_names",
    "decode",
    "evaluation_arrays",
    "make_stream",
    "normalise",
    "open_source",
    "read_label",
    "steps_per_epoch",
]
