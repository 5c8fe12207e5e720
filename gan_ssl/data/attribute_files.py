"""Files that list images with their attributes: CelebA's list, its partition, and CSV."""

import csv
import dataclasses
import functools
import io
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from gan_ssl.data import images
from gan_ssl.data.regular_files import open_regular
from gan_ssl.errors import DataError

# What a value may be, and what stands for it in memory.
_CODES = {"-1": 0, "0": 1, "1": 2}
# What a CSV's column `split` may say.
_SPLITS = {name: name for name in ("train", "validation", "test")} | {"val": "validation", "valid": "validation"}
# CelebA's numbers.
_PARTITIONS = {"0": "train", "1": "validation", "2": "test"}


@dataclasses.dataclass(frozen=True)
class AttributeTable:
    """The images that a file lists.

    Attributes:
        path: the file.
        attributes: names of the columns.
        names: the images as the file names them.
        labels: [images, attributes] uint8 0 or 1.
        lines: the line that each image stands in.
        splits: the split of each image, where the file says so.
    """

    path: str
    attributes: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    lines: tuple[int, ...]
    splits: tuple[str, ...] | None = None


@dataclasses.dataclass
class _Row:
    line: int
    name: str
    values: list[str]
    split: str = ""


def read_table(path: str, form: str = "") -> AttributeTable:
    """Reads a file of the form csv or list, by default what its ending says; one that has not changed is read once."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a NUL, or what cannot be encoded
        raise DataError(f"{path}: no name of a file ({error})") from None
    form = form or ("csv" if path.lower().endswith(".csv") else "list")
    return _read(path, form, stat.st_size, stat.st_mtime_ns)


def read_list(path: str) -> AttributeTable:
    """Reads CelebA's form: the number of images (may be missing), the attributes, and a line an image.

    Values are -1 and 1, or 0 and 1, the same throughout. Line ends, a byte order mark, blank lines and the number of
    spaces do not matter.

    Raises:
        DataError: the file cannot be read, its count is wrong, or a line is not as it should be; one line with file
            and line.
    """
    lines = [(i, line.strip()) for i, line in enumerate(_read_text(path).split("\n"), 1) if line.strip()]
    count = lines.pop(0)[1] if lines and lines[0][1].isdecimal() else None
    if not lines:
        raise DataError(f"{path}: no line with the names of the attributes")
    head, text = lines.pop(0)
    attributes = text.split()
    if all(value in _CODES for value in attributes[1:]) and len(attributes) > 1:
        raise DataError(f"{path}:{head}: values, where the names of the attributes should stand: {text[:40]!r}")
    _check_names(path, head, attributes)
    table = _table(path, attributes, _list_rows(path, lines, len(attributes)), range(1, len(attributes) + 1))
    listed = len(table.names)
    # Python turns no more than 4,300 digits into a number.
    if count is not None and (len(count) > 18 or int(count) != listed):
        raise DataError(
            f"{path}: the first line says {count[:18]} images, {listed} are listed; allowed: the same number"
        )
    return table


def read_csv(path: str) -> AttributeTable:
    """Reads a CSV: a header, then a row an image: its file and one value an attribute, -1 and 1 or 0 and 1 throughout.

    A column `split` says train, validation (or val) or test. The separator is the header's: comma, semicolon or tab.
    Line ends, a byte order mark, blank lines and spaces around values do not matter.

    Raises:
        DataError: the file cannot be read, or a line is not as it should be; one line with file and line.
    """
    text = _read_text(path)
    first = next((line for line in text.split("\n") if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    table = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                table.append((reader.line_num, cells))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from None
    if not table:
        raise DataError(f"{path}: empty; allowed: a header with the names of the attributes, then a row an image")
    (head, header), *body = table
    columns = [i for i, name in enumerate(header) if i and name.lower() != "split"]
    split_columns = [i for i in range(1, len(header)) if i not in columns]
    attributes = [header[i] for i in columns]
    _check_names(path, head, attributes)
    rows = _csv_rows(path, body, len(header), columns, split_columns)
    return _table(path, attributes, rows, columns)


def read_partition(path: str) -> dict[str, str]:
    """Reads CelebA's list_eval_partition: the split of each image, which is 0 (train), 1 (validation) or 2 (test).

    Raises:
        DataError: the file cannot be read or a line is not as it should be; one line with file and line.
    """
    splits = {}
    for line, text in enumerate(_read_text(path).split("\n"), 1):
        name, _, number = text.replace(",", " ").strip().rpartition(" ")
        if number in _PARTITIONS and name:
            splits[name.strip()] = _PARTITIONS[number]
        elif text.strip() and line > 1:  # the first line may be a header
            raise DataError(f"{path}:{line}: {text.strip()[:40]!r}; allowed: an image and 0, 1 or 2")
    return splits


@functools.lru_cache(maxsize=4)
def _read(path: str, form: str, size: int, time: int) -> AttributeTable:
    del size, time  # what a changed file differs in
    return read_csv(path) if form == "csv" else read_list(path)


def _read_text(path: str) -> str:
    """Returns the text with line feeds for line ends and without a byte order mark."""
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; allowed: a text file in UTF-8") from None


def _check_names(path: str, line: int, attributes: list[str]) -> None:
    if not attributes:
        raise DataError(f"{path}:{line}: no attribute; allowed: different names")
    seen: set[str] = set()
    for name in attributes:
        if not name or not name.isprintable():
            what = f"an attribute {name!r} that cannot be printed" if name else "an attribute without a name"
            raise DataError(f"{path}:{line}: {what}; allowed: different names")
        if name in seen:
            raise DataError(f"{path}:{line}: attribute {name!r} twice; allowed: different names")
        seen.add(name)


def _list_rows(path: str, lines: Iterable[tuple[int, str]], count: int) -> Iterator[_Row]:
    for line, text in lines:
        name, *values = text.rsplit(None, count)
        # A name with spaces ends like an image; what is left of too many values does not.
        if len(values) != count or (" " in name and not name.lower().endswith(images.EXTENSIONS)):
            found = len(text.split()) - 1
            raise DataError(f"{path}:{line}: {found} values; allowed: one for each of {count} attributes")
        yield _Row(line, name, values)


def _csv_rows(
    path: str,
    body: Iterable[tuple[int, list[str]]],
    width: int,
    columns: Sequence[int],
    split_columns: Sequence[int],
) -> Iterator[_Row]:
    for line, cells in body:
        if len(cells) != width:
            raise DataError(f"{path}:{line}: {len(cells)} columns; allowed: {width}, as the header has")
        row = _Row(line, cells[0], [cells[i] for i in columns])
        for i in split_columns[:1]:
            if cells[i].lower() not in _SPLITS:
                raise DataError(f"{path}:{line}: split is {cells[i]!r}; allowed: {', '.join(_SPLITS)}")
            row.split = _SPLITS[cells[i].lower()]
        yield row


def _table(path: str, attributes: list[str], rows: Iterable[_Row], columns: Sequence[int]) -> AttributeTable:
    """Turns rows of text into a table; raises DataError at the first that is not 0/1 or -1/1 as the others are."""
    lines: dict[str, int] = {}
    codes, splits = bytearray(), []
    for row in rows:
        if row.name in lines:
            raise DataError(f"{path}:{row.line}: {row.name} again, after line {lines[row.name]}; allowed: once")
        lines[row.name] = row.line
        splits.append(row.split)
        try:
            codes.extend(map(_CODES.__getitem__, row.values))
        except KeyError:
            i = next(i for i, value in enumerate(row.values) if value not in _CODES)
            cell = f"{path}:{row.line}: {attributes[i]} (column {columns[i] + 1})"
            raise DataError(f"{cell} is {row.values[i]!r}; allowed: -1 and 1, or 0 and 1") from None
    values = np.frombuffer(codes, np.uint8).reshape(-1, len(attributes)).astype(np.int8) - 1
    names, numbers = tuple(lines), tuple(lines.values())
    negative = np.argwhere(values < 1)
    first = values[tuple(negative[0])] if len(negative) else 0
    others = negative[values[tuple(negative.T)] != first]
    if len(others):
        at, i = others[0]
        raise DataError(
            f"{path}:{numbers[at]}: {attributes[i]} (column {columns[i] + 1}) is {values[at, i]}, where line "
            f"{numbers[negative[0][0]]} has {first}; allowed: -1 and 1, or 0 and 1, throughout the file"
        )
    labels = (values > 0).astype(np.uint8)
    return AttributeTable(path, tuple(attributes), names, labels, numbers, tuple(splits) if any(splits) else None)
