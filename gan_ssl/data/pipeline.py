"""One Grain pipeline for all data: streams of examples in, batches out.

Every example is a function of the seed and its *global* index n alone: batch k of the run holds the examples
k * batch_size to (k + 1) * batch_size - 1, and each process loads its share of every batch. So the numbers of workers
and processes change nothing, and a position is one integer: the global batches consumed.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grain
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from gan_ssl.data import attributes, images, labelled, loading
from gan_ssl.data.source import DOMAINS, Source, open_source
from gan_ssl.errors import ConfigError, DataError

Batch = dict[str, np.ndarray]

# More batches than any run takes.
_ENDLESS = 2**40


class Unpaired:
    """The examples of unpaired training: each domain in an order of its own, shuffled anew every pass."""

    def __init__(self, config: ConfigDict):
        """Opens both domains; raises DataError where they cannot fill a batch."""
        sources = _training_sources(config)
        self._domains = {d: loading.ResizedImages.of(config, sources[d]) for d in DOMAINS}
        self._seed, self._size, self._flip = config.seed, tuple(config.data.image_size), config.data.flip

    def __len__(self) -> int:
        """Returns the images of the larger domain; the smaller one repeats."""
        return max(map(len, self._domains.values()))

    def __call__(self, n: int) -> Batch:
        """Returns example n of the run: {'a': [height, width, 3], 'b': [height, width, 3]}."""
        example = {}
        for number, (domain, domain_images) in enumerate(self._domains.items()):
            image = domain_images[loading.shuffled_index(n, len(domain_images), self._seed, number)]
            bits = loading.random_bits(3, self._seed, loading.AUGMENTATION, number, n)
            example[domain] = loading.augment(image, self._size, self._flip, bits)
        return example


# A stream's name -> what makes, of a config, the function from a global example index to the example; the length of
# the function is the images of a pass.
STREAMS: dict[str, Callable[[ConfigDict], Callable[[int], Batch]]] = {
    "unpaired": Unpaired,
    "labelled": labelled.Labelled,
    "unlabelled": labelled.Unlabelled,
}


class Stream(Iterator[Batch]):
    """An endless iterator over this process's share of the global batches; a context manager that closes itself.

    Attributes:
        position: global batches consumed.
    """

    def __init__(self, dataset: grain.IterDataset, position: int):
        """See `make_stream`."""
        self.position = position
        self._batches = iter(dataset)

    def __next__(self) -> Batch:
        """Returns the next batch; raises DataError where an image has become unreadable."""
        try:
            batch = next(self._batches)
        except DataError as error:  # Grain adds a note to it, and the frames of its threads.
            raise DataError(str(error)) from None
        except RuntimeError as error:
            if "Worker process" not in str(error):
                raise
            raise DataError(
                f"a loader process died ({error}); more shared memory may help, or data.workers=0"
            ) from None
        self.position += 1
        # Workers hand over shared memory, which would leak if it were alive when Python exits.
        return {key: np.array(value, subok=False) for key, value in batch.items()}

    def close(self) -> None:
        """Stops threads and workers; may be called twice."""
        self._batches.close()

    def __enter__(self) -> "Stream":
        """Returns the stream."""
        return self

    def __exit__(self, *_) -> None:
        """Closes the stream."""
        self.close()


def make_stream(
    config: ConfigDict, name: str = "unpaired", position: int = 0, shard: tuple[int, int] | None = None
) -> Stream:
    """Opens a stream of training batches.

    Args:
        config: a validated config.
        name: a key of `STREAMS`.
        position: the global batch to start at.
        shard: (index, count) of the process; None asks JAX.

    Returns:
        An endless stream of dicts. Images are [batch_size / count, height, width, 3] uint8, or uint16 where data.bits
        is 16: `a` and `b` of `unpaired`, `image` of the others. Those also have `target`, the label to translate to,
        and `labelled` has `label`, both [batch_size / count, attributes] float32.

    Raises:
        ConfigError: the processes do not divide the batch.
        DataError: the training images cannot be used or are fewer than a batch.
    """
    index, count = _process() if shard is None else shard
    if config.batch_size % count:
        raise ConfigError(f"config.batch_size is {config.batch_size}; allowed: a multiple of the {count} processes")
    batch_size, local = config.batch_size, config.batch_size // count
    example_fn = STREAMS[name](config)

    def load(local_index: int) -> Batch:
        batch, place = divmod(local_index, local)
        return example_fn(batch * batch_size + index * local + place)

    batches = grain.MapDataset.range(position * local, _ENDLESS * local).map(load).batch(local, drop_remainder=True)
    return Stream(_prefetched(batches, config.data.workers), position)


def examples(config: ConfigDict, stream: str, count: int) -> Batch:
    """Returns the first `count` examples of a stream, stacked, whatever the batches."""
    example_fn = STREAMS[stream](config)
    made = [example_fn(n) for n in range(count)]
    return {key: np.stack([example[key] for example in made]) for key in made[0]}


def steps_per_epoch(config: ConfigDict, streams: Iterable[str] = ("unpaired",)) -> int:
    """Returns the steps of an epoch, one pass over the stream with most images, while all take turns.

    Batches are always full: the last one of a pass holds the first images of the next, and smaller streams, as the
    smaller domain of `unpaired`, repeat.

    Raises:
        DataError: the training images cannot be used, or for `unpaired` are fewer than a batch.
    """
    streams = tuple(dict.fromkeys(streams))
    longest = max(len(STREAMS[name](config)) for name in streams)  # pyright: ignore[reportArgumentType] they have one
    return len(streams) * -(-longest // config.batch_size)


def resolve(config: ConfigDict, streams: Iterable[str]) -> ConfigDict:
    """Fills in what only the data knows: attributes and their groups, the batch of all groups, the steps of epochs.

    Args:
        config: a validated config; it stays as it is.
        streams: names of the streams that training takes from; one may come several times.

    Returns:
        A copy, locked. With labels, `data.attributes` and `data.exclusive` say what a label is without the data, and a
        `batch_size` of 0 has become min(4, label combinations) groups.

    Raises:
        DataError: the training images cannot be used.
    """
    config, streams = config.copy_and_resolve_references().unlock(), tuple(streams)
    if {"labelled", "unlabelled"} & set(streams):
        source = attributes.open_attributes(config, "train")
        config.data.attributes, config.data.exclusive = source.attributes, source.exclusive
        if not config.batch_size:
            combinations = len(np.unique(source.labels[labelled.labelled_subset(config)], axis=0))
            config.batch_size = min(4, max(2, combinations)) * config.data.images_per_group
    if not config.num_steps:
        config.num_steps = config.num_epochs * steps_per_epoch(config, streams)
    return config.lock()


def evaluation_arrays(
    config: ConfigDict, split: str, domain: str, limit: int | None = None, labels: bool = True
) -> dict[str, Any]:
    """Loads a split as it is scored: whole images resized to data.image_size, not cropped and not flipped.

    Args:
        config: a validated config.
        split: 'train', 'validation' or 'test'.
        domain: 'a' or 'b'.
        limit: the most images to load; None or 0 for all.
        labels: whether labels and true translations are wanted, where there are any.

    Returns:
        'image' [n, height, width, 3] uint8 (uint16 where data.bits is 16), 'names', a list of n str, and where the data
        has them 'label' [n, height, width] uint8 class indices and 'truth' like 'image', the same scene in the other
        domain.

    Raises:
        DataError: an image or its label cannot be used; one line with the path.
    """
    source = open_source(config, split, domain, labels)
    size, bits = tuple(config.data.image_size), config.data.bits

    def load(index: int) -> dict[str, Any]:
        example = source[index]
        out = {"names": example["name"]}
        for key in {"image", "truth"} & example.keys():
            out[key] = images.to_bits(images.resize(example[key], size), bits)
        if "label" in example:
            out["label"] = images.resize_label(example["label"], size)
        return out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        examples = list(pool.map(load, range(min(len(source), limit or len(source)))))
    arrays = {key: np.stack([e[key] for e in examples]) for key in examples[0] if key != "names"}
    return {**arrays, "names": [e["names"] for e in examples]}


def _training_sources(config: ConfigDict) -> dict[str, Source]:
    sources = {d: open_source(config, "train", d, labels=False) for d in DOMAINS}
    counts = {d: len(s) for d, s in sources.items()}
    if max(counts.values()) < config.batch_size:
        where = config.data.dir or config.data.dir_a or config.data.name
        raise DataError(
            f"{where}: fewer training images than a batch: {counts['a']} of domain a, {counts['b']} of domain b; "
            f"allowed: a config.batch_size, now {config.batch_size}, of at most {max(counts.values())}"
        )
    return sources


def _process() -> tuple[int, int]:
    import jax

    return jax.process_index(), jax.process_count()


def _prefetched(batches: grain.MapDataset, workers: int) -> grain.IterDataset:
    if not workers:
        threads = min(os.cpu_count() or 1, 8)
        return batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads))
    if not flags.FLAGS.is_parsed():  # Grain's workers ask absl, which notebooks and tests never start.
        flags.FLAGS.mark_as_parsed()
    dataset = batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
    return dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2))
