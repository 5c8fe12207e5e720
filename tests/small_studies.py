"""A checkout whose launchers cost nothing, and studies to run in it."""

import json
from pathlib import Path

from gan_ssl import studies
from gan_ssl.studies import Row, Score, Study, results
from tests.conftest import ROOT

QUICK = f"{ROOT}/configs/op_gan.py:quick"
MIOU = Score("translated.miou", "mIoU", percent=True, references={"untranslated": "direct.miou"})
# Stand for the real launchers where these would only cost time: scores are made of the seed and one field.
_TRAIN = """
import json, os, pathlib, signal, sys, time
flags = dict(arg.lstrip("-").split("=", 1) for arg in sys.argv[1:])
folder = pathlib.Path(flags["workdir"])
folder.mkdir(parents=True, exist_ok=True)
print("training op_gan to step 4 on 1 cpu", flush=True)
with open(folder / "starts", "a") as file:
    file.write(" ".join(map(str, os.sched_getaffinity(0))) + "\\n")
if os.environ.get("STUDY_TEST_WAITS"):
    signal.signal(signal.SIGTERM, lambda *_: ((folder / "saved").touch(), sys.exit(75)))
    (folder / "waiting").touch()
    time.sleep(60)
seed, weight = int(flags["config.seed"]), float(flags.get("config.loss.domain", 1))
if weight == 9:
    print("error: the learning rate is nan\\n")
    sys.exit(2)
(folder / "seed").write_text(f"{seed} {weight}")
(folder / "versions.json").write_text('{"python": "3.11.7", "jax": "0.10.2"}')
lines = [{"step": step, "train/generator/cycle": 1 / step + seed} for step in (1, 2, 4)]
(folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""
_EVALUATE = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1].split("=", 1)[1])
seed, weight = map(float, (folder / "seed").read_text().split())
miou = {"miou": 0.3 + seed / 100 + weight / 10, "iou": {"car": 0.1, "sky <b>": None}}
scores = {"step": 4, "num_images": 5, "config_hash": "x", "split": "test", "missing": {"a": "/home/me"}}
scores |= {"translated": miou, "direct": {"miou": 0.25}, "truth": None, "warnings": []}
if weight != 8:
    suffix = "_validation" if "--split=validation" in sys.argv else ""
    (folder / f"eval{suffix}.json").write_text(json.dumps(scores))
"""


def checkout(folder: Path) -> Path:
    """Makes a checkout."""
    (folder / "checkout" / "launch").mkdir(parents=True)
    for name, code in (("train", _TRAIN), ("evaluate", _EVALUATE)):
        (folder / "checkout" / "launch" / f"{name}.py").write_text(code)
    return folder / "checkout"


def write(root: Path, *rows: Row, scores=(MIOU,), **fields) -> Path:
    """Writes a study file, of two rows and two seeds where none is given."""
    rows = rows or (Row("base", QUICK, seeds=(0, 1)), Row("ours", QUICK, {"loss.domain": 2.0}, seeds=(0, 1)))
    fields = {"overrides": {"data.name": "folder"}} | fields  # without a folder: the embedded set would be drawn
    made = Study(**{"title": "Test", "rows": rows, "scores": scores, "base": rows[0].name} | fields)
    path = root / "small.py"
    path.write_text(f"from gan_ssl.studies import Row, Score, Study\n\n\ndef get_study():\n    return {made!r}\n")
    return path


def starts(root: Path) -> dict[str, int]:
    """Returns how often each run was started, by folder."""
    found = (root / "work" / "runs").rglob("starts")
    return {f"{p.parent.parent.name}/{p.parent.name}": len(p.read_text().splitlines()) for p in sorted(found)}


def go(root: Path, path: Path, **options) -> dict:
    """Runs a study and returns its `study.json`."""
    studies.run(path, str(root / "work"), root, **options)
    return json.loads((root / "work" / "study.json").read_text())


def result(row: str, seed: int, miou: float, jax: str = "0.10.2", **scores) -> results.Result:
    """Returns a finished result."""
    scores = {"translated": {"miou": miou}, "direct": {"miou": 0.25}} | scores
    hardware = {"cpu": "a <cpu>", "cores": 1, "devices": "1 cpu"}
    return results.Result(
        row, seed, "r", {}, "python x", {}, {}, "", 4, 5, scores, {"train": 60.0}, hardware, {"jax": jax}, "2026-11-25"
    )  # fmt: skip
