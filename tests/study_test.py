"""Studies: what is run, what is skipped, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from gan_ssl import config as configs
from gan_ssl import errors, studies
from gan_ssl.studies import Row, Score, Study, plan, running, settings
from tests import small_studies, tiny
from tests.conftest import ROOT
from tests.small_studies import MIOU, QUICK, go, starts, write


@pytest.fixture
def root(tmp_path):
    return small_studies.checkout(tmp_path)


def test_what_is_finished_is_not_computed_twice(root, capsys):
    path = write(root)
    made = go(root, path, only=["base"], jobs=2)
    assert starts(root) == {"base/seed_0": 1, "base/seed_1": 1}
    assert "Not finished: ours, seeds 0, 1." in made["notes"]
    made = go(root, path)
    assert starts(root) == dict.fromkeys(("base/seed_0", "base/seed_1", "ours/seed_0", "ours/seed_1"), 1)
    ours = made["rows"][1]["scores"]["translated.miou"]
    assert ours["mean"] == pytest.approx(0.505) and ours["spread"] == pytest.approx(0.01 / 2**0.5)
    assert ours["difference"] == {"mean": pytest.approx(0.1), "low": None, "high": None, "n": 2}
    assert made["references"] == {"untranslated": {"translated.miou": 0.25}} and not made["notes"]
    go(root, path, report_only=True)
    assert sum(starts(root).values()) == 4
    lines = capsys.readouterr().out
    assert "| ours | 2 | 50.5 ± 0.7 |" in lines and "| ours | base | 2 | +10.0 (n = 2) |" in lines


def test_results_hold_what_a_reader_needs_and_no_path(root):
    go(root, write(root), only=["ours"], seeds=[1], overrides={"data.dir": "/home/me/pictures"})
    (file,) = (root / "docs" / "results" / "small").glob("*.json")
    made = json.loads(file.read_text())
    assert file.name == "ours_seed_1.json" and "/home/me" not in file.read_text()
    assert made["overrides"] == {"data.name": "folder", "loss.domain": 2.0} and made["settings"]["loss.domain"] == 2.0
    assert made["command"].endswith("--config.loss.domain=2.0 --config.data.dir=PATH --config.seed=1 --workdir=DIR")
    assert made["versions"] == {"python": "3.11.7", "jax": "0.10.2"} and made["hardware"]["devices"] == "1 cpu"
    assert made["hardware"]["cores"] == len(os.sched_getaffinity(0)) and made["seconds"].keys() == {"train", "evaluate"}
    assert made["scores"]["translated"]["miou"] == pytest.approx(0.51) and "missing" not in made["scores"]
    # Data that lie elsewhere do not make it another result; how they are named stands in the study's command.
    go(root, write(root), report_only=True, overrides={"data.dir": "/mnt"})
    assert "--workdir=DIR --config.data.dir=PATH\n" in (file.parent / "README.md").read_text()


def test_other_settings_are_named_and_never_mixed(root, caplog):
    go(root, write(root))
    rows = (Row("base", QUICK, seeds=(0, 1)), Row("ours", QUICK, {"loss.domain": 3.0}, seeds=(0, 1)))
    changed = write(root, *rows)
    made = go(root, changed)
    assert starts(root)["ours/seed_0"] == 1 and made["rows"][1]["results"] == {}
    assert (
        "ours seed 0 is left out: its finished result has other settings: loss.domain was 2.0, is 3.0." in made["notes"]
    )
    assert "No pictures" not in (root / "work" / "study.html").read_text()  # nothing of it is shown
    made = go(root, changed, again=True)
    assert made["rows"][1]["scores"]["translated.miou"]["mean"] == pytest.approx(0.605)
    assert starts(root) == {"base/seed_0": 1, "base/seed_1": 1} | {
        f"ours/seed_{seed}{where}": 1 for seed in (0, 1) for where in ("", "_before_1")
    }


def test_a_work_directory_of_another_run_is_refused(root):
    path = write(root, Row("base", QUICK, seeds=(0,)))
    (root / "work" / "runs" / "base" / "seed_0").mkdir(parents=True)
    with pytest.raises(errors.TrainingError, match=r"1 of 1 runs failed: base seed 0: .* holds another run: .*--again"):
        go(root, path)


def test_judges_settings_alone_score_again_without_training_anew(root):
    go(root, write(root, Row("base", QUICK, seeds=(0,))))
    changed = write(root, Row("base", QUICK, {"evaluation.num_segmenters": 5}, seeds=(0,)))
    go(root, changed, again=True)
    assert starts(root) == {"base/seed_0": 2}  # the launcher goes on from the last step


def test_a_run_that_fails_is_named_and_the_others_go_on(root, capfd):
    rows = [Row(f"w{weight}", QUICK, {"loss.domain": float(weight)}, seeds=(0,)) for weight in (1, 8, 9)]
    with pytest.raises(errors.TrainingError) as caught:
        go(root, write(root, *rows))
    words = str(caught.value)
    assert words.startswith("2 of 3 runs failed: ") and caught.value.exit_code == 2
    log = root / "work" / "runs" / "w9" / "seed_0.log"
    assert f"w9 seed 0: train ended with code 2: error: the learning rate is nan ({log})" in words
    assert "w8 seed 0: " in words and "eval.json is missing" in words
    made = json.loads((root / "work" / "study.json").read_text())
    assert list(made["rows"][0]["results"]) == ["0"] and "Failed: w9 seed 0." in made["notes"]
    assert "w1 seed 0: done in" in capfd.readouterr().err


def test_unknown_scores_fail_the_first_run_and_keep_its_result(root):
    path = write(root, Row("base", QUICK, seeds=(0,)), scores=(Score("translated.mio", "mIoU"),))
    for _ in range(2):
        with pytest.raises(errors.ConfigError, match="translated.mio is no score .*; did you mean translated.miou"):
            studies.run(path, str(root / "work"), root)
    assert (root / "docs" / "results" / "small" / "base_seed_0.json").exists() and starts(root) == {"base/seed_0": 1}


def test_results_that_lack_a_score_are_left_out_or_computed_again(root):
    path = write(root, Row("base", QUICK, seeds=(0, 1)))
    go(root, path)
    file = root / "docs/results/small/base_seed_0.json"
    made = json.loads(file.read_text())
    del made["scores"]["translated"]["miou"]  # as of a version that did not have it
    file.write_text(json.dumps(made))
    (note,) = go(root, path)["notes"]
    assert note.startswith("base seed 0 is left out: translated.miou is no score in eval.json")
    assert not go(root, path, again=True)["notes"] and starts(root) == {"base/seed_0": 2, "base/seed_1": 1}


def test_a_signal_is_passed_on_and_all_is_saved(root):
    path = write(root)
    code = f"""
import pathlib
from gan_ssl import errors, studies
try:
    studies.run(pathlib.Path({str(path)!r}), {str(root / "work")!r}, pathlib.Path({str(root)!r}), jobs=2)
except errors.GanSslError as error:
    print("error:", error)
    raise SystemExit(error.exit_code)
"""
    env = os.environ | {"STUDY_TEST_WAITS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    waiting = lambda: list((root / "work").rglob("waiting"))
    deadline = time.monotonic() + 60
    while len(waiting()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 75 and "error: SIGTERM: the runs were stopped and saved" in printed
    assert len(list((root / "work").rglob("saved"))) == 2 and sum(starts(root).values()) == 2


def test_jobs_divide_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 3, 5, 7}, raising=False)
    assert running.core_shares(1) == [[0, 2, 3, 5, 7]]
    assert running.core_shares(2) == [[0, 2], [3, 5, 7]]
    assert running.core_shares(7) == [[0], [2], [3], [5], [7], [0], [2]]


def test_runs_are_pinned(root):
    go(root, write(root), jobs=2)
    cores = [(root / f"work/runs/{row}/seed_0/starts").read_text().split() for row in ("base", "ours")]
    ours = sorted(map(str, os.sched_getaffinity(0)))
    assert all(set(pinned) <= set(ours) for pinned in cores)
    if len(ours) > 1:
        assert not set(cores[0]) & set(cores[1])


def test_defaults_are_chosen_on_the_validation_split(root):
    """Its scores are never taken for those of the test split."""
    one = Row("base", QUICK, seeds=(0,))
    made = go(root, write(root, one, split="validation"))
    assert (root / "work/runs/base/seed_0/eval_validation.json").exists()
    assert made["notes"] == ["Scored on the validation split."]
    for page in ("study.md", "study.html"):
        assert made["notes"][0] in (root / "work" / page).read_text()
    kept = json.loads((root / "docs/results/small/base_seed_0.json").read_text())
    assert kept["split"] == "validation"
    with pytest.raises(errors.DataError, match="no run of .* is finished"):
        go(root, write(root, one), report_only=True)
    go(root, write(root, one), again=True)
    assert starts(root) == {"base/seed_0": 2}  # in the same folder: it is not trained again, only asked
    del kept["split"]  # as results were before there was a choice
    (root / "docs/results/small/base_seed_0.json").write_text(json.dumps(kept))
    assert go(root, write(root, one), report_only=True)["notes"] == []


def test_dry_run_lists_and_estimates(root, capsys):
    path = write(root)
    studies.run(path, str(root / "work"), root, dry_run=True)
    printed = capsys.readouterr().out
    assert f"ours, seeds 0, 1: {QUICK} loss.domain=2.0" in printed and "is not known before one is finished" in printed
    assert not (root / "work").exists()
    go(root, path, only=["base"], seeds=[0])
    file = root / "docs/results/small/base_seed_0.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": {"train": 500.0, "evaluate": 100.0}}))
    capsys.readouterr()
    studies.run(path, str(root / "work"), root, dry_run=True, jobs=2)
    assert "3 runs, about 15 min with --jobs=2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": "none"}, "base is 'none'; allowed: base, ours"),
        ({"rows": (Row("a b", QUICK),)}, "row 'a b'; allowed: a name of letters"),
        ({"rows": (Row("base", QUICK), Row("base", QUICK))}, "row 'base' comes twice"),
        ({"rows": (Row("base", QUICK, against="x"),)}, "against is 'x'; allowed: base"),
        ({"rows": (Row("base", QUICK, seeds=(0, 0)),)}, "seeds are"),
        ({"rows": (Row("base", QUICK, x=1.0),)}, "curve is '' and x 1.0; allowed: both or none"),
        ({"rows": (Row("base", QUICK, {"seed": 1}),)}, "overrides seed"),
        ({"rows": (Row("base", QUICK, {"loss.cycel": 1.0}),)}, "row base: .*did you mean config.loss.cycle"),
        ({"rows": (Row("base", QUICK, {"loss.cycle": "x"}),)}, "row base: config.loss.cycle is 'x'; allowed: a value"),
        ({"rows": (Row("base", f"{QUICK},fast"),)}, "row base: --config has no variant 'fast'"),
        (
            {"rows": (Row("base", "configs/none.py:quick"),)},
            "row base: the recipe is configs/none.py, which is no file",
        ),
        ({"rows": ()}, "at least one row"),
        ({"split": "train"}, "split is 'train'; allowed: test, validation"),
        ({"scores": (Score("x", "x", better="more"),)}, "better is 'more'; allowed: higher, lower"),
    ],
)
def test_bad_studies_are_named(root, change, words):
    fields = {"rows": (Row("base", QUICK), Row("ours", QUICK)), "scores": (MIOU,), "base": "base"} | change
    path = root / "bad.py"
    path.write_text(f"from gan_ssl.studies import Row, Score, Study\nget_study = lambda: {Study('Bad', **fields)!r}\n")
    with pytest.raises(errors.ConfigError, match=words):
        studies.run(path, str(root / "work"), root, dry_run=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "has no get_study"),
        ("def get_study(:", "line 1"),
        ("get_study = dict", "get_study.. returns a dict; allowed: a gan_ssl.studies.Study"),
        (None, "is no file"),
    ],
)
def test_files_that_are_no_study_are_named(root, text, words):
    if text is not None:
        (root / "bad.py").write_text(text)
    with pytest.raises(errors.ConfigError, match=words):
        studies.run(root / "bad.py", str(root / "work"), root, dry_run=True)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"only": ["none"]}, errors.ConfigError, "--only names 'none'; allowed: base, ours"),
        ({"seeds": [7]}, errors.ConfigError, "--seeds names 7; allowed: 0, 1"),
        ({"jobs": 0}, errors.ConfigError, "--jobs is 0; allowed: at least 1"),
        ({"report_only": True}, errors.DataError, "no run of .* is finished"),
        ({"overrides": {"loss.domain": -1.0}}, errors.ConfigError, "config.loss.domain is -1.0; allowed: at least 0"),
    ],
)
def test_bad_options_are_named(root, options, error, words):
    with pytest.raises(error, match=words):
        studies.run(write(root), str(root / "work"), root, **options)


def test_files_that_are_no_result_are_named(root):
    folder = root / "docs" / "results" / "small"
    folder.mkdir(parents=True)
    (folder / "base_seed_0.json").write_text("{")
    with pytest.raises(errors.DataError, match="base_seed_0.json is no result of a study"):
        studies.run(write(root), str(root / "work"), root)


def test_launcher_takes_fields_and_ends_in_one_line(root):
    command = [sys.executable, str(ROOT / "launch" / "study.py"), f"--workdir={root}/work", "--dry_run"]
    launch = lambda *args: subprocess.run([*command, *args], capture_output=True, text=True, cwd=root, timeout=300)
    done = launch("--study=small.py", "--config.loss.cycle=4", "--seeds=1") if write(root) else None
    assert done.returncode == 0 and "base, seeds 1: " in done.stdout, done.stderr
    done = launch("--study=configs/studies/none.py")
    assert done.returncode == 2 and "which is no file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs" / "studies").glob("*.py")))
def test_the_studies_are_sensible(name, tmp_path):
    made = plan.load(ROOT / "configs" / "studies" / f"{name}.py")
    runs = plan.runs(made, tmp_path, ROOT, {"data.dir": "/elsewhere"})
    fields = [json.dumps(settings.of(run.config)) for run in runs if run.seed == 0]
    assert len(set(fields)) == len(made.rows)  # no two rows are the same
    assert len({run.key for run in runs}) == len(runs) and made.results == f"docs/results/{name}"


@pytest.mark.parametrize("folder", sorted((ROOT / "docs" / "results").glob("*/")), ids=lambda folder: folder.name)
def test_the_tables_are_of_the_results_beside_them(folder, tmp_path):
    shutil.copytree(folder, tmp_path / folder.name)
    (tmp_path / folder.name / "README.md").unlink()
    path, into = ROOT / "configs" / "studies" / f"{folder.name}.py", tmp_path / folder.name
    studies.run(path, str(tmp_path / "work"), ROOT, report_only=True, results_dir=str(into))
    assert (into / "README.md").read_text() == (folder / "README.md").read_text()


@pytest.mark.slow
def test_a_real_study_end_to_end(tmp_path):
    small = {
        name: value for name, value in configs.flatten(tiny.config()).items() if value != configs.known_fields()[name]
    }
    small |= {"num_steps": 2, "log_steps": 1, "data.name": "folder", "data.load_size": (24, 24)}
    small |= {"evaluation.num_segmenters": 1, "evaluation.segmenter_steps": 2, "evaluation.segmenter_width": 4}
    small |= {"loss.content": 0.0, "loss.twin": 0.0, "loss.domain": 0.0, "evaluation.segmenter_batch_size": 2}
    small |= {"model.num_blocks": 0, "model.ema_decay": 0.0, "pool.size": 0}
    rows = (Row("flips", QUICK, seeds=(0,)), Row("plain", QUICK, {"data.flip": False}, seeds=(0,)))
    path = write(tmp_path, *rows, overrides=small, results=str(tmp_path / "results"), losses=("train/generator/cycle",))
    folder = tiny.folder(tmp_path / "data", labels=True)
    command = [sys.executable, str(ROOT / "launch" / "study.py"), f"--study={path}", f"--workdir={tmp_path / 'work'}"]
    done = subprocess.run(
        [*command, f"--config.data.dir={folder}"], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stderr + "".join(p.read_text() for p in (tmp_path / "work").rglob("*.log"))
    made = json.loads((tmp_path / "work" / "study.json").read_text())
    assert [list(row["results"]) for row in made["rows"]] == [["0"], ["0"]] and made["notes"] == []
    assert "| plain | flips | 1 |" in done.stdout and "plain seed 0: done in" in done.stderr
    assert (tmp_path / "work" / "study.html").read_text().count("<img ") == 5 * 4
