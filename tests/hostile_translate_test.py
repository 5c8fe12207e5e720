"""translate among links and odd names, which writes below its output alone; and how programs end."""

import os
import pickle
import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from gan_ssl import errors, inference, plots
from gan_ssl.data import images
from gan_ssl.inference import translate_files as files
from gan_ssl.methods import op_gan
from gan_ssl.training import checkpoints
from tests import hostile, tiny
from tests.conftest import ROOT
from tests.hostile import no_test_hangs  # noqa: F401  used by itself


@pytest.fixture
def echo(monkeypatch):
    """Translation files come out as they went in."""
    config = tiny.config()
    monkeypatch.setattr(op_gan, "make_translate", lambda config: lambda params, images, direction: images + 0)
    weights = {"generator": {"a2b": np.zeros(1), "b2a": np.zeros(1)}}
    translator = inference.Translator(checkpoints.Loaded(config, 0, weights))
    monkeypatch.setattr(inference, "load", lambda *args: translator)


def test_translate_reads_no_pipe_and_writes_the_rest(echo, tmp_path):
    names = hostile.odd_entries(tmp_path / "in")
    hostile.save(tmp_path / "in" / "folder.png" / "good.png")
    call = lambda: files.translate_files("unused", str(tmp_path / "in"), str(tmp_path / "out"))
    hostile.refused(call, f"{len(names)} of {len(names) + 1} images were not translated")
    assert set(hostile.tree(tmp_path / "out")) == {"folder.png", "folder.png/good.png"}


def test_links_in_the_output_make_nothing_elsewhere(echo, tmp_path):
    hostile.save(tmp_path / "in" / "sub" / "deep" / "x.png")
    hostile.save(tmp_path / "in" / "loop" / "x.png")
    hostile.save(tmp_path / "in" / "gone" / "x.png")
    hostile.save(tmp_path / "in" / "good.png")
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    (elsewhere / "folder").mkdir(parents=True)
    (elsewhere / "precious.png").write_bytes(b"mine")
    (out / "sub").symlink_to(elsewhere)
    (out / "loop").symlink_to("loop")
    (out / "gone").symlink_to(tmp_path / "not there")
    (out / "good.png").symlink_to(elsewhere / "precious.png")
    before = hostile.tree(elsewhere)
    call = lambda: files.translate_files("unused", str(tmp_path / "in"), str(out))
    hostile.refused(call, "3 of 4 images", "outside --output, behind a link")
    assert hostile.tree(elsewhere) == before and not (tmp_path / "not there").exists()
    assert not (out / "good.png").is_symlink() and images.decode(out / "good.png").pixels.shape == (8, 8, 3)


def test_links_in_the_input_neither_lead_out_nor_go_round(echo, tmp_path):
    source, out, elsewhere = tmp_path / "in", tmp_path / "out", tmp_path / "elsewhere"
    hostile.save(source / "x.png")
    hostile.save(elsewhere / "private.png")
    (source / "round").symlink_to(source)
    (source / "out of it").symlink_to(elsewhere)
    (source / "file.png").symlink_to(elsewhere / "private.png")
    (source / "into.png").symlink_to(out / "x.png")  # which this run writes
    before = hostile.tree(source), hostile.tree(elsewhere)
    call = lambda: files.translate_files("unused", str(source), str(out))
    hostile.refused(call, "1 of 3 images", "into.png: no such")
    assert set(hostile.tree(out)) == {"x.png", "file.png"}
    # Now the link leads to a file that is there: the run would read and write the same.
    hostile.refused(call, "would replace an input")
    assert (hostile.tree(source), hostile.tree(elsewhere)) == before


@pytest.mark.parametrize("through", ["in", "in/.", "link", "in/../in", "circle"])
def test_the_input_is_no_output_by_any_name(echo, tmp_path, through):
    hostile.save(tmp_path / "in" / "x.png")
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "circle").symlink_to("circle")
    before = hostile.tree(tmp_path)
    hostile.refused(lambda: files.translate_files("unused", str(tmp_path / "in"), str(tmp_path / through)), "--output")
    assert hostile.tree(tmp_path) == before


def test_hard_links_to_the_input_are_the_input(echo, tmp_path):
    path = hostile.save(tmp_path / "in" / "x.png")
    (tmp_path / "out").mkdir()
    os.link(path, tmp_path / "out" / "x.png")
    hostile.refused(
        lambda: files.translate_files("unused", str(tmp_path / "in"), str(tmp_path / "out")), "replace an input"
    )


def test_names_that_meet_are_kept_apart(echo, tmp_path):
    source = tmp_path / "in"
    names = ("a.jpg", "a.png/b.png", "B.png", "b.PNG", "\u00e9.jpg", "e\u0301.jpg", " .png", "x\n.png", "-rf.png")
    for name in (*names, "..x.png"):
        hostile.save(source / name, format="PNG")
    written = files.translate_files("unused", str(source), str(tmp_path / "out"))
    assert len(set(written)) == len(names)  # hidden files are not looked at
    found = hostile.tree(tmp_path / "out")
    assert found.keys() >= {"a.jpg.png", "a.png/b.png", " .png", "x\n.png", "-rf.png"}
    folded = {unicodedata.normalize("NFC", name).casefold() for name, kind in found.items() if kind != "folder"}
    assert len(folded) == len(names)


def test_a_link_under_a_name_not_yet_written_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "precious").write_bytes(b"mine")
    monkeypatch.setattr(plots.secrets, "token_hex", lambda n: "0")
    (tmp_path / f".{os.getpid()}.0.partial").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        plots.save_image(tmp_path / "x.png", hostile.PICTURE)
    assert (tmp_path / "precious").read_bytes() == b"mine"


# How programs end.


def _launched(code, *args):
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'launch')!r}); import _cli; from gan_ssl import errors\n{code}"
    )
    command = [sys.executable, "-c", program, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        ("errors.DataError('a\\nb\\x1b.png: damaged')", 2, "error: a\\nb\\x1b.png: damaged"),
        ("errors.Interrupted('stopped')", 75, "error: stopped"),
        ("ValueError('a bug')", 1, "ValueError: a bug"),
    ],
)
def test_errors_are_one_line_and_bugs_keep_their_traceback(raised, code, says):
    done = _launched(f"def main(argv): raise {raised}\n_cli.run(main)")
    assert done.returncode == code and done.stderr.splitlines()[-1] == says
    assert ("Traceback" in done.stderr) == (code == 1)
    if code != 1:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--step=two", "--workdir=x"), "--step=two"),
        (("--stop=2",), "Unknown command line flag 'stop'"),
        (("--workdir=no\nwhere",), "no\\nwhere"),
    ],
)
def test_flags_that_cannot_be_parsed_are_one_line(args, says):
    command = [sys.executable, str(ROOT / "launch" / "evaluate.py"), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and says in line


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(errors.DataError("x\ny")))
    assert type(error) is errors.DataError and str(error) == "x\\ny"
