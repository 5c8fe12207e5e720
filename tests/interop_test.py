"""Weights to and from PyTorch's names, and files that mean harm."""

import contextlib
import io
import json
import os
import pathlib
import pickle
import struct
import tempfile
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import absltest, parameterized

from gan_ssl import errors, interop
from gan_ssl.interop import weight_files
from gan_ssl.networks import PatchDiscriminator, ResnetGenerator, Siamese
from tests import golden

IMAGES = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)


def _params(net):
    shapes = jax.eval_shape(net.init, jax.random.key(0), IMAGES)["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes)


def _discriminator(**extra):
    return {**golden.select(golden.load(), "D_A"), **extra}


class TorchNamesTest(parameterized.TestCase):
    @parameterized.parameters("G_AB", "G_BA", "D_A", "D_B")
    def test_published_weights_survive_the_way_there_and_back(self, name):
        arrays = golden.select(golden.load(), name)
        net = interop.infer_net(arrays)
        self.assertEqual(net, ResnetGenerator(4, 2) if name[0] == "G" else PatchDiscriminator(4, 3))
        back = interop.to_torch(net, interop.from_torch(net, arrays))
        self.assertEqual(list(back), list(arrays))
        for key, array in arrays.items():
            self.assertEqual(back[key].dtype, np.float32)
            self.assertTrue(back[key].flags.c_contiguous)
            np.testing.assert_array_equal(back[key], array)

    @parameterized.parameters(
        *(
            ResnetGenerator(4, 1, upsample, skip)
            for upsample in ("transpose", "resize", "antialias")
            for skip in (0, 1)
        ),
        ResnetGenerator(2, 0),
        *(PatchDiscriminator(2, n) for n in range(1, 6)),
    )
    def test_every_network_is_inferred_from_its_own_weights(self, net):
        params = _params(net)
        arrays = interop.to_torch(net, params)
        self.assertEqual(interop.infer_net(arrays), net)
        jax.tree.map(np.testing.assert_array_equal, interop.from_torch(net, arrays), params)

    def test_old_and_wrapped_names(self):
        arrays = golden.select(golden.load(), "G_AB")
        old = {f"module.{name.replace('block.5', 'block.6')}": array for name, array in arrays.items()}
        old["module.model.2.running_mean"] = np.zeros(4, np.float32)
        old["module.model.2.num_batches_tracked"] = np.array(7)
        net = interop.infer_net(old)
        with self.assertLogs("absl", "INFO") as logs:
            params = interop.from_torch(net, old)
        self.assertIn("'model.2.running_mean', 'model.2.num_batches_tracked'", logs.output[0])
        jax.tree.map(np.testing.assert_array_equal, params, interop.from_torch(net, arrays))

    def test_unknown_and_missing_names_are_listed(self):
        arrays = _discriminator(**{"module.model.3.weight": np.ones(8, np.float32)})
        del arrays["model.5.bias"]
        with self.assertRaisesRegex(errors.WeightsError, r"unknown: 'model\.3\.weight'; missing: 'model\.5\.bias'$"):
            interop.from_torch(interop.infer_net(arrays), arrays)

    @parameterized.parameters(
        (
            {"model.5.weight": np.ones((16, 8, 3, 3), np.float32)},
            r"model\.5\.weight .*\(16, 8, 3, 3\).*\(16, 8, 4, 4\)",
        ),
        ({"model.5.bias": np.ones((), np.float32)}, r"model\.5\.bias has shape \(\).*\(16,\)"),
        ({"model.0.weight": np.ones((0, 3, 4, 4), np.float32)}, "no generator or discriminator by its names"),
        ({"model.0.weight": np.ones((4, 0, 4, 4), np.float32)}, "no generator or discriminator by its names"),
        ({"model.5.bias": np.full(16, np.nan, np.float32)}, "model.5.bias .*not finite"),
        ({"model.5.bias": np.ones(16, np.int64)}, "model.5.bias of type int64"),
        ({"module.model.5.bias": np.ones(16, np.float32)}, "model.5.bias is given twice"),
    )
    def test_arrays_that_do_not_fit_are_named(self, extra, message):
        arrays = _discriminator(**extra)
        with self.assertRaisesRegex(errors.WeightsError, message):
            interop.from_torch(interop.infer_net(arrays), arrays)

    def test_other_networks_are_refused(self):
        with self.assertRaisesRegex(errors.WeightsError, "'up1.weight'"):
            interop.infer_net({"up1.weight": np.ones((1, 1, 3, 3), np.float32)})
        with self.assertRaisesRegex(errors.WeightsError, "Siamese has no published names"):
            interop.to_torch(Siamese(2), {})
        with self.assertRaisesRegex(errors.WeightsError, "missing: 'model.11.weight'"):
            interop.from_torch(PatchDiscriminator(4, 3), {k: v for k, v in _discriminator().items() if "11.w" not in k})

    def test_parameters_of_another_network_are_refused(self):
        params = interop.from_torch(PatchDiscriminator(4, 3), _discriminator())
        with self.assertRaisesRegex(errors.WeightsError, "unknown: 'conv_3/bias', 'conv_3/kernel'$"):
            interop.to_torch(PatchDiscriminator(4, 2), params)
        with self.assertRaisesRegex(errors.WeightsError, "has shape"):
            interop.to_torch(PatchDiscriminator(8, 3), params)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path(self.path),))


def _pickled_npy(trap):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([trap], object), allow_pickle=True)
    return stream.getvalue()


def _npy_header(shape):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _zipped(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


class WeightFilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))

    @parameterized.parameters(".npz", ".safetensors", ".pth")
    def test_files_hold_what_was_written(self, suffix):
        if suffix == ".pth":
            pytest.importorskip("torch")
        arrays = {"model.1.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.float32(3.0)}
        path = self.folder / "new folder" / f"weights{suffix}"
        interop.write(path, arrays)
        read = interop.read(path)
        self.assertEqual(sorted(read), sorted(arrays))
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name].reshape(np.shape(array)), array)
        self.assertEqual(os.listdir(path.parent), [path.name])

    def _assert_refused(self, name, content, message=""):
        path = self.folder / name
        path.write_bytes(content)
        with self.assertRaisesRegex(errors.WeightsError, message) as context:
            interop.read(path)
        self.assertIn(str(path), str(context.exception))
        self.assertNotIn("\n", str(context.exception))

    def test_a_trap_does_not_go_off(self):
        trap = Trap(self.folder / "sprung")
        self._assert_refused("a.npz", _zipped({"x.npy": _pickled_npy(trap)}))
        self._assert_refused("b.npz", pickle.dumps(trap))
        self._assert_refused("c.safetensors", pickle.dumps(trap))
        self.assertFalse((self.folder / "sprung").exists())
        pickle.loads(pickle.dumps(trap))
        self.assertTrue((self.folder / "sprung").exists(), "the trap is none")

    def test_a_trap_for_pytorch_does_not_go_off(self):
        torch = pytest.importorskip("torch")
        trap = Trap(self.folder / "sprung")
        stream = io.BytesIO()
        torch.save({"x": trap}, stream)
        self._assert_refused("a.pth", stream.getvalue(), "damaged, or would run code")
        self._assert_refused("b.pth", pickle.dumps(trap))
        self.assertFalse((self.folder / "sprung").exists())

    def test_only_a_dictionary_of_tensors_is_read(self):
        torch = pytest.importorskip("torch")
        for value in ([torch.ones(2)], {"state_dict": {"x": torch.ones(2)}}, {"epoch": 3}):
            stream = io.BytesIO()
            torch.save(value, stream)
            self._assert_refused("a.pth", stream.getvalue(), "not a dictionary of tensors")
        stream = io.BytesIO()
        torch.save({"x": torch.ones(1).expand(2**30)}, stream)
        self._assert_refused("a.pth", stream.getvalue(), "unpacks to more")

    def test_pytorch_types_are_kept_or_widened(self):
        torch = pytest.importorskip("torch")
        values = {dtype: torch.tensor([0.1, -3.0], dtype=dtype) for dtype in (torch.float16, torch.bfloat16)}
        path = self.folder / "a.pth"
        torch.save({str(dtype): torch.nn.Parameter(value) for dtype, value in values.items()}, path)
        for dtype, value in values.items():
            np.testing.assert_array_equal(interop.read(path)[str(dtype)], value.float().numpy())

    def test_damaged_files(self):
        weights = {"x": np.ones((64, 64), np.float32)}
        for suffix in (".npz", ".safetensors"):
            interop.write(self.folder / f"whole{suffix}", weights)
            whole = (self.folder / f"whole{suffix}").read_bytes()
            for length in (0, 5, 60, len(whole) // 2, len(whole) - 1):
                self._assert_refused(f"cut{suffix}", whole[:length])
        self._assert_refused("huge.safetensors", struct.pack("<Q", 2**63 - 1) + b"{")
        header = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
        self._assert_refused("long.safetensors", struct.pack("<Q", len(header)) + header)
        self._assert_refused("huge.npz", _zipped({"x.npy": _npy_header((2**28, 2**28))}))

    def test_a_bomb_is_refused_before_it_is_unpacked(self):
        zeros = _npy_header((2**18,)) + bytes(2**20)
        bomb = _zipped({"x.npy": zeros}, zipfile.ZIP_DEFLATED)
        (self.folder / "bomb.npz").write_bytes(bomb)
        self.assertLess(len(bomb), 2**14)
        self.enter_context(absltest.mock.patch.object(weight_files, "MAX_BYTES", 2**16))
        self._assert_refused("bomb.npz", bomb, "unpacks to 1048")
        self._assert_refused("long.npz", bytes(2**17), "has 131072 bytes")

    def test_random_bytes(self):
        rng = np.random.default_rng(0)
        interop.write(self.folder / "a.npz", {"x": np.ones(300, np.float32)})
        whole = np.frombuffer((self.folder / "a.npz").read_bytes(), np.uint8)
        for suffix in (".npz", ".safetensors"):
            for _ in range(200):
                content = whole.copy()
                content[rng.integers(0, len(whole), 8)] = rng.integers(0, 256, 8)
                (self.folder / f"b{suffix}").write_bytes(content.tobytes())
                with contextlib.suppress(errors.WeightsError):
                    interop.read(self.folder / f"b{suffix}")

    def test_paths_that_cannot_be_used(self):
        (self.folder / "folder.npz").mkdir()
        for name, message in (
            ("missing.npz", "no such file"),
            ("folder.npz", "no such file"),
            ("a.ckpt", r"'\.ckpt'; allowed: \.npz, \.safetensors, \.pth"),
            ("bad\0name.npz", "bad"),
        ):
            with self.assertRaisesRegex(errors.WeightsError, message):
                interop.read(self.folder / name)
        (self.folder / "file").touch()
        with self.assertRaisesRegex(errors.WeightsError, "cannot be written"):
            interop.write(self.folder / "file" / "a.npz", {"x": np.ones(1)})

    def test_pth_without_pytorch_names_the_extra(self):
        (self.folder / "a.pth").touch()
        self.enter_context(absltest.mock.patch.dict("sys.modules", {"torch": None}))
        with self.assertRaisesRegex(errors.WeightsError, r"pip install 'gan_ssl\[torch\]'"):
            interop.read(self.folder / "a.pth")


if __name__ == "__main__":
    absltest.main()
