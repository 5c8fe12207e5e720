"""What the demo page does with pictures; the page itself is in demo_page_test.py."""

import sys

import numpy as np
import pytest
from PIL import Image

from gan_ssl import data, demo, errors, inference, methods, pretext
from gan_ssl.demo import page
from gan_ssl.demo.content import Content, knows_content
from gan_ssl.losses.self_supervised import place_cosine
from gan_ssl.training import checkpoints
from tests import exported, tiny


@pytest.fixture(scope="module")
def op_gan(tmp_path_factory):
    root = tmp_path_factory.mktemp("op_gan")
    data = tiny.folder(root / "data")
    return exported.workdir(root / "run", tiny.config(data__name="folder", data__dir=data))


@pytest.fixture(scope="module")
def match_gan(tmp_path_factory):
    root = tmp_path_factory.mktemp("match_gan")
    emotions = ("calm", "glad", "stunned")
    config = tiny.faces_config(
        data__name="classes",
        data__dir=tiny.classes(root / "data"),
        data__attributes=emotions,
        data__exclusive=(emotions,),
    )
    return exported.workdir(root / "run", config)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A run whose data cannot be found any more."""
    gone = str(tmp_path_factory.mktemp("gone") / "nothing")
    return exported.workdir(
        tmp_path_factory.mktemp("faces") / "run", tiny.faces_config(data__name="celeba", data__dir=gone)
    )


def _picture(side=24):
    return (exported.pictures("op_gan", 1, side, side)[0] // 257).astype(np.uint8)


def test_a_translation_is_shown_with_what_it_changes(op_gan):
    view, picture = demo.make_view(op_gan), _picture()
    shown = view.show(picture, "b2a")
    translation = inference.load(op_gan).translate(picture, "b2a")
    np.testing.assert_array_equal(shown["translation"], translation)
    (caption,) = [name for name in shown if name.startswith("difference")]
    apart = np.abs(picture.astype(float) - translation).mean(axis=-1)
    assert caption == f"difference (white: {apart.max() / 255:.0%} of the range)"
    np.testing.assert_allclose(shown[caption][..., 0], 255 * apart / apart.max(), atol=0.51)
    assert list(shown) == ["picture", "translation", caption]  # this run's siamese network was never trained
    same = demo.TranslationView(_Echo(view.translator)).show(picture, "a2b")
    assert not same["difference (white: 0% of the range)"].any()


class _Echo:
    def __init__(self, translator):
        self.config, self.step = translator.config, translator.step

    def translate(self, picture, direction):
        return picture


def test_content_of_twins_is_the_cosine_that_the_generators_are_held_to(op_gan):
    loaded = checkpoints.load(op_gan)
    draw, picture = Content(loaded), _picture()[:20, :23]
    ((caption, kept),) = draw(picture, picture).items()
    assert caption.startswith("content kept") and kept.shape == picture.shape and kept.min() == 255
    whole, net = _picture(), methods.get("op_gan").create_networks(loaded.config).siamese
    ((_, kept),) = draw(whole, 255 - whole).items()
    patches = pretext.cut_patches(data.normalise(np.stack([whole, 255 - whole])), loaded.config.pretext.grid)
    params = {"params": loaded.params["discriminator"]["siamese"]}
    features = [net.apply(params, x, method="features")[0] for x in patches]
    cosines = np.clip(place_cosine(*features), 0, 1)
    assert cosines.mean() < 0.5 and abs(kept.mean() / 255 - cosines.mean()) < 0.02  # drawn larger, bilinearly
    assert not knows_content(loaded) and knows_content(loaded._replace(step=1))


def test_content_maps_are_drawn_of_both_in_one_scale(op_gan):
    loaded = checkpoints.load(op_gan)
    with loaded.config.unlocked():
        loaded.config.loss.content_form = "maps"
    picture = _picture()
    drawn = Content(loaded)(picture, picture // 4)
    assert list(drawn) == ["content map of the picture", "content map of the translation"]
    first, second = drawn.values()
    assert first.shape == second.shape == picture.shape and not np.array_equal(first, second)
    assert min(first.min(), second.min()) == 0 and max(first.max(), second.max()) == 255


def test_an_edit_and_all_edits_of_one_attribute(faces):
    view, picture = demo.make_view(faces), exported.pictures("match_gan", 1, 16, 16)[0].astype(np.uint8)
    hair, smiling, _ = view.controls
    assert hair == "One of Black Hair, Blond Hair, Brown Hair" and smiling == "Smiling"
    assert view.controls[smiling] == [("keep", ""), ("yes", "Smiling=1"), ("no", "Smiling=0")]
    assert view.controls[hair][0] == ("keep", "") and view.controls[hair][2] == ("Blond Hair", "Blond_Hair=1")
    editor = inference.load(faces)
    shown = view.show(picture, {hair: "Blond_Hair=1", smiling: "Smiling=0"})
    read = editor.label_space.describe(editor.read_labels(picture)[0]).replace("_", " ")
    assert list(shown) == [f"picture, read as {read}", "edit: Blond Hair, no Smiling"]
    np.testing.assert_array_equal(list(shown.values())[1], editor.edit(picture, {"Blond_Hair": 1, "Smiling": 0}))
    assert list(view.grid(picture))[:4] == ["Black Hair", "Blond Hair", "Brown Hair", "Smiling flipped"]


def test_a_run_that_reads_no_labels_wants_all_of_them(faces):
    loaded = checkpoints.load(faces)
    loaded.params["discriminator"]["label"]["kernel"] = np.zeros(1)
    view = demo.EditView(inference.Editor(loaded))
    picture = _picture(16)
    assert "reads no labels" in page.as_html(lambda: view.show(picture))
    assert "reads no labels" in page.as_html(lambda: view.grid(picture))
    answers = {title: choices[1][1] for title, choices in view.controls.items()}
    assert list(view.show(picture, answers)) == ["picture", "edit: Black Hair, Smiling, Eyeglasses"]


def test_examples_are_of_the_test_split_or_none(op_gan, match_gan, faces):
    examples = demo.make_view(op_gan).examples
    assert [(e.caption, e.direction) for e in examples] == [("a", "a2b")] * 4 + [("b", "b2a")] * 4
    assert {e.picture.shape for e in examples} == {(24, 24, 3)}
    assert [e.picture.shape for e in demo.make_view(match_gan).examples] == [(16, 16, 3)] * 8
    assert demo.make_view(faces).examples == []


def test_a_brought_picture_is_made_smaller_or_refused_by_its_name(op_gan, tmp_path):
    Image.fromarray(_picture(48)[:, :32]).save(tmp_path / "large.png")
    assert demo.make_view(op_gan).open(tmp_path / "large.png").shape == (24, 16, 3)
    assert demo.make_view(op_gan, most_side=100).open(tmp_path / "large.png").shape == (48, 32, 3)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(errors.DataError, match=r"^no\.png: no image by its content"):
        demo.make_view(op_gan).open(tmp_path / "no.png")
    with pytest.raises(errors.ConfigError, match="most_side is -1"):
        demo.make_view(op_gan, most_side=-1)


def test_pictures_and_errors_become_text_of_the_page_and_names_no_code():
    made = page.as_html(lambda: {"<b>": np.zeros((2, 2, 3), np.uint8)})
    assert "&lt;b&gt;" in made and "<b>" not in made and 'src="data:image/png;base64,' in made
    assert page.message(errors.DataError("<script>.png: no image")).count("<") == 2


def test_an_upload_is_deleted_alone(tmp_path):
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_text("picture")
    (tmp_path / "tmp123").touch()
    page.forget(str(tmp_path / "mine" / "x.png"), tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()] == ["other/x.png"]
    page.forget(None, tmp_path)
    page.forget("/x", tmp_path)
    assert (tmp_path / "other" / "x.png").exists()


def test_without_gradio_one_line_says_what_to_install(op_gan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(errors.ConfigError, match=r'needs gradio: pip install -e "\.\[demo\]"'):
        page.build(demo.make_view(op_gan), tmp_path)


def test_an_address_that_is_not_of_this_machine_is_named():
    with pytest.raises(errors.ConfigError, match="^--host=192.0.2.1 --port=0: "), page.running(None, "192.0.2.1"):
        pass
