"""The two streams of training with few labels, and which images' labels those are."""

import math

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from gan_ssl.data import loading
from gan_ssl.data.attributes import AttributeSource, open_attributes
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.data.labelled_files import tell_once
from gan_ssl.data.loading import AUGMENTATION, GROUPS, SUBSET, TARGETS, random_bits, random_order, shuffled_index
from gan_ssl.errors import DataError

# Numbers of the streams, in the random bits; 0 and 1 are the domains of unpaired training.
_UNLABELLED, _LABELLED = 2, 3


class Labelled:
    """Groups of images with equal labels, different ones in a batch, each with a label to translate to.

    Label combinations come equally often, however many images each has: in a block of batches, each is drawn as often
    as the others.

    Attributes:
        labels: [combinations, attributes] uint8, those that occur, sorted.
    """

    def __init__(self, config: ConfigDict):
        """Opens the training images; raises DataError where there is nothing to tell apart."""
        source = open_attributes(config, "train")
        chosen = _labelled_subset(config, source)
        self.labels, of_image = np.unique(source.labels[chosen], axis=0, return_inverse=True)
        space = LabelSpace(source.attributes, source.exclusive)
        if len(self.labels) < 2:
            raise DataError(
                f"{_title(config)}: the labels of all {len(chosen)} labelled images are the same, "
                f"{space.describe(self.labels[0])}; allowed: at least two label combinations, so raise "
                "data.labelled_count or data.labelled_fraction"
            )
        self._members = [chosen[of_image.ravel() == c] for c in range(len(self.labels))]
        self._images = loading.ResizedImages.of(config, source, config.data.center_crop)  # pyright: ignore[reportArgumentType] it asks for images alone
        self._draws = _Draws(config, _LABELLED)
        self._targets = _Targets(config, _LABELLED, self.labels)
        _tell_counts(config, source, chosen)
        _warn_of_small(config, self._members)

    def __len__(self) -> int:
        """Returns the number of labelled images."""
        return sum(map(len, self._members))

    def __call__(self, n: int) -> dict[str, np.ndarray]:
        """Returns example n: 'image' [height, width, 3], 'label' and 'target' [attributes] float32."""
        combination, number = self._draws.member(n, len(self.labels))
        members = self._members[combination]
        index = members[shuffled_index(number, len(members), self._draws.seed, _LABELLED, combination)]
        return {
            "image": self._draws.augmented(self._images[index], n),
            "label": self.labels[combination].astype(np.float32),
            "target": self._targets(n),
        }


class Unlabelled:
    """All other training images, shuffled anew every pass, each with a label to translate to."""

    def __init__(self, config: ConfigDict):
        """Opens the training images; raises DataError where all of them are labelled."""
        source = open_attributes(config, "train")
        chosen = _labelled_subset(config, source)
        self._indices = np.setdiff1d(np.arange(len(source)), chosen)
        if not len(self._indices):
            raise DataError(
                f"{_title(config)}: all {len(source)} training images are labelled; allowed: fewer, by "
                "config.data.labelled_fraction or labelled_count, or config.data.unlabelled=False"
            )
        self._images = loading.ResizedImages.of(config, source, config.data.center_crop)  # pyright: ignore[reportArgumentType] as above
        self._draws = _Draws(config, _UNLABELLED)
        self._targets = _Targets(config, _UNLABELLED, np.unique(source.labels[chosen], axis=0))

    def __len__(self) -> int:
        """Returns the number of unlabelled images."""
        return len(self._indices)

    def __call__(self, n: int) -> dict[str, np.ndarray]:
        """Returns example n: 'image' [height, width, 3] and 'target' [attributes] float32."""
        index = self._indices[shuffled_index(n, len(self._indices), self._draws.seed, _UNLABELLED)]
        return {"image": self._draws.augmented(self._images[index], n), "target": self._targets(n)}


def labelled_subset(config: ConfigDict) -> np.ndarray:
    """Returns the sorted indices of the training images whose labels are used.

    They are taken in rounds: each takes one image of every label combination that still has one. Order and choice come
    from the seed alone, so that a larger subset contains a smaller one. Images whose label makes no sense, with none of
    an exclusive group, are never among them.

    Raises:
        DataError: no image has a label that makes sense, or fewer have than data.labelled_count.
    """
    return _labelled_subset(config, open_attributes(config, "train"))


def choose_balanced(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns the places of `count` of [n, attributes] labels, sorted; see `labelled_subset`."""
    order = random_order(len(labels), seed, SUBSET)
    _, combination = np.unique(labels[order], axis=0, return_inverse=True)
    combination = combination.ravel()
    rounds = np.empty(len(labels), int)
    by_combination = np.argsort(combination, kind="stable")
    sizes = np.bincount(combination)
    rounds[by_combination] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[np.argsort(rounds, kind="stable")[:count]])


class _Draws:
    """What is drawn for an example, but for its target, as a function of the seed and the example's number."""

    def __init__(self, config: ConfigDict, stream: int):
        self.seed, self._stream = config.seed, stream
        self._batch_size, self._each = config.batch_size, config.data.images_per_group
        self._size, self._flip = tuple(config.data.image_size), config.data.flip

    def augmented(self, image: np.ndarray, n: int) -> np.ndarray:
        """Crops and flips the image of example n."""
        bits = random_bits(3, self.seed, AUGMENTATION, self._stream, n)
        return loading.augment(image, self._size, self._flip, bits)

    def member(self, n: int, combinations: int) -> tuple[int, int]:
        """Returns the combination of example n, and how many images of it came before this one.

        A block is the fewest batches that show each combination equally often. It takes them in turn, in an order of
        its own: as any run of them holds each once, the groups of a batch differ.
        """
        batch, place = divmod(n, self._batch_size)
        groups = self._batch_size // self._each
        group, within = divmod(place, self._each)
        shown = math.lcm(groups, combinations)
        block, slot = divmod(batch * groups, shown)
        slot += int(random_order(groups, self.seed, GROUPS, self._stream, batch)[group])
        turn, at = divmod(slot, combinations)
        # The order of a block has one number more than that of a batch.
        combination = int(random_order(combinations, self.seed, GROUPS, self._stream, block, 1)[at])
        return combination, (block * (shown // combinations) + turn) * self._each + within


class _Targets:
    """The labels to translate to: different ones in a batch, interleaved, so that equal ones meet different sources."""

    def __init__(self, config: ConfigDict, stream: int, labels: np.ndarray):
        self._seed, self._stream, self._batch_size = config.seed, stream, config.batch_size
        self._groups, self._labels = config.batch_size // config.data.images_per_group, labels.astype(np.float32)

    def __call__(self, n: int) -> np.ndarray:
        batch, place = divmod(n, self._batch_size)
        drawn = random_order(len(self._labels), self._seed, TARGETS, self._stream, batch)
        return self._labels[drawn[place % self._groups % len(drawn)]]


def _labelled_subset(config: ConfigDict, source: AttributeSource) -> np.ndarray:
    space, data = LabelSpace(source.attributes, source.exclusive), config.data
    usable = np.flatnonzero(space.allows(source.labels))
    if not len(usable):
        groups = " and ".join("one of " + ", ".join(group) for group in space.exclusive)
        raise DataError(f"{_title(config)}: no labelled image among {len(source)}; allowed: exactly {groups} in some")
    if data.labelled_count > len(usable):
        raise DataError(
            f"config.data.labelled_count is {data.labelled_count}; allowed: at most {len(usable)}, the training images "
            f"of {_title(config)} whose labels make sense"
        )
    count = data.labelled_count or max(1, round(data.labelled_fraction * len(usable)))
    return usable[choose_balanced(source.labels[usable], count, config.seed)]


def _title(config: ConfigDict) -> str:
    return config.data.attribute_file or config.data.dir or config.data.name


def _tell_counts(config: ConfigDict, source: AttributeSource, chosen: np.ndarray) -> None:
    """Logs how often each attribute is set, and warns of one that says nothing."""
    title, all_set, used = _title(config), source.labels.sum(0), source.labels[chosen].sum(0)
    counts = [f"{name} {n} ({m})" for name, n, m in zip(source.attributes, all_set, used, strict=True)]
    of = f"attributes of {len(source)} training images ({len(chosen)} labelled)"
    tell_once(logging.INFO, f"{title}: {of}: {', '.join(counts)}")
    unusable = len(source) - int(LabelSpace(source.attributes, source.exclusive).allows(source.labels).sum())
    if unusable:
        groups = "; ".join(", ".join(group) for group in source.exclusive)
        tell_once(logging.INFO, f"{title}: {unusable} images without exactly one of {groups}: used without labels")
    for name, n in zip(source.attributes, used, strict=True):
        if n in (0, len(chosen)):
            how = "never" if n == 0 else "always"
            what = f"{name} is {how} set in the {len(chosen)} labelled images, so it cannot be learnt"
            tell_once(logging.WARNING, f"{title}: {what}")


def _warn_of_small(config: ConfigDict, members: list[np.ndarray]) -> None:
    """Warns of combinations whose images repeat within a batch."""
    each, sizes = config.data.images_per_group, [len(m) for m in members]
    small = sum(size < each for size in sizes)
    if small:
        tell_once(
            logging.WARNING,
            f"{_title(config)}: {small} of {len(sizes)} label combinations have fewer labelled images than "
            f"data.images_per_group = {each}, the smallest {min(sizes)}: they repeat within a batch",
        )
