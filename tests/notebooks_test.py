"""The notebooks run whole, on tiny data, as a reader runs them; what git holds has no outputs."""

import ast
import configparser
import sys
import types

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from PIL import Image

from gan_ssl import config as configs
from gan_ssl import errors, notebook, plots
from tests import tiny
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "launch" / "colab").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]


def _read(path):
    return nbformat.read(path, as_version=4)


def _op_gan(root):
    judges = {"num_segmenters": 1, "segmenter_steps": 2, "segmenter_width": 4, "segmenter_batch_size": 2}
    fields = {"data__name": "folder", "data__dir": tiny.folder(root / "images", labels=True)}
    return {}, tiny.config(**fields, **{f"evaluation__{key}": value for key, value in judges.items()})


def _match_gan(root):
    fields = {"data__name": "classes", "data__dir": tiny.classes(root / "images")}
    fields |= {"data__attributes": (), "data__exclusive": (), "batch_size": 0}
    config = tiny.faces_config(**fields, evaluation__classifier_steps=2, evaluation__classifier_width=2)
    return {"EDIT": {"glad": 1}}, config


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_whole(path, tmp_path):
    settings, config = {"op_gan": _op_gan, "match_gan": _match_gan}[path.stem](tmp_path)
    changes = configs.flatten(config) | {"num_steps": 4, "log_steps": 2, "sample_steps": 2}
    picture = next(tmp_path.rglob("*.png")).as_posix()
    settings |= {"VARIANT": "quick", "WORKDIR": "run", "PICTURE": picture, "CHANGES": changes}
    read = _read(path)
    (cell,) = [c for c in read.cells if "parameters" in c.metadata.get("tags", ())]
    assert {line.partition(" = ")[0] for line in cell.source.splitlines() if " = " in line} == set(settings)
    cell.source = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    slip = nbformat.v4.new_code_cell('inference.load("gone")', metadata={"tags": ["raises-exception"]})
    read.cells.append(slip)
    NotebookClient(read, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert len(slip.outputs[0].traceback) == 1 and slip.outputs[0].traceback[0].startswith("error: gone holds no run")
    outputs = {c.id: c.outputs for c in read.cells if c.cell_type == "code"}
    pictures = {id for id, made in outputs.items() if any("image/png" in o.get("data", {}) for o in made)}
    assert pictures >= {"look", "run", "curves", "evaluate"}
    assert len([o for o in outputs["run"] if "image/png" in o.get("data", {})]) == 1  # drawn anew in its place
    assert "4/4" in str(outputs["run"]) + str(read.metadata.get("widgets"))  # the bar, as text or as a widget


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_in_git_is_clean_short_and_parses(path):
    read = _read(path)
    for cell in (c for c in read.cells if c.cell_type == "code"):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
        ast.parse(TransformerManager().transform_cell(cell.source))
        assert len(cell.source.splitlines()) <= 14 and " def " not in f" {cell.source}", cell.id


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_the_badge_opens_the_repository_that_the_package_names(path):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    address = setup["metadata"].get("url", "").removeprefix("https://github.com/").rstrip("/")
    place = f"{address}/blob/main/launch/colab/{path.name}" if address else ""
    opens = f"(https://colab.research.google.com/github/{place})"
    assert f"colab-badge.svg)]{opens}" in _read(path).cells[0].source


def test_a_picture_is_named_uploaded_or_left_as_it_is(tmp_path, monkeypatch):
    default = np.zeros((8, 8, 3), np.uint8)
    assert notebook.choose_picture("", default, 32) is default
    Image.new("RGB", (80, 40), "red").save(tmp_path / "wide.png")
    named = notebook.choose_picture(str(tmp_path / "wide.png"), default, 32)
    np.testing.assert_array_equal(named, np.full((16, 32, 3), (255, 0, 0), np.uint8))
    uploads = [{str(tmp_path / "wide.png"): b"..."}, {}]
    colab = types.ModuleType("google.colab")
    colab.files = types.SimpleNamespace(upload=lambda: uploads.pop(0))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google.colab.files", colab.files)
    assert notebook.choose_picture("", default, 32).shape == (16, 32, 3)
    assert notebook.choose_picture("", default, 32) is default
    with pytest.raises(errors.DataError, match=r"gone\.png"):
        notebook.choose_picture("gone.png", default, 32)


def test_outside_of_a_kernel_nothing_is_shown(capsys):
    assert not notebook.is_running() and notebook.show(np.zeros((8, 8, 3), np.uint8)) is None
    assert capsys.readouterr().out == ""


def test_curves_have_a_panel_a_player():
    lines = [
        {"step": s, "train/generator/cycle": 1.0 / s, "train/generator/total": 9.0, "train/data_wait": 0.1}
        for s in (1, 2, 3)
    ]
    one = plots.curves(lines)
    both = plots.curves([line | {"train/discriminator/adversarial": 2.0} for line in lines])
    assert one.dtype == np.uint8 and both.shape == (one.shape[0], 2 * one.shape[1], 3)
    assert one.std() > 5
    with pytest.raises(ValueError, match="no line holds a loss"):
        plots.curves([{"step": 1, "train/save": 0.0}])


def test_without_matplotlib_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(errors.ConfigError, match=r"gan_ssl\[notebooks\]"):
        plots.curves([])
