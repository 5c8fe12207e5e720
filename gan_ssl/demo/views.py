"""What the page shows of a picture: a function a view, pictures by caption, without anything of the page itself."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from gan_ssl import data, errors, inference, plots
from gan_ssl.demo.content import Content, knows_content
from gan_ssl.inference.any_size import AnySize
from gan_ssl.inference.editor import parse_changes
from gan_ssl.inference.translator import DIRECTIONS
from gan_ssl.training import checkpoints

Pictures = dict[str, np.ndarray]  # `[height, width, 3]` uint8 by caption
KEEP = "keep"
_EXAMPLES = 8


class Example(NamedTuple):
    """A picture of the test split.

    Attributes:
        caption: the domain, where there are some.
        picture: `[height, width, 3]` uint8.
        direction: how OP-GAN translates it.
    """

    caption: str
    picture: np.ndarray
    direction: str = ""


class _View:
    """A run, and what is done with a picture before it is shown.

    Attributes:
        translator: the run's.
        title: method and step.
        examples: pictures of the run's test split; none where its data are not there.
    """

    def __init__(self, translator: AnySize, most_side: int = 0):
        config = translator.config
        self.translator: Any = translator  # a Translator or an Editor
        self.title = f"{config.method}, step {translator.step}"
        self._most_side = most_side or max(config.data.image_size)
        try:
            self.examples = self._find_examples(config)
        except errors.GanSslError as error:
            logging.warning("no example pictures: %s", error)
            self.examples = []

    def _find_examples(self, config: ConfigDict) -> list[Example]:
        raise NotImplementedError

    def open(self, path: str | os.PathLike) -> np.ndarray:
        """Reads a picture that somebody brings.

        Args:
            path: the file.

        Returns:
            `[height, width, 3]` uint8; larger ones are made smaller, by default to the size of the training images,
            which is what networks know best.

        Raises:
            DataError: the file is no picture that can be read.
        """
        options = self.translator.config.data
        decoded = data.decode(
            path,
            max_pixels=options.max_pixels,
            intensity_range=tuple(options.intensity_range),
            name=os.path.basename(path),
        )
        return plots.thumbnail(decoded.pixels, self._most_side)


class TranslationView(_View):
    """OP-GAN's translations, what they change, and what the siamese network sees as their content."""

    def __init__(self, translator: inference.Translator, content: Content | None = None, most_side: int = 0):
        """Wraps a translator; `content` is None where the run has no trained siamese network."""
        super().__init__(translator, most_side)
        self._content = content

    def _find_examples(self, config: ConfigDict) -> list[Example]:
        found = []
        for direction in DIRECTIONS:
            images = data.evaluation_arrays(config, "test", direction[0], limit=_EXAMPLES // 2, labels=False)["image"]
            found += [Example(direction[0], picture, direction) for picture in plots.to_uint8(images)]
        return found

    def show(self, picture: np.ndarray, direction: str) -> Pictures:
        """Translates.

        Args:
            picture: `[height, width, 3]` uint8.
            direction: `a2b` or `b2a`.

        Returns:
            The picture, its translation, their difference, and what `Content` draws of both.

        Raises:
            DataError: an unknown direction.
        """
        translation = self.translator.translate(picture, direction)
        apart = np.abs(picture.astype(np.float32) - translation).mean(axis=-1)
        most = max(float(apart.max()), 1.0)
        difference = np.repeat(np.round(apart * (255 / most)).astype(np.uint8)[..., None], 3, axis=-1)
        made = {
            "picture": picture,
            "translation": translation,
            f"difference (white: {most / 255:.0%} of the range)": difference,
        }
        if self._content is not None:
            made |= self._content(picture, translation)
        return made


class EditView(_View):
    """MatchGAN's edits.

    Attributes:
        controls: by title, the answers to choose from, shown text and value; the first keeps what the picture has.
    """

    def __init__(self, translator: inference.Editor, most_side: int = 0):
        """Wraps an editor."""
        super().__init__(translator, most_side)
        space = translator.label_space
        keep = (KEEP, "")
        self.controls: dict[str, list[tuple[str, str]]] = {}
        for name in space.attributes:
            group = space.group_of(name)
            if not group:
                self.controls[_words(name)] = [keep, ("yes", f"{name}=1"), ("no", f"{name}=0")]
            elif name == group[0]:
                title = "One of " + ", ".join(map(_words, group))
                self.controls[title] = [keep, *((_words(member), f"{member}=1") for member in group)]

    def _find_examples(self, config: ConfigDict) -> list[Example]:
        images = data.attribute_arrays(config, "test", limit=_EXAMPLES)["image"]
        return [Example("", picture) for picture in plots.to_uint8(images)]

    def show(self, picture: np.ndarray, answers: Mapping[str, str] | None = None) -> Pictures:
        """Edits.

        Args:
            picture: `[height, width, 3]` uint8.
            answers: a value by title of a control; missing ones keep.

        Returns:
            The picture, with the labels that are read from it, and the edit.

        Raises:
            DataError: no labels can be read and some would be kept.
        """
        space = self.translator.label_space
        changes = parse_changes([answer for answer in (answers or {}).values() if answer])
        edit = self.translator.edit(picture, changes)
        try:
            caption = f"picture, read as {_words(space.describe(self.translator.read_labels(picture)[0]))}"
        except errors.DataError:
            caption = "picture"
        told = ", ".join(name if value else f"no {name}" for name, value in changes.items())
        return {caption: picture, f"edit: {_words(told or 'nothing changed')}": edit}

    def grid(self, picture: np.ndarray) -> Pictures:
        """Makes all edits of one attribute; raises DataError where no labels can be read from the picture."""
        edits = self.translator.edits(picture)
        return {_words(caption): edit for caption, edit in edits.items() if caption != "input"}


def make_view(workdir: str, step: int | None = None, most_side: int = 0) -> TranslationView | EditView:
    """Loads a run for the page.

    Args:
        workdir: of a run; only read.
        step: which checkpoint; None for the newest.
        most_side: pictures are made smaller until no side is longer; 0 is the longer side of the training images.

    Returns:
        The view of the run's method.

    Raises:
        CheckpointError: there is no such checkpoint.
        ConfigError: most_side is negative.
    """
    if most_side < 0:
        raise errors.ConfigError(f"most_side is {most_side}; allowed: pixels, or 0")
    loaded = checkpoints.load(workdir, step)
    translator = inference.make(loaded)
    if isinstance(translator, inference.Editor):
        return EditView(translator, most_side)
    return TranslationView(translator, Content(loaded) if knows_content(loaded) else None, most_side)


def _words(names: str) -> str:
    return names.replace("_", " ")
