"""FID's Inception against pytorch-fid's on random weights: pooled features, logits and resizing in a golden file.

`tests/golden/inception.npz` holds, of PyTorch: `pool`, `logits` for one image of 107x139; `up`, `down`: every 23rd row
and 29th column of images of 24x20 and 320x400 after resizing.
"""

from pathlib import Path

import jax
import numpy as np
import pytest

from gan_ssl import errors
from gan_ssl.evaluation import inception
from gan_ssl.interop import weight_files
from tests import tiny

GOLDEN = Path(__file__).parent / "golden" / "inception.npz"


@pytest.fixture(scope="module")
def arrays():
    """The weights that PyTorch had: drawn name by name, in alphabetic order."""
    rng, drawn = np.random.default_rng(0), {}
    shapes = inception._torch_shapes() | {"fc.bias": (1008,)}
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith(("running_var", "bn.weight")):
            drawn[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
            continue
        scale = np.sqrt(2 / np.prod(shape[1:])) if name.endswith("conv.weight") else 0.1
        scale = 0.05 if name == "fc.weight" else scale
        drawn[name] = rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
    return drawn


def _picture(seed, *size):
    return np.random.default_rng(seed).uniform(0, 1, (1, *size, 3)).astype(np.float32)


def test_network_is_the_reference(arrays):
    assert sum(a.size for a in arrays.values()) == 23885392
    params = inception.from_torch(arrays)
    apply = jax.jit(inception.InceptionV3().apply)
    features, logits = apply({"params": params}, 2 * _picture(1, 107, 139) - 1)
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(features, golden["pool"], atol=1e-4 * np.abs(golden["pool"]).max())
        np.testing.assert_allclose(logits, golden["logits"], atol=1e-4 * np.abs(golden["logits"]).max())


def test_resizing_is_the_references():
    with np.load(GOLDEN) as golden:
        for name, picture in (("up", _picture(2, 24, 20)), ("down", _picture(3, 320, 400))):
            resized = np.asarray(inception.resize(picture))
            assert resized.shape == (1, 299, 299, 3)
            np.testing.assert_allclose(resized[0, ::23, ::29], golden[name], atol=2e-5)


def test_batches_are_filled_up_and_integers_scaled(arrays, monkeypatch):
    seen = []
    monkeypatch.setattr(inception, "_look", lambda params, x: seen.append(x) or (x[:, 0, 0], x[:, 0, 0]))
    pictures = np.full((17, 2, 2, 3), 255, np.uint8)
    features, _ = inception.Inception({}).features(pictures)
    assert features.shape == (17, 3) and np.all(features == 1.0)
    assert [x.shape for x in seen] == [(16, 2, 2, 3)] * 2 and seen[0].dtype == np.float32


def test_other_arrays_are_named(arrays, tmp_path):
    odd = {n: a for n, a in arrays.items() if n != "Mixed_7c.branch1x1.bn.bias"}
    odd |= {"AuxLogits.fc.weight": np.zeros(1), "Mixed_7c.branch1x1.bn.num_batches_tracked": np.zeros(())}
    with pytest.raises(errors.WeightsError, match="1 arrays differ, among them Mixed_7c.branch1x1.bn.bias"):
        inception.from_torch(odd)
    weight_files.write(tmp_path / "x.npz", {"conv.weight": np.zeros(3)})
    with pytest.raises(errors.WeightsError, match="x.npz: not FID's Inception"):
        inception.load(tmp_path / "x.npz")


def test_weights_are_found_in_the_cache_or_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(errors.WeightsError, match=f"put pytorch-fid's .*pth at {tmp_path}/gan_ssl/inception.pth"):
        inception.find(tiny.config())
    (tmp_path / "gan_ssl").mkdir()
    (tmp_path / "gan_ssl" / "inception.npz").touch()
    assert inception.find(tiny.config()).name == "inception.npz"
    with pytest.raises(errors.WeightsError, match="at /nowhere.npz"):
        inception.find(tiny.config(evaluation__inception_weights="/nowhere.npz"))
