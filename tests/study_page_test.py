"""The page of a study stands by itself: whole, escaped, with words for every picture."""

import html.parser
import json
import re

import numpy as np
import pytest
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import plots, studies
from gan_ssl.studies import Row, Study, page, plan, report, settings
from tests import small_studies, tiny
from tests.small_studies import MIOU, QUICK, go, result, write


@pytest.fixture
def root(tmp_path):
    return small_studies.checkout(tmp_path)


class _Parser(html.parser.HTMLParser):
    """Checks that elements are closed in turn, and collects what tests look at."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def _parse(text):
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.open == [] and text.startswith("<!DOCTYPE html>")
    assert not re.search(r"https?://|//[a-z]", re.sub(r'src="data:[^"]*"', "", text)) and "@import" not in text
    tags = [tag for tag, _ in parser.seen]
    assert not {"script", "link", "iframe"} & set(tags) and "url(" not in text
    for tag, attributes in parser.seen:
        if tag == "img":
            assert attributes["alt"] and attributes["src"].startswith("data:image/png;base64,")
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        assert not any(name.startswith("on") for name in attributes)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in parser.seen
    return parser


def test_page_of_scenes(root, tmp_path):
    folder = tiny.folder(tmp_path / "data", labels=True)
    fields = {"data.name": "folder", "data.dir": folder, "data.image_size": (24, 24), "data.class_names": ("<a>", "b")}
    evil = '"><script>x</script>'
    rows = (Row("base", QUICK, seeds=(0, 1), label=evil), Row("ours", QUICK, {"loss.domain": 2.0}, seeds=(0, 1, 2)))
    rows += (Row("far", QUICK, {"loss.domain": 3.0}, seeds=(1,)),)
    path = write(
        root, *rows, title=f"T {evil}", overrides={k: v for k, v in fields.items() if k != "data.dir"},
        details={"By class": "translated.iou.*"}, losses=("train/generator/cycle",), text=evil,
    )  # fmt: skip
    where = {"data.dir": folder}
    studies.run(path, str(root / "elsewhere"), root, only=["far"], overrides=where)
    for row in ("base", "ours"):
        for name in ("0", "1", "2", "3", "4"):
            picture = root / "work" / "runs" / row / "seed_0" / "translated" / f"{name}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((24, 24, 3), 50 * int(name), np.uint8)).save(picture)
            (root / "work" / "runs" / row / "seed_0.json").write_text(_record(root, path, row, where))
    go(root, path, jobs=2, overrides=where)
    parser = _parse((root / "work" / "study.html").read_text())
    texts = "\n".join(parser.texts)
    assert texts.count(evil) > 4 and "sky <b>" in texts and f"T {evil}" in texts
    assert "No pictures of far: their runs are not in this work directory" in texts
    alts = [attributes["alt"] for tag, attributes in parser.seen if tag == "img"]
    assert len(alts) == 5 * 4  # images, and source, two rows and labels
    assert "3: ours, seed 0" in alts and "0: source" in alts and "4: labels" in alts and f"1: {evil}, seed 0" in alts
    assert "<a>" in parser.texts  # the legend of the labels
    lines = [a for tag, a in parser.seen if tag == "polyline"]
    assert len(lines) == 2 + 2 + 3  # base; base beside ours
    assert len([tag for tag, _ in parser.seen if tag == "circle"]) == 2 + 3 + 1
    # Without the data the translations are still there.
    go(root, path, report_only=True, overrides={"data.dir": str(tmp_path / "gone")})
    parser = _parse((root / "work" / "study.html").read_text())
    assert "The source pictures are not shown: " in "\n".join(parser.texts)
    assert len([tag for tag, _ in parser.seen if tag == "img"]) == 5 * 2


def _record(root, path, row, overrides):
    """What a study writes beside a run before it starts."""
    runs = plan.runs(plan.load(path), root / "work", root, overrides)
    run = next(run for run in runs if run.row.name == row and run.seed == 0)
    return json.dumps(settings.of(run.config) | {"seconds": {}})


def test_page_of_portraits_and_curves(tmp_path):
    config = configs.validate(tiny.faces_config(data__name="classes", data__dir=tiny.classes(tmp_path / "data"),
                                                data__attributes=(), data__exclusive=()))  # fmt: skip
    config = studies_resolved(config)
    shares = (1, 5, 20)
    rows = tuple(Row(f"r{x}", "r", seeds=(0,), curve="M & N", x=x) for x in shares)
    made = report.make(
        Study("T", rows, (MIOU,), "r1", x_label="share <%>"),
        {(row.name, 0): result(row.name, 0, row.x / 100) for row in rows},
    )
    runs, rng = [], np.random.default_rng(0)
    for row in rows[:2]:
        run = plan.Run(row, 0, config, {}, tmp_path / row.name)
        run.folder.mkdir()
        columns = {str(i): rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8) for i in range(4)}
        plots.save_image(run.folder / "eval.png", plots.image_grid(columns))
        runs.append(run)
    parser = _parse(page.page(made, "python x", runs))
    alts = [attributes["alt"] for tag, attributes in parser.seen if tag == "img"]
    assert len(alts) == 3 * 3 * 3  # images, edits, and source and two rows
    assert "image 2, stunned: r5, seed 0" in alts and "image 1, calm: source" in alts
    assert "Scores over share <%>" in parser.texts and parser.texts.count("M & N") == 2  # legend, and at its line
    labels = [a["aria-label"] for tag, a in parser.seen if tag == "svg" and "aria-label" in a]
    assert "mIoU over share <%>: M & N 1.0 at 1, 5.0 at 5, 20.0 at 20" in labels


def studies_resolved(config):
    """Fills in the label space of the data, as a run's `config.json` has it."""
    with config.unlocked():
        config.data.attributes = ("calm", "glad", "stunned")
        config.data.exclusive = (config.data.attributes,)
    return config
