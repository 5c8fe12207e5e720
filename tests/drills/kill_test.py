"""The drill in small: it kills, restarts and compares."""

import pytest

from tests.drills import common, kill


@pytest.mark.parametrize(("method", "kills"), [("op_gan", 2), ("match_gan", 1)])
def test_killed_runs_equal_the_undisturbed_one(method, kills, tmp_path):
    assert not kill.drill(method, tmp_path, kills, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("method", common.METHODS)
def test_ten_kills(method, tmp_path):
    assert not kill.drill(method, tmp_path, 10, seed=1)
