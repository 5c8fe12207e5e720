"""Tests of gan_ssl.data.attributes: each kind of labelled data set, from small files, and what is refused."""

import logging
import pickle
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import data
from gan_ssl.data import attributes, faces, labelled_files
from gan_ssl.errors import ConfigError, DataError

HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")


def save(path, value=0, size=(10, 8), **kwargs):
    """Saves a picture of one value, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path, **kwargs)


def label_config(name, root="", **fields):
    config = configs.base_config()
    with config.unlocked():
        config.method, config.batch_size = "match_gan", 8
        config.data.update({"name": name, "dir": str(root), "image_size": (8, 8), **fields})
    return config


def open_(name, root="", split="train", **fields):
    return data.open_attributes(label_config(name, root, **fields), split)


def refused(*parts, name, **kwargs):
    """Asserts a DataError of one line that holds the parts."""
    with pytest.raises(DataError) as error:
        open_(name, **kwargs)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


def contents(source):
    """Returns {name: (pixel, label)}."""
    images = (source[i] for i in range(len(source)))
    return {
        x["name"]: (int(x["image"][0, 0, 0]), tuple(y)) for x, y in zip(images, source.labels.tolist(), strict=True)
    }


def write_celeba(root, rows, names=(*HAIR, "Male"), folder="img_align_celeba", partition=()):
    """Writes a list of attributes, its images 1.png, 2.png, ... and their partition."""
    lines = [f"{i}.png " + " ".join(map(str, row)) for i, row in enumerate(rows, 1)]
    root.mkdir(exist_ok=True)
    (root / "list_attr_celeba.txt").write_text("\n".join([str(len(rows)), " ".join(names), *lines]) + "\n")
    for i in range(1, len(rows) + 1):
        save(root / folder / f"{i}.png", i)
    if partition:
        text = "".join(f"{i}.png {number}\n" for i, number in enumerate(partition, 1))
        (root / "list_eval_partition.txt").write_text(text)


def hair(i, male=0):
    return [2 * (i == j) - 1 for j in range(3)] + [2 * male - 1]


@pytest.mark.parametrize("folder", ["img_align_celeba", "images", "Img/img_align_celeba", ""])
def test_celeba(tmp_path, folder):
    write_celeba(tmp_path, [hair(0), hair(1, 1), hair(2), hair(-1, 1)], folder=folder, partition=(0, 0, 1, 2))
    train = open_("celeba", tmp_path)
    assert train.attributes == (*HAIR, "Male") and train.exclusive == ()
    assert contents(train) == {"1.png": (1, (1, 0, 0, 0)), "2.png": (2, (0, 1, 0, 1))}
    assert list(contents(open_("celeba", tmp_path, "validation"))) == ["3.png"]
    assert contents(open_("celeba", tmp_path, "test")) == {"4.png": (4, (0, 0, 0, 1))}
    assert contents(pickle.loads(pickle.dumps(train))) == contents(train)
    elsewhere = str(tmp_path / "list_attr_celeba.txt")
    assert contents(open_("celeba", tmp_path, attribute_file=elsewhere)) == contents(train)
    assert contents(open_("celeba", attribute_file=elsewhere)) == contents(train)


def test_celeba_without_a_partition(tmp_path):
    write_celeba(tmp_path, [hair(i % 3) for i in range(25)])
    splits = [set(contents(open_("celeba", tmp_path, s))) for s in ("train", "validation", "test")]
    assert [len(s) for s in splits] == [19, 3, 3] and len(set.union(*splits)) == 25


@given(st.sets(st.text(max_size=3)))
def test_held_out(keys):
    splits = labelled_files.held_out(keys)
    assert splits == labelled_files.held_out(sorted(keys)) and splits.keys() == keys
    counts = [list(splits.values()).count(s) for s in ("train", "validation", "test")]
    tenth = -(-len(keys) // 10)
    assert counts[1:] == [tenth * (len(keys) > 2), tenth * (len(keys) > 1)]


def test_held_out_is_pinned():
    """A change here moves test images into training."""
    splits = labelled_files.held_out(f"{i:02d}" for i in range(1, 68))
    assert sorted(k for k, s in splits.items() if s == "test") == ["03", "07", "39", "49", "51", "55", "65"]
    many = labelled_files.held_out(map(str, range(30_000)))
    assert [list(many.values()).count(s) for s in ("train", "validation", "test")] == [26_000, 2000, 2000]


def test_chosen_attributes(tmp_path):
    write_celeba(tmp_path, [hair(0), hair(1, 1)], partition=(0, 0))
    chosen = open_("celeba", tmp_path, attributes=("Male", *HAIR[:2]), exclusive=(HAIR[:2],))
    assert chosen.attributes == ("Male", *HAIR[:2]) and chosen.exclusive == (HAIR[:2],)
    assert chosen.labels.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert chosen.fingerprint() != open_("celeba", tmp_path).fingerprint()
    assert not hasattr(chosen, "truth")
    assert contents(pickle.loads(pickle.dumps(chosen))) == contents(chosen)
    refused("list_attr_celeba.txt: unknown attribute 'Mle'; did you mean 'Male'?", name="celeba", root=tmp_path,
            attributes=("Mle",))  # fmt: skip
    refused("config.data.exclusive", "did you mean 'Male'?", name="celeba", root=tmp_path, exclusive=(("Mal", "Bald"),))


def test_celeba_with_two_colours_of_hair(tmp_path, caplog):
    """The real list has thousands of such images; nobody can mend them."""
    both = [1, -1, 1, -1]
    write_celeba(tmp_path, [hair(0), both, hair(1), both], partition=(0, 0, 0, 0))
    with caplog.at_level(logging.WARNING):
        source = open_("celeba", tmp_path, exclusive=(HAIR,))
    assert len(source) == 4
    (record,) = caplog.records
    assert "list_attr_celeba.txt:4: Black_Hair and Brown_Hair set" in record.getMessage()
    assert "1 more of 4 images" in record.getMessage()


def write_csv(root, rows, header="image,A,B", suffix=""):
    root.mkdir(exist_ok=True)
    (root / "attributes.csv").write_text("\n".join([header, *rows]) + "\n")
    for i, row in enumerate(rows):
        save(root / (row.split(",")[0].strip() + suffix), i)


def test_csv(tmp_path):
    rows = ["a.png,1,0,train", "sub/b.png,0,1,train", "c.png,1,0,test", "d.png,0,0,val"]
    write_csv(tmp_path / "labels", rows, "image,A,B,split")
    source = open_("csv", tmp_path / "labels")
    assert contents(source) == {"a.png": (0, (1, 0)), "sub/b.png": (1, (0, 1))}
    assert list(contents(open_("csv", tmp_path / "labels", "validation"))) == ["d.png"]
    # Images beside the file, or below data.dir.
    file = str(tmp_path / "labels/attributes.csv")
    assert contents(open_("csv", attribute_file=file)) == contents(source)
    moved = tmp_path / "other.csv"
    (tmp_path / "labels/attributes.csv").rename(moved)
    assert contents(open_("csv", tmp_path / "labels", attribute_file=str(moved))) == contents(source)


def test_csv_refuses_two_of_a_group(tmp_path, caplog):
    write_csv(tmp_path, ["a.png,1,0,train", "b.png,1,1,train"], "image,A,B,split")
    group = {"exclusive": (("A", "B"),)}
    refused("attributes.csv:3: A and B set in one image; allowed: one of A, B", name="csv", root=tmp_path, **group)
    assert open_("csv", tmp_path, skip_corrupt=True, **group).labels.tolist() == [[1, 0], [1, 1]]
    assert "attributes.csv:3: A and B set" in caplog.text


def test_csv_without_a_wanted_split(tmp_path):
    write_csv(tmp_path, ["a.png,1,0,train"], "image,A,B,split")
    refused("attributes.csv: no validation image; the file has: train", name="csv", root=tmp_path, split="validation")


def test_listed_but_missing(tmp_path, caplog):
    write_csv(tmp_path, ["a.png,1,0,train", "b.png,1,1,train", "c.png,0,1,train"], "image,A,B,split")
    (tmp_path / "b.png").unlink()
    refused(f"attributes.csv:3: b.png is listed, but missing in {tmp_path} (", name="csv", root=tmp_path)
    (tmp_path / "c.png").unlink()
    refused("attributes.csv:3: b.png is listed, ", ", and 1 more (", name="csv", root=tmp_path)
    assert list(contents(open_("csv", tmp_path, skip_corrupt=True))) == ["a.png"]
    assert "skipped 2 of 3 listed images, the first: " in caplog.text and "attributes.csv:3" in caplog.text
    (tmp_path / "a.png").unlink()
    refused("attributes.csv:2: a.png is listed, but missing", name="csv", root=tmp_path, skip_corrupt=True)


def test_present_but_unlisted(tmp_path, caplog):
    write_csv(tmp_path, ["a.png,1,0,train", "b.png,1,1,test"], "image,A,B,split")
    save(tmp_path / "deep/c.png")
    with caplog.at_level(logging.INFO, logger="absl"):
        assert list(contents(open_("csv", tmp_path))) == ["a.png"]
    assert f"{tmp_path}: 1 images that {tmp_path}/attributes.csv does not list are not used" in caplog.text


def test_accents_are_the_same_composed_and_not(tmp_path):
    write_csv(tmp_path, [unicodedata.normalize("NFD", "été.png") + ",1,0,train"], "image,A,B,split")
    text = (tmp_path / "attributes.csv").read_text()
    (tmp_path / "attributes.csv").write_text(unicodedata.normalize("NFC", text))
    assert open_("csv", tmp_path)[0]["image"].shape == (10, 8, 3)


def test_unreadable_images(tmp_path, caplog):
    write_csv(tmp_path, ["a.png,1,0,train", "b.png,1,1,train", "c.png,0,1,train"], "image,A,B,split")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    refused(tmp_path / "b.png", "skip_corrupt", name="csv", root=tmp_path)
    source = open_("csv", tmp_path, skip_corrupt=True)
    assert contents(source) == {"a.png": (0, (1, 0)), "c.png": (2, (0, 1))}
    assert source.where(1).endswith("attributes.csv:4")
    assert "skipped 1 of 3" in caplog.text


def test_classes_with_splits(tmp_path):
    for split, classes in {"train": ("sad", "joyeux été"), "test": ("joyeux été",), "val": ("sad",)}.items():
        for c in classes:
            save(tmp_path / split / c / "x.png", 1)
            save(tmp_path / split / c / "deep/2.png", 2)
    (tmp_path / "train/.cache").mkdir()
    source = open_("classes", tmp_path)
    assert source.attributes == ("joyeux été", "sad") and source.exclusive == (source.attributes,)
    assert contents(source) == {
        "joyeux été/deep/2.png": (2, (1, 0)),
        "joyeux été/x.png": (1, (1, 0)),
        "sad/deep/2.png": (2, (0, 1)),
        "sad/x.png": (1, (0, 1)),
    }
    assert open_("classes", tmp_path, "test").labels.tolist() == [[1, 0]] * 2
    assert open_("classes", tmp_path, "validation").labels.tolist() == [[0, 1]] * 2
    save(tmp_path / "test/strange/x.png")
    refused("test/strange: no class of ", name="classes", root=tmp_path, split="test")


def test_classes_without_splits(tmp_path):
    for i in range(12):
        save(tmp_path / f"a/{i}.png", i)
        save(tmp_path / f"b/{i}.png", 100 + i)
    found = {s: contents(open_("classes", tmp_path, s)) for s in ("train", "validation", "test")}
    assert [len(c) for c in found.values()] == [16, 4, 4] and len(
        found["train"] | found["validation"] | found["test"]
    ) == 24
    for split in found.values():
        assert sum(label == (1, 0) for _, label in split.values()) == len(split) / 2
        assert all((label == (0, 1)) == (pixel >= 100) for pixel, label in split.values())


def test_some_classes(tmp_path):
    for c in "abc":
        save(tmp_path / "train" / c / "x.png")
    source = open_("classes", tmp_path, attributes=("c", "a"))
    assert source.exclusive == (("a", "c"),) and source.labels.tolist() == [[0, 1], [0, 0], [1, 0]]


def test_faults_of_classes(tmp_path):
    refused("config.data.dir is ''", name="classes")
    refused("no such folder", name="classes", root=tmp_path / "no")
    refused(f"{tmp_path}: no folder of a class", name="classes", root=tmp_path)
    (tmp_path / "a").mkdir()
    refused(f"{tmp_path}: no train image", name="classes", root=tmp_path)
    save(tmp_path / "train/a/1.png")
    refused(tmp_path / "test", "no such folder", name="classes", root=tmp_path, split="test")


def test_rafd(tmp_path, caplog):
    emotions = ("happy", "sad", "angry")
    for identity in range(1, 13):
        for emotion in emotions:
            save(tmp_path / f"Rafd090_{identity:02d}_Caucasian_female_{emotion}_frontal.jpg", identity)
        save(tmp_path / f"Rafd045_{identity:02d}_Moroccan_male_sad_left.jpg", identity)
    save(tmp_path / "Rafd090_01_Caucasian_female_bored_frontal.jpg")
    save(tmp_path / "holiday.jpg")
    with caplog.at_level(logging.INFO, logger="absl"):
        found = {s: contents(open_("rafd", tmp_path, s)) for s in ("train", "validation", "test")}
    assert "2 of 50 images not named as RaFD's and left out, the first: " in caplog.text
    assert "36 of 50 images are frontal, 24 of them train" in caplog.text
    assert [len(c) for c in found.values()] == [24, 6, 6]
    identities = [{name[8:10] for name in c} for c in found.values()]
    assert not identities[0] & identities[1] and not identities[2] & (identities[0] | identities[1])
    source = open_("rafd", tmp_path)
    assert source.exclusive == (labelled_files.EMOTIONS,) and len(source.attributes) == 8
    for name, (_, label) in found["train"].items():
        assert source.attributes[label.index(1)] in name and sum(label) == 1
    refused("no frontal train image; allowed: Rafd090_IDENTITY", name="rafd", root=make(tmp_path / "empty"))


def make(folder):
    folder.mkdir()
    return folder


def test_names_without_labels():
    for name in ("scenes", "folder"):
        with pytest.raises(ConfigError, match=f"config.data.name is '{name}'; allowed .* faces, celeba, rafd, classes"):
            open_(name)


def test_label_space(tmp_path):
    write_celeba(tmp_path, [hair(0)], partition=(0,))
    assert attributes.label_space(label_config("celeba", tmp_path)).attributes == (*HAIR, "Male")
    # What the config says in full needs no data.
    space = attributes.label_space(label_config("celeba", "/no", attributes=HAIR))
    assert space == data.LabelSpace(HAIR)
    assert attributes.label_space(label_config("rafd", "/no", attributes=HAIR, exclusive=(HAIR,))).is_single


def test_fingerprint(tmp_path):
    write_csv(tmp_path, ["a.png,1,0,train", "b.png,1,1,train"], "image,A,B,split")
    first = open_("csv", tmp_path).fingerprint()
    assert open_("csv", tmp_path).fingerprint() == first
    text = (tmp_path / "attributes.csv").read_text()
    (tmp_path / "attributes.csv").write_text(text.replace("1,1", "1,0"))
    assert open_("csv", tmp_path).fingerprint() != first
    (tmp_path / "attributes.csv").write_text(text)
    save(tmp_path / "a.png", 77)
    assert open_("csv", tmp_path).fingerprint() != first


def test_attribute_arrays(tmp_path):
    """The crop comes before the resizing, EXIF rotation before both; 16 bits are scaled by their range."""
    write_csv(tmp_path, ["a.png,1,0,test", "b.jpg,1,1,test", "c.png,0,1,test"], "image,A,B,split")
    columns = np.tile(np.arange(20, dtype=np.uint8) * 10, (12, 1))
    Image.fromarray(columns).save(tmp_path / "a.png")
    turned = np.zeros((20, 40, 3), np.uint8)
    turned[:, :20, 0] = turned[:, 20:, 2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(turned).save(tmp_path / "b.jpg", exif=exif, quality=100, subsampling=0)
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint16) * 1024, (64, 1))).save(tmp_path / "c.png")
    arrays = data.attribute_arrays(label_config("csv", tmp_path, center_crop=8), "test")
    assert arrays["names"] == ["a.png", "b.jpg", "c.png"] and arrays["label"].tolist() == [[1, 0], [1, 1], [0, 1]]
    assert arrays["image"].shape == (3, 8, 8, 3) and arrays["image"].dtype == np.uint8
    np.testing.assert_array_equal(arrays["image"][0, ..., 1], columns[:8, 6:14])
    top, bottom = arrays["image"][1, 0, 4], arrays["image"][1, -1, 4]
    assert top[0] > 200 > 50 > top[2] and bottom[2] > 200 > 50 > bottom[0]
    np.testing.assert_array_equal(arrays["image"][2, 0, :, 0], np.round(np.arange(28, 36) * 1024 / 257))
    # A crop that is larger than the image takes its shorter side.
    large = data.attribute_arrays(label_config("csv", tmp_path, center_crop=500, image_size=(12, 12)), "test", limit=1)
    np.testing.assert_array_equal(large["image"][0, ..., 0], columns[:, 4:16])


def test_faces(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "EXAMPLES", dict.fromkeys(faces.EXAMPLES, 3))
    config = label_config("faces", tmp_path, image_size=(32, 32))
    source = data.open_attributes(config, "test")
    assert source.attributes == (*HAIR, "Smiling", "Eyeglasses") and source.exclusive == (HAIR,)
    arrays = data.attribute_arrays(config, "test", limit=3)
    np.testing.assert_array_equal(arrays["label"], source.labels[:3])
    np.testing.assert_array_equal(source.truth(2, source.labels[2]), arrays["image"][2])
    with config.unlocked():
        config.data.attributes = ("Smiling", "Black_Hair")
    chosen = data.open_attributes(config, "test")
    assert chosen.exclusive == ()
    np.testing.assert_array_equal(chosen.truth(2, chosen.labels[2]), arrays["image"][2])
    edited = [1 - chosen.labels[2][0], chosen.labels[2][1]]
    expected = source.labels[2].copy()
    expected[3] = edited[0]
    np.testing.assert_array_equal(chosen.truth(2, edited), source.truth(2, expected))
