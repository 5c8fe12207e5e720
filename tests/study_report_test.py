"""What seeds say, and whether results agree: settings, statistics, tables, and judges that all share."""

import itertools
import threading
import time

import numpy as np
import pytest

from gan_ssl import config as configs
from gan_ssl import errors, plots
from gan_ssl.evaluation import cache
from gan_ssl.studies import Row, Score, Study, charts, pictures, report, settings, statistics, table
from tests import tiny
from tests.small_studies import MIOU, result


def _config(**changes):
    return configs.validate(tiny.config(**changes))


def test_settings_that_matter():
    base = settings.of(_config())
    free = {"data__dir": "/x", "seed": 3, "log_steps": 7, "data__labelled_fraction": 0.1, "num_epochs": 9}
    assert settings.differences(base, settings.of(_config(**free))) == {}
    assert settings.differences(base, settings.of(_config(pool__size=3))) == {"pool.size": "was 2, is 3"}
    without = {"loss__content": 0.0, "loss__twin": 0.0, "loss__domain": 0.0}
    alone = [settings.of(_config(**without, pretext__grid=grid, model__siamese_width=grid)) for grid in (2, 3)]
    assert settings.differences(*alone) == {}  # nothing reads them
    cut = [settings.of(_config(method="cut", **c)) for c in ({}, {"pretext__grid": 2}, {"pretext__places": 9})]
    assert settings.differences(*cut[:2]) == {} and list(settings.differences(cut[0], cut[2])) == ["pretext.places"]
    faces = [
        settings.of(configs.validate(tiny.faces_config(**c))) for c in ({}, {"loss__cycle": 1.0}, {"loss__match": 0.1})
    ]
    assert settings.differences(*faces[:2]) == {} and list(settings.differences(faces[0], faces[2])) == ["loss.match"]
    # A field that came later agrees with older results as long as it has its default; so does one that went.
    older = {"settings": base["settings"], "defaults": {k: v for k, v in base["defaults"].items() if k != "loss.cycle"}}
    assert settings.differences(older, base) == settings.differences(base, older) == {}
    assert "loss.cycle" in settings.differences(older, settings.of(_config(loss__cycle=3.0)))
    assert settings.judges_alone({"evaluation.limit": ""}) and not settings.judges_alone({"num_steps": ""})


def test_statistics_by_hand():
    assert statistics.summarise([1.0, 2.0, 4.0]) == (pytest.approx(7 / 3), pytest.approx((7 / 3) ** 0.5), 3)
    assert statistics.summarise([2.0]) == (2.0, None, 1) and statistics.summarise([]) == (None, None, 0)
    # Of three seeds one in 27 draws holds the smallest alone, which is more than 2.5%: the ends are the extremes.
    three = statistics.paired({0: 2.0, 1: 5.0, 2: 4.0, 9: 9.0}, {0: 1.0, 1: 2.0, 2: 2.0, 8: 0.0})
    assert three == (2.0, 1.0, 3.0, 3) and three.is_clear
    values = [0.0, 1.0, 3.0, -2.0, 5.0]
    exact = np.percentile([np.mean(drawn) for drawn in itertools.product(values, repeat=5)], [2.5, 97.5])
    five = statistics.paired(dict(enumerate(values)), dict.fromkeys(range(5), 0.0))
    np.testing.assert_allclose((five.low, five.high), exact, atol=0.21)  # sums are whole numbers: steps of 0.2
    assert not five.is_clear and five == statistics.paired(dict(enumerate(values)), dict.fromkeys(range(5), 0.0))
    assert statistics.paired({0: 1.0, 1: 2.0}, {0: 0.0, 1: 0.0}) == (1.5, None, None, 2)
    assert statistics.paired({0: 1.0}, {1: 0.0}) == (None, None, None, 0)


def test_scores_are_found_by_name():
    scores = {"translated": {"iou": {"car": 0.5, "sky": None}}, "gone": None, "by": {"x": {"accuracy": 1}}, "words": []}
    assert statistics.lookup(scores, "translated.iou.car", "x") == 0.5
    assert statistics.lookup(scores, "translated.iou.sky", "x") is statistics.lookup(scores, "gone.iou", "x") is None
    assert statistics.lookup_all(scores, "translated.iou.*", "x") == {"car": 0.5, "sky": None}
    assert statistics.lookup_all(scores, "by.*.accuracy", "x") == {"x": 1.0}
    for name in ("translated.iou", "translated.iou.cat", "words", "none"):
        with pytest.raises(errors.ConfigError, match=f"{name} is no score in eval.json of x; did you mean"):
            statistics.lookup(scores, name, "x")
    with pytest.raises(errors.ConfigError, match="is no score"):
        statistics.lookup_all(scores, "translated.loU.*", "x")


def test_judges_that_differ_are_told():
    made = Study("T", (Row("base", "r"), Row("ours", "r")), (MIOU,), "base")
    found = {
        ("base", 0): result("base", 0, 0.4),
        ("ours", 0): result("ours", 0, 0.5, "0.12.0", direct={"miou": 0.27}),
    }
    notes = " ".join(report.make(made, found).notes)
    assert "The judges of these results are not the same" in notes and "mIoU untranslated is 25.0 to 27.0" in notes
    assert "several versions of JAX: 0.10.2, 0.12.0" in notes


def test_markdown():
    rows = (Row("base", "r", label="a | b"), Row("ours", "r"))
    made = Study("T", rows, (MIOU, Score("truth", "error", "lower")), "base")
    found = {("base", s): result("base", s, 0.4, truth=0.5) for s in range(3)}
    found |= {("ours", s): result("ours", s, 0.41 + s / 100, truth=None) for s in range(3)}
    text = table.markdown(report.make(made, found), "python launch/study.py")
    assert "|  | seeds | mIoU,\xa0%\xa0↑ | error\xa0↓ |" in text
    assert "| a \\| b | 3 | 40.0 ± 0.0 | 0.500 ± 0.000 |" in text and "| ours | 3 | 42.0 ± 1.0 | – |" in text
    assert "| ours | a \\| b | 3 | **+2.0 [+1.0, +3.0]** | – |" in text and "| *untranslated* |  | 25.0 | – |" in text


def test_axis_and_ticks():
    assert charts.ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] and charts.ticks(37.2, 41.9) == [38, 39, 40, 41]
    assert charts.limits([1.0, 2.0], [0.5, 9.0]) == (pytest.approx(0.41), pytest.approx(2.09))  # 9 is too far away
    axis = charts.Axis(1, 100, 0, 10, is_log=True)
    assert [axis(1), axis(10), axis(1000)] == [0, pytest.approx(5), 10]
    assert charts.thinned([(i, i) for i in range(240)])[0] == (0.5, 0.5)


def test_sheets_are_taken_apart():
    rng = np.random.default_rng(0)
    for size, rows in (((16, 16), 3), ((64, 96), 2), ((128, 100), 8)):
        columns = [rng.integers(0, 256, (rows, *size, 3), dtype=np.uint8) for _ in range(4)]
        sheet = plots.image_grid({str(i): column for i, column in enumerate(columns)})
        for ours, wanted in zip(pictures.grid_cells(sheet, size, 4), columns, strict=True):
            np.testing.assert_array_equal(ours, wanted)


def test_judges_are_trained_by_one_at_a_time(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trained, inside = [], []

    @cache.one_at_a_time
    def find_or_train():
        inside.append(1)
        assert len(inside) == 1
        if not trained:
            time.sleep(0.3)
            trained.append(1)
        inside.pop()

    threads = [threading.Thread(target=find_or_train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trained == [1] and (tmp_path / "gan_ssl" / "find_or_train.lock").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "gan_ssl" / "find_or_train.lock"))  # below a plain file
    find_or_train()
