"""Data sets and the pipeline that feeds training: files in, host batches `dict[str, np.ndarray]` out."""

from gan_ssl.data.attributes import AttributeSource, attribute_arrays, open_attributes
from gan_ssl.data.images import Decoded, decode, normalise, read_label
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.data.labelled import labelled_subset
from gan_ssl.data.pipeline import (
    STREAMS,
    Batch,
    Stream,
    evaluation_arrays,
    examples,
    make_stream,
    resolve,
    steps_per_epoch,
)
from gan_ssl.data.source import Source, class_names, open_source

__all__ = [
    "STREAMS",
    "AttributeSource",
    "Batch",
    "Decoded",
    "LabelSpace",
    "Source",
    "Stream",
    "attribute_arrays",
    "class_names",
    "decode",
    "evaluation_arrays",
    "examples",
    "labelled_subset",
    "make_stream",
    "normalise",
    "open_attributes",
    "open_source",
    "read_label",
    "resolve",
    "steps_per_epoch",
]
