"""MatchGAN's generator on pictures of any size: translate to labels, or edit some and keep the others."""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from gan_ssl import errors, methods, plots
from gan_ssl.data import loading
from gan_ssl.data.images import normalise
from gan_ssl.data.label_space import LabelSpace
from gan_ssl.inference.any_size import AnySize, Pictures, SameForm, as_list, fill, in_form_of
from gan_ssl.training import compilation
from gan_ssl.training.checkpoints import Loaded

Changes = Mapping[str, int]


class Editor(AnySize):
    """Edits the attributes of pictures; see `AnySize`.

    Attributes:
        label_space: names and exclusive groups of the labels.
    """

    OPTIONS = ("set", "grid")

    def __init__(self, loaded: Loaded, multiple: int = 32, batch_size: int | None = None):
        """Wraps a checkpoint; see `load`."""
        super().__init__(loaded, multiple, batch_size)
        method = methods.get(loaded.config.method)
        self.label_space: LabelSpace = method.label_space(loaded.config)
        self._discriminator = jax.device_put(loaded.params["discriminator"])
        # A head of zeros is one that `convert` made for lack of a file.
        self._reads = bool(np.any(loaded.params["discriminator"]["label"]["kernel"]))
        net, space = method.create_networks(loaded.config).discriminator, self.label_space
        self._read_fn = compilation.jit(
            lambda params, x: method.read_labels(net.apply({"params": params}, x)[1], space)
        )

    def translate(self, images: SameForm, labels: Sequence | np.ndarray) -> SameForm:
        """Translates pictures to labels.

        Args:
            images: one picture `[height, width, 3]` or, if grey, `[height, width]`; a batch `[n, height, width, 3]`; or
                a list of pictures of any sizes. uint8 or uint16.
            labels: `[n, num_labels]` 0 or 1, a row a picture, or one label `[num_labels]` for all; arrays or lists.

        Returns:
            What went in, translated: an array, or a list for a list; the type and size of each input, always RGB.

        Raises:
            DataError: an array of another shape or type, or a label that no picture can have.
        """
        pictures = as_list(images)
        rows = self._rows(labels, len(pictures)).astype(np.float32)
        return in_form_of(images, self._translate(pictures, rows))

    def edit(self, images: SameForm, changes: Changes, labels: Sequence | None = None) -> SameForm:
        """Sets or clears some attributes and keeps the others.

        Args:
            images: as for `translate`.
            changes: 1 or 0 by attribute, `{'Blond_Hair': 1, 'Smiling': 0}`; setting one of an exclusive group clears
                its others.
            labels: what the pictures have, as for `translate`; None reads it.

        Returns:
            As `translate`.

        Raises:
            DataError: as `translate`; an attribute that does not exist, with the nearest that does; a value that is
                neither 0 nor 1; a group that would be left without a member.
        """
        pictures = as_list(images)
        return self.translate(images, self._edited(pictures, changes, labels))

    def edits(self, image: np.ndarray, changes: Changes | None = None, label: Sequence | None = None) -> dict:
        """Translates one picture to all labels that differ from its own in one attribute or group.

        Args:
            image: `[height, width, 3]` or, if grey, `[height, width]`; uint8 or uint16.
            changes: made to the label first.
            label: what the picture has, `[num_labels]`; None reads it.

        Returns:
            Pictures `[height, width, 3]` by caption, the picture itself first.

        Raises:
            DataError: as `edit`.
        """
        (picture,) = as_list(image)
        captions, labels = zip(*self.label_space.edits(self._edited([picture], changes or {}, label)[0]), strict=True)
        translated = self.translate([picture] * len(labels), np.stack(labels))
        return {"input": picture} | dict(zip(captions, translated, strict=True))

    def read_labels(self, images: Pictures) -> np.ndarray:
        """Reads labels by the discriminator's head, from pictures cropped and resized as for training.

        Args:
            images: as for `translate`.

        Returns:
            `[n, num_labels]` uint8, also for one picture: the likeliest of each exclusive group, and those of the other
            attributes that are likelier than not.

        Raises:
            DataError: an array of another shape or type, or a discriminator that was never trained.
        """
        if not self._reads:
            raise errors.DataError(
                "this run's discriminator reads no labels, for its weights came without one; allowed: edits that set "
                f"every attribute, {', '.join(self.label_space.attributes)}"
            )
        pictures = [self._for_reading(image) for image in as_list(images)]
        rows = [np.zeros((0, len(self.label_space.attributes)), np.uint8)]
        for start in range(0, len(pictures), self.batch_size):
            chosen = np.stack(pictures[start : start + self.batch_size])
            read = self._read_fn(self._discriminator, fill(chosen, self.batch_size))
            rows.append(np.asarray(read).astype(np.uint8)[: len(chosen)])
        return np.concatenate(rows)

    def with_options(
        self, set: Sequence[str] = (), grid: bool = False
    ) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        """Returns a function with these options of the launcher, checked: pictures to edited ones, or to grids.

        Args:
            set: changes as text, `Blond_Hair=1`.
            grid: whether the function makes a sheet of all single edits a picture.

        Raises:
            DataError: as `edit`; a change that is no `Name=0` or `Name=1`, or there is nothing to do.
        """
        if not set and not grid:
            names = ", ".join(self.label_space.attributes)
            raise errors.DataError(f"--set=NAME=0 or 1, or --grid, says what to edit; allowed names: {names}")
        changes = parse_changes(set)
        self._check_changes(changes)
        if not grid:
            return functools.partial(self.edit, changes=changes)
        sheet = lambda edits: plots.image_grid({caption: picture[None] for caption, picture in edits.items()})
        return lambda images: [sheet(self.edits(image, changes)) for image in images]

    def _check_changes(self, changes: Changes) -> None:
        """Raises where the changes fail for some label: a group must keep a member, whichever it has now."""
        space = self.label_space
        label = np.zeros(len(space.attributes), np.uint8)
        for group in space.exclusive:
            present = next((name for name in group if changes.get(name) == 0), group[0])
            label[space.place(present)] = 1
        try:
            space.edit(label, changes)
        except errors.DataError as error:
            raise errors.DataError(f"--set: {error}") from None

    def _edited(self, pictures: list[np.ndarray], changes: Changes, labels: Sequence | None) -> np.ndarray:
        """The `[n, num_labels]` labels of pictures after changes."""
        space = self.label_space
        told = {name for name, value in changes.items() if value == 1 or not space.group_of(name)}
        told |= {name for member in told for name in space.group_of(member)}
        if labels is not None:
            rows = self._rows(labels, len(pictures))
        elif told >= set(space.attributes):
            rows = np.zeros((len(pictures), len(space.attributes)), np.uint8)  # nothing is left to read
        else:
            rows = self.read_labels(pictures)
        return space.edit(rows, changes)

    def _rows(self, labels: Sequence | np.ndarray, count: int) -> np.ndarray:
        """Labels as `[count, num_labels]` uint8, checked."""
        given, length = np.asarray(labels), len(self.label_space.attributes)
        if given.shape not in ((length,), (count, length)):
            raise errors.DataError(
                f"labels have shape {given.shape}; allowed: ({length},) or ({count}, {length}), a value for each of "
                f"{', '.join(self.label_space.attributes)}"
            )
        for row in np.unique(given.reshape(-1, length), axis=0):
            self.label_space.check(row)
        return np.broadcast_to(given, (count, length)).astype(np.uint8)

    def _for_reading(self, image: np.ndarray) -> np.ndarray:
        """The picture as the discriminator knows pictures."""
        data = self.config.data
        return normalise(loading.fit(image, tuple(data.image_size), data.bits, data.center_crop))


def parse_changes(assignments: Sequence[str]) -> dict[str, int]:
    """Turns `['Blond_Hair=1', 'Smiling=0']` into `{'Blond_Hair': 1, 'Smiling': 0}`.

    Raises:
        DataError: one is not of that form, or a name is given twice.
    """
    changes: dict[str, int] = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if value not in ("0", "1") or not name:
            raise errors.DataError(f"--set is {assignment!r}; allowed: NAME=0 or NAME=1")
        if name in changes:
            raise errors.DataError(f"--set gives {name} twice; allowed: once")
        changes[name] = int(value)
    return changes
