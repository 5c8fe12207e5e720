"""Tests of gan_ssl.data.attribute_files: every way to write the same list, and the line of every fault."""

import numpy as np
import pytest

from gan_ssl.data import attribute_files
from gan_ssl.errors import DataError

LIST = "3\r\nBlack_Hair Male \r\n1.jpg  1 -1\r\n2.jpg -1  1\r\n3.jpg  1  1\r\n"
CSV = "file,Black_Hair,Male\n1.jpg,1,-1\n2.jpg,-1,1\n3.jpg,1,1\n"


def read(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return attribute_files.read_table(str(path))


def refused(path, text, said):
    with pytest.raises(DataError) as error:
        read(path, text)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message and said in message, message


def assert_read(table):
    assert table.attributes == ("Black_Hair", "Male")
    assert table.names == ("1.jpg", "2.jpg", "3.jpg")
    assert table.labels.dtype == np.uint8 and table.labels.tolist() == [[1, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize(
    "text",
    [
        LIST,
        LIST.replace("\r\n", "\n"),
        LIST.replace("\r\n", "\n\n"),
        LIST.removeprefix("3\r\n"),
        LIST.replace("-1", "0"),
        "\ufeff" + LIST,
        LIST.replace("  ", "\t"),
    ],
)
def test_list(tmp_path, text):
    assert_read(read(tmp_path / "list.txt", text))


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        "\ufeff" + CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\n\n") + "  \n,,\n",
        CSV.replace(",", ",  "),
        CSV.replace(",", " ;"),
        CSV.replace(",", "\t"),
        CSV.replace("-1", "0"),
        CSV.replace("2.jpg", '"2.jpg"'),
    ],
)
def test_csv(tmp_path, text):
    table = read(tmp_path / "a.csv", text)
    assert_read(table)
    assert table.splits is None


def test_csv_splits(tmp_path):
    text = "x,Split,A\n1.jpg,train,1\n2.jpg, val,0\n3.jpg,TEST,1\n4.jpg,validation,0\n"
    table = read(tmp_path / "a.csv", text)
    assert table.splits == ("train", "validation", "test", "validation") and table.attributes == ("A",)
    assert table.lines == (2, 3, 4, 5)
    refused(tmp_path / "b.csv", text.replace("TEST", "tset"), "b.csv:4: split is 'tset'; allowed: train, ")


def test_names_with_spaces_and_accents(tmp_path):
    table = read(tmp_path / "list.txt", "Smiling Male\nmon été.JPG 1 -1\na/b.png -1 1\n")
    assert table.names == ("mon été.JPG", "a/b.png")


@pytest.mark.parametrize(
    "text,said",
    [
        (LIST.replace("3\r\n", "5\r\n", 1), "the first line says 5 images, 3 are listed"),
        (LIST.replace("2.jpg -1  1", "2.jpg -1  2"), ":4: Male (column 3) is '2'; allowed: -1 and 1, or 0 and 1"),
        (LIST.replace("2.jpg -1  1", "2.jpg 0  1"), ":4: Black_Hair (column 2) is 0, where line 3 has -1"),
        (LIST.replace("2.jpg -1  1", "2.jpg -1"), ":4: 1 values; allowed: one for each of 2 attributes"),
        (LIST.replace("2.jpg -1  1", "2.jpg -1 1 1"), ":4: 3 values; allowed: one for each of 2 attributes"),
        (LIST.replace("3.jpg", "1.jpg"), ":5: 1.jpg again, after line 3"),
        (LIST.replace("Black_Hair Male", "Male Male"), ":2: attribute 'Male' twice"),
        (LIST.replace("Black_Hair Male \r\n", ""), ":2: values, where the names of the attributes should stand"),
        ("", "no line with the names of the attributes"),
        ("3\n", "no line with the names of the attributes"),
    ],
)
def test_faults_of_a_list(tmp_path, text, said):
    refused(tmp_path / "list.txt", text, said)


@pytest.mark.parametrize(
    "text,said",
    [
        (CSV.replace("2.jpg,-1,1", "2.jpg,-1"), ":3: 2 columns; allowed: 3, as the header has"),
        (CSV.replace("2.jpg,-1,1", "2.jpg,-1,yes"), ":3: Male (column 3) is 'yes'"),
        (CSV.replace("2.jpg,-1,1", "2.jpg,,1"), ":3: Black_Hair (column 2) is ''"),
        (CSV.replace("2.jpg,-1,1", "2.jpg,0,1"), ":3: Black_Hair (column 2) is 0, where line 2 has -1"),
        ("f,split,A,B\n1.jpg,train,1,-1\n2.jpg,train,1,0\n", ":3: B (column 4) is 0, where line 2 has -1"),
        (CSV.replace("Male", ""), ":1: an attribute without a name"),
        ("file\n1.jpg\n", ":1: no attribute"),
        ("", "empty; allowed: a header"),
    ],
)
def test_faults_of_a_csv(tmp_path, text, said):
    refused(tmp_path / "a.csv", text, said)


def test_files_that_cannot_be_read(tmp_path):
    for name in ("no.csv", "no.txt"):
        with pytest.raises(DataError, match=f"{name}: No such file"):
            attribute_files.read_table(str(tmp_path / name))
    with pytest.raises(DataError, match="byte .* is not UTF-8"):
        read(tmp_path / "a.csv", CSV, "utf-16")


def test_a_changed_file_is_read_again(tmp_path):
    first = read(tmp_path / "list.txt", LIST)
    assert attribute_files.read_table(str(tmp_path / "list.txt")) is first
    assert len(read(tmp_path / "list.txt", LIST.replace("3\r\n", "4\r\n", 1) + "4.jpg 1 1\n").names) == 4


def test_partition(tmp_path):
    path = tmp_path / "list_eval_partition.txt"
    expected = {"1.jpg": "train", "2 b.jpg": "validation", "3.jpg": "test"}
    for text in ("1.jpg 0\r\n2 b.jpg  1\r\n3.jpg 2\r\n", "image_id,partition\n1.jpg,0\n2 b.jpg,1\n\n3.jpg,2\n"):
        path.write_bytes(text.encode())
        assert attribute_files.read_partition(str(path)) == expected
    path.write_text("1.jpg 0\n2.jpg 3\n")
    with pytest.raises(DataError, match="partition.txt:2: '2.jpg 3'; allowed: an image and 0, 1 or 2"):
        attribute_files.read_partition(str(path))
