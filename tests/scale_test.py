"""What devices exchange, read in the programs: every gradient and metric once, the match features of a loss once."""

import math
import re
from collections import Counter

import jax
import pytest

from gan_ssl import methods
from gan_ssl.benchmark.settings import random_batch
from gan_ssl.training import parallel
from tests import tiny

_NAMES = "all[-_]reduce|all[-_]gather|reduce[-_]scatter|all[-_]to[-_]all|collective[-_]permute"
# As compiled: `%x = (f32[3,4]{1,0}, f32[]) all-reduce(...`, several arrays each.
_COMPILED = re.compile(rf"= (.*?) ({_NAMES})(?:-start)?\(")
# As lowered: `"stablehlo.all_reduce"(%1) <{...}> ({ reduction }) : (tensor<3x4xf32>) -> tensor<3x4xf32>`, one array.
_LOWERED = re.compile(rf'"stablehlo\.({_NAMES})".*?\) -> tensor<([\dx]*?)x?[a-z]+\d+>', re.DOTALL)
# Matches of each kind of step: the labelled images' for the discriminator, the targets' for the generator.
_MATCHES = {"labelled": 1, "labelled_both": 2, "unlabelled": 0, "unlabelled_both": 1}
_slow = lambda *values: [pytest.param(*v, marks=pytest.mark.slow) for v in values]


def _lower(config, kind, count):
    """Returns a kind of step, lowered for `count` devices, and what it should reduce: gradients and metrics."""
    method, devices = methods.get(config.method), jax.devices()[:count]
    state = method.create_state(jax.random.PRNGKey(0), config)
    batch = parallel.shard_batch(random_batch(config, method.streams(config)[kind]), devices)
    lowered = parallel.MappedStep(method.make_train_steps(config)[kind], devices).lower(
        parallel.shard_state(state, devices), batch
    )
    both = kind == "update" or kind.endswith("_both")
    players = (state.discriminator, state.generator) if both else (state.discriminator,)
    return lowered, ([player.params for player in players], lowered.out_info[1])


def _as_lowered(text):
    """Returns {collective: shapes of its arrays}."""
    found = {}
    for name, dims in _LOWERED.findall(text):
        found.setdefault(name, []).append(tuple(map(int, filter(None, dims.split("x")))))
    return found


def _as_compiled(text):
    found = {}
    for arrays, name in _COMPILED.findall(text):
        shapes = re.findall(r"\b[a-z]+\d+\[([\d,]*)\]", arrays)
        found.setdefault(name, []).extend(tuple(map(int, filter(None, dims.split(",")))) for dims in shapes)
    return found


def _entries(arrays):
    """Counts arrays by their number of entries: XLA may change a shape on the way, from (1, 1, 8) to (8,)."""
    return Counter(math.prod(getattr(x, "shape", x)) for x in arrays)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("update", 8), ("labelled", 1), ("labelled", 2), ("labelled", 4), ("labelled", 8), ("labelled_both", 8)],
)
def test_each_gradient_and_metric_is_reduced_once(kind, count):
    config = tiny.config(batch_size=8) if kind == "update" else tiny.faces_config()
    lowered, reduced = _lower(config, kind, count)
    assert _entries(_as_lowered(lowered.as_text())["all_reduce"]) == _entries(jax.tree.leaves(reduced))


@pytest.mark.parametrize(
    ("kind", "count"),
    [("labelled", 1), ("labelled", 2), ("labelled", 4), ("labelled", 8)]
    + _slow(*((kind, count) for kind in ("update", "labelled_both") for count in (1, 8))),
)
def test_compiled_once_as_well(kind, count):
    config = tiny.config(batch_size=8) if kind == "update" else tiny.faces_config()
    lowered, reduced = _lower(config, kind, count)
    found, wanted = (
        _entries(_as_compiled(lowered.compile().as_text())["all-reduce"]),
        _entries(jax.tree.leaves(reduced)),
    )
    assert not found - wanted
    # The gradient of a bias that a norm follows is the constant 0, which XLA does not send.
    biases = [x for path, x in jax.tree_util.tree_leaves_with_path(reduced) if "bias" in jax.tree_util.keystr(path)]
    assert wanted - found <= _entries(biases) and (kind == "update" or found == wanted)


@pytest.mark.parametrize("kind", _MATCHES)
def test_match_gan_gathers_the_features_of_a_loss_once(kind):
    config = tiny.faces_config()
    found = _as_lowered(_lower(config, kind, 4)[0].as_text())
    width = config.model.discriminator_width * 2 ** (config.model.discriminator_layers - 1)
    features, labels = (config.batch_size, 4, 4, width), (config.batch_size, len(config.data.attributes))
    assert Counter(found.get("all_gather", [])) == Counter([features, labels] * _MATCHES[kind])
    # Their gradients go back by as many reduce-scatters, each device receiving its own part.
    assert found.get("reduce_scatter", []) == [(config.batch_size // 4, 4, 4, width)] * _MATCHES[kind]
    assert found.keys() <= {"all_reduce", "all_gather", "reduce_scatter"}
