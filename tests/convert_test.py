"""Weights files into a work directory and back, through the launcher."""

import pathlib
import tempfile

import convert as launcher
import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from absl.testing import absltest, flagsaver, parameterized

from gan_ssl import errors, inference, interop, methods
from gan_ssl.interop import convert
from gan_ssl.training import checkpoints
from tests import golden

_FILES = {"a2b": "G_AB", "b2a": "G_BA", "discriminator_a": "D_A", "discriminator_b": "D_B"}
_MATCHGAN_FILES = {"generator": "G", "discriminator": "D"}


def _launch(**values):
    """Runs the launcher's main as its command line would."""
    flags.FLAGS(["convert"])
    with flagsaver.flagsaver(**values):
        launcher.main(["convert"])


class ConvertTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.arrays = {name: golden.select(golden.load(), prefix) for name, prefix in _FILES.items()}
        cls.files = {name: str(cls.folder / f"{name}.npz") for name in _FILES}
        for name, path in cls.files.items():
            interop.write(path, cls.arrays[name])
        cls.workdir = str(cls.folder / "work directory")
        _launch(workdir=cls.workdir, **cls.files)

    def test_the_work_directory_translates_as_the_reference_does(self):
        loaded = checkpoints.load(self.workdir)
        self.assertEqual(loaded.step, 0)
        model = loaded.config.model
        self.assertEqual((model.width, model.num_blocks, model.upsample, model.skip), (4, 2, "transpose", False))
        self.assertEqual((model.discriminator_width, model.discriminator_layers), (4, 3))
        translate = methods.get(loaded.config.method).make_translate(loaded.config)
        arrays = golden.load()
        images = jnp.asarray(arrays["in/real_a"].transpose(0, 2, 3, 1))
        fake = jax.jit(translate, static_argnums=2)(loaded.params["generator"], images, "a2b")
        np.testing.assert_allclose(fake, arrays["out/fake_b"].transpose(0, 2, 3, 1), atol=1e-4)

    @parameterized.parameters("npz", "safetensors")
    def test_files_come_back_bit_by_bit(self, suffix):
        output = self.folder / f"output {suffix}"
        _launch(from_workdir=self.workdir, output=str(output), format=suffix)
        self.assertEqual(sorted(p.name for p in output.iterdir()), sorted(f"{name}.{suffix}" for name in _FILES))
        for name, expected in self.arrays.items():
            back = interop.read(output / f"{name}.{suffix}")
            self.assertEqual(back.keys(), expected.keys())
            for key, array in expected.items():
                np.testing.assert_array_equal(back[key], array)

    def test_one_generator_is_enough(self):
        workdir = str(self.folder / "one")
        with self.assertLogs("absl", "INFO") as logs:
            _launch(workdir=workdir, a2b=self.files["a2b"], discriminator_b=self.files["discriminator_b"])
        self.assertIn("afresh, for lack of a file: b2a, discriminator_a, siamese", "\n".join(logs.output))
        params = checkpoints.load(workdir).params
        self.assertEqual(params["generator"]["b2a"]["conv_in"]["kernel"].shape, (7, 7, 3, 4))
        self.assertIn("siamese", params["discriminator"])
        given = params["generator"]["a2b"]["conv_in"]["kernel"].transpose(3, 2, 0, 1)
        np.testing.assert_array_equal(given, self.arrays["a2b"]["model.1.weight"])

    def test_files_that_do_not_fit_are_named(self):
        wide = self.folder / "wide.npz"
        interop.write(wide, {name: np.tile(a, (2, *[1] * (a.ndim - 1))) for name, a in self.arrays["a2b"].items()})
        grey = self.folder / "grey.npz"
        arrays = self.arrays["discriminator_a"]
        interop.write(grey, {**arrays, "model.0.weight": arrays["model.0.weight"][:, :1]})
        cases = (
            ({}, r"no weights file is given; allowed: one or more of a2b, b2a, discriminator_a"),
            ({"a2b": self.files["discriminator_a"]}, "a PatchDiscriminator; a2b needs a ResnetGenerator"),
            ({"a2b": self.files["a2b"], "generator": wide}, "files of two methods are given, op_gan and match_gan"),
            ({"a2b": wide}, r"wide\.npz: model\.4\.weight has shape"),
            ({"discriminator_a": grey}, r"grey\.npz: takes images of 1 channels; allowed: 3"),
            ({"a2b": self.folder / "none.npz"}, r"none\.npz: no such file"),
        )
        for files, message in cases:
            with self.assertRaisesRegex(errors.WeightsError, message):
                convert.files_to_workdir(files, self.folder / "refused")
        self.assertFalse((self.folder / "refused").exists())

    def test_generators_of_two_sizes_are_refused(self):
        generator = interop.infer_net(self.arrays["a2b"]).clone(num_blocks=1)
        shapes = jax.eval_shape(generator.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
        params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
        shallow = self.folder / "shallow.npz"
        interop.write(shallow, interop.to_torch(generator, params))
        with self.assertRaisesRegex(errors.WeightsError, r"shallow\.npz: model\.num_blocks is 1 there, and 2 in .*b2a"):
            convert.files_to_workdir({"b2a": self.files["b2a"], "a2b": shallow}, self.folder / "refused")

    def test_runs_are_not_overwritten_and_must_exist(self):
        with self.assertRaises(errors.CheckpointError):
            _launch(workdir=self.workdir, a2b=self.files["a2b"])
        with self.assertRaises(errors.CheckpointError):
            _launch(from_workdir=str(self.folder / "none"), output=str(self.folder))
        with self.assertRaisesRegex(errors.ConfigError, "--workdir"):
            _launch(a2b=self.files["a2b"])
        with self.assertRaisesRegex(errors.ConfigError, "--output"):
            _launch(from_workdir=self.workdir)

    def test_labels_are_no_matter_of_op_gan(self):
        with self.assertRaisesRegex(errors.ConfigError, "--attributes and --exclusive are for match_gan"):
            _launch(workdir=str(self.folder / "refused"), a2b=self.files["a2b"], attributes=["a", "b"])


_HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")
_ATTRIBUTES = [*_HAIR, "Male", "Young"]


class ConvertMatchGanTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        arrays = golden.load_matchgan("multilabel")
        cls.arrays = {name: golden.select(arrays, prefix) for name, prefix in _MATCHGAN_FILES.items()}
        cls.files = {name: str(cls.folder / f"{name}.npz") for name in _MATCHGAN_FILES}
        for name, path in cls.files.items():
            interop.write(path, cls.arrays[name])
        cls.workdir = str(cls.folder / "workdir")
        _launch(workdir=cls.workdir, attributes=_ATTRIBUTES, exclusive=[",".join(_HAIR)], **cls.files)

    def test_the_work_directory_translates_as_the_reference_does(self):
        config = checkpoints.load(self.workdir).config
        self.assertEqual(config.data.image_size, (32, 32))
        self.assertEqual((config.data.attributes, config.data.exclusive), (tuple(_ATTRIBUTES), (_HAIR,)))
        model = config.model
        self.assertEqual((model.width, model.num_blocks, model.upsample, model.skip), (4, 2, "transpose", False))
        self.assertEqual((model.discriminator_width, model.discriminator_layers, model.match_head), (4, 3, "concat"))
        editor, arrays = inference.load(self.workdir), golden.load_matchgan("multilabel")
        sensible = np.flatnonzero(editor.label_space.allows(arrays["in/c_trg"]))[:2]
        images = np.round((arrays["in/x_real"].transpose(0, 2, 3, 1) + 1) * 32767.5).astype(np.uint16)
        self.assertLen(sensible, 2)
        made = editor.translate(images[sensible], arrays["in/c_trg"][sensible])
        wanted = (arrays["out/g_fake"][sensible].transpose(0, 2, 3, 1) + 1) * 32767.5
        np.testing.assert_allclose(made, wanted, atol=32)
        read = editor.read_labels(images)
        np.testing.assert_array_equal(read[:, 3:], arrays["out/d_cls"][:, 3:] > 0)

    @parameterized.parameters("matchgan", "stargan")
    def test_files_come_back_bit_by_bit(self, names):
        output = self.folder / f"output {names}"
        with self.assertLogs("absl", "INFO") as logs:
            _launch(from_workdir=self.workdir, output=str(output), format="npz", names=names)
        self.assertIn("--attributes=Black_Hair,Blond_Hair,Brown_Hair,Male,Young --exclusive=Black", logs.output[-1])
        back = {name: interop.read(output / f"{name}.npz") for name in _MATCHGAN_FILES}
        if names == "matchgan":
            for name, expected in self.arrays.items():
                jax.tree.map(np.testing.assert_array_equal, back[name], expected)
        self.assertIn("encoder.0.weight" if names == "matchgan" else "main.0.weight", back["generator"])
        self.assertEqual("conv3.weight" in back["discriminator"], names == "matchgan")
        again = str(self.folder / f"again {names}")
        files = {name: str(output / f"{name}.npz") for name in _MATCHGAN_FILES}
        _launch(workdir=again, attributes=_ATTRIBUTES, **files)
        first, second = (checkpoints.load(path).params for path in (self.workdir, again))
        jax.tree.map(np.testing.assert_array_equal, first["generator"], second["generator"])
        self.assertEqual(bool(np.any(second["discriminator"]["match"]["kernel"])), names == "matchgan")

    def test_a_generator_alone_edits_what_is_told_in_full(self):
        workdir = str(self.folder / "alone")
        with self.assertLogs("absl", "INFO") as logs:
            _launch(
                workdir=workdir, generator=self.files["generator"], attributes=_ATTRIBUTES, exclusive=["Male,Young"]
            )
        self.assertIn("edits must set all of them", "\n".join(logs.output))
        editor, picture = inference.load(workdir), np.zeros((8, 8, 3), np.uint8)
        with self.assertRaisesRegex(errors.DataError, "reads no labels"):
            editor.edit(picture, {"Male": 1})
        self.assertEqual(editor.edit(picture, {"Male": 1, **dict.fromkeys(_HAIR, 0)}).shape, picture.shape)

    def test_labels_that_do_not_fit_are_named(self):
        eight = self.folder / "eight.npz"
        interop.write(eight, golden.select(golden.load_matchgan("singlelabel"), "D"))
        given = {"attributes": _ATTRIBUTES, **self.files}
        for change, error, message in (
            ({"attributes": []}, errors.ConfigError, "--attributes is missing; allowed: 5 names"),
            ({"attributes": ["a", "b"]}, errors.ConfigError, r"--attributes is 2 names \(a, b\); allowed: 5 names"),
            ({"attributes": ["a", "a", "b", "c", "d"]}, errors.ConfigError, "data.attributes"),
            ({"exclusive": ["Male,Yong"]}, errors.ConfigError, "data.exclusive names 'Yong'"),
            (
                {"discriminator": str(eight)},
                errors.WeightsError,
                r"eight\.npz: labels is 8 there, and 5 in .*generator",
            ),
            ({"generator": self.files["discriminator"]}, errors.WeightsError, "generator needs a ConditionalGenerator"),
        ):
            with self.assertRaisesRegex(error, message):
                _launch(workdir=str(self.folder / "refused"), **(given | change))
        self.assertFalse((self.folder / "refused").exists())
        with self.assertRaisesRegex(errors.WeightsError, "names is 'cyclegan'; allowed for ConditionalGenerator"):
            _launch(from_workdir=self.workdir, output=str(self.folder / "refused"), format="npz", names="cyclegan")


if __name__ == "__main__":
    absltest.main()
