"""The conditional pair's weights to and from the names of the public StarGAN and MatchGAN."""

import jax
import jax.numpy as jnp
import numpy as np
from absl.testing import absltest, parameterized

from gan_ssl import errors, interop
from gan_ssl.networks import ConditionalDiscriminator, ConditionalGenerator, PatchDiscriminator
from tests import golden


def _params(net, labels=5, size=(32, 48)):
    """Random parameters of a network."""
    inputs = [jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)]
    if isinstance(net, ConditionalGenerator):
        inputs.append(jax.ShapeDtypeStruct((1, labels), jnp.float32))
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes)


def _golden(name, labels="multilabel"):
    return golden.select(golden.load_matchgan(labels), name)


class StarganNamesTest(parameterized.TestCase):
    @parameterized.product(name=("G", "D"), labels=("multilabel", "singlelabel"))
    def test_published_weights_survive_the_way_there_and_back(self, name, labels):
        arrays = _golden(name, labels)
        net = interop.infer_net(arrays)
        count = 5 if labels == "multilabel" else 8
        self.assertEqual(
            net, ConditionalGenerator(4, 2) if name == "G" else ConditionalDiscriminator(4, 3, count, "concat")
        )
        back = interop.to_torch(net, interop.from_torch(net, arrays))
        self.assertEqual(list(back), list(arrays))
        for key, array in arrays.items():
            self.assertTrue(back[key].flags.c_contiguous)
            np.testing.assert_array_equal(back[key], array)

    @parameterized.product(
        names=("matchgan", "stargan"),
        net=(
            *(
                ConditionalGenerator(4, 1, upsample, skip)
                for upsample in ("transpose", "resize", "antialias")
                for skip in (False, True)
            ),
            ConditionalGenerator(2, 0),
            ConditionalGenerator(2, 3),
            ConditionalGenerator(2, 3, mask=True),
            ConditionalGenerator(4, 1, "resize", True, True, "norms"),
        ),
    )
    def test_every_generator_is_inferred_from_its_own_weights(self, names, net):
        params = _params(net, labels=2)
        arrays = interop.to_torch(net, params, names=names)
        self.assertEqual(interop.infer_net(arrays), net)
        jax.tree.map(np.testing.assert_array_equal, interop.from_torch(net, arrays), params)

    def test_the_row_of_layers_is_stargans(self):
        arrays = interop.to_torch(ConditionalGenerator(2, 6), _params(ConditionalGenerator(2, 6)), names="stargan")
        shapes = {name: array.shape for name, array in arrays.items()}
        self.assertEqual(list(shapes)[:4], ["main.0.weight", "main.1.weight", "main.1.bias", "main.3.weight"])
        self.assertEqual(shapes["main.0.weight"], (2, 8, 7, 7))
        self.assertEqual(shapes["main.14.main.4.bias"], (8,))
        self.assertEqual(shapes["main.15.weight"], (8, 4, 4, 4))
        self.assertEqual(shapes["main.18.weight"], (4, 2, 4, 4))
        self.assertEqual(shapes["main.21.weight"], (3, 2, 7, 7))
        self.assertLen(shapes, 6 * 6 + 4 + 10 + 2)

    @parameterized.product(layers=(1, 2, 4), head=("concat", "compare"))
    def test_every_discriminator_is_inferred_from_its_own_weights(self, layers, head):
        net = ConditionalDiscriminator(2, layers, 3, head)
        params = _params(net)
        arrays = interop.to_torch(net, params)
        self.assertIn("conv3.weight" if head == "concat" else "compare.weight", arrays)
        self.assertEqual(interop.infer_net(arrays), net)
        jax.tree.map(np.testing.assert_array_equal, interop.from_torch(net, arrays), params)

    def test_a_match_head_that_a_file_lacks_starts_at_zero(self):
        arrays = _golden("D")
        concat = interop.infer_net(arrays)
        params = interop.from_torch(concat, arrays)
        with self.assertLogs("absl", "INFO") as logs:
            stargan = interop.to_torch(concat, params, names="stargan")
        self.assertIn("want of a name of stargan: 'match/kernel'", logs.output[0])
        self.assertEqual(stargan.keys(), arrays.keys() - {"conv3.weight"})
        net = interop.infer_net(stargan)
        self.assertEqual(net, concat.clone(match_head="compare"))
        with self.assertLogs("absl", "INFO") as logs:
            fresh = interop.from_torch(net, stargan)
        self.assertIn("these weights have no 'match/kernel': starts afresh, at zero", logs.output[0])
        self.assertEqual(fresh["match"]["kernel"].shape, (4, 4, 32, 2))
        self.assertFalse(np.any(fresh["match"].pop("kernel")))
        params["match"].pop("kernel")
        jax.tree.map(np.testing.assert_array_equal, fresh, params)

    def test_statistics_and_prefixes_go(self):
        arrays = _golden("G")
        old = {f"module.{name}": array for name, array in arrays.items()}
        old["module.encoder.1.running_mean"] = np.zeros(4, np.float32)
        old["module.encoder.1.num_batches_tracked"] = np.array(7)
        net = interop.infer_net(old)
        with self.assertLogs("absl", "INFO") as logs:
            params = interop.from_torch(net, old)
        self.assertIn("'encoder.1.running_mean', 'encoder.1.num_batches_tracked'", logs.output[0])
        jax.tree.map(np.testing.assert_array_equal, params, interop.from_torch(net, arrays))

    @parameterized.parameters(
        ("G", {"encoder.2.weight": np.ones(4, np.float32)}, (), r"unknown: 'encoder\.2\.weight'$"),
        ("G", {}, ("decoder.2.bias", "encoder.3.weight"), r"missing: 'encoder\.3\.weight', 'decoder\.2\.bias'$"),
        ("G", {}, ("decoder.7.weight",), r"missing: 'decoder\.7\.weight'$"),
        ("G", {"decoder.1.weight": np.ones((16, 8, 3, 3), np.float32)}, (), r"decoder\.1\.weight .*\(16, 8, 4, 4\)"),
        ("G", {"encoder.1.weight": np.full(4, np.inf, np.float32)}, (), r"encoder\.1\.weight .*not finite"),
        ("G", {"encoder.0.weight": np.ones((4, 2, 7, 7), np.float32)}, (), r"encoder\.0\.weight has shape"),
        ("D", {"conv2.weight": np.ones((5, 16, 8, 4), np.float32)}, (), r"conv3\.weight has shape .*\(2, 32, 8, 4\)"),
        ("D", {"conv4.weight": np.ones((5, 16, 8, 4), np.float32)}, (), r"unknown: 'conv4\.weight'$"),
        ("D", {}, ("conv1.weight",), r"missing: 'conv1\.weight'$"),
        ("D", {}, ("conv2.weight",), r"allowed: names of .*MatchGAN"),
    )
    def test_arrays_that_do_not_fit_are_named(self, name, extra, left_out, message):
        arrays = {key: array for key, array in (_golden(name) | extra).items() if key not in left_out}
        with self.assertRaisesRegex(errors.WeightsError, message):
            interop.from_torch(interop.infer_net(arrays), arrays)

    def test_names_and_parameters_of_others_are_refused(self):
        net = ConditionalGenerator(4, 2)
        params = interop.from_torch(net, _golden("G"))
        with self.assertRaisesRegex(errors.WeightsError, "'cyclegan'; allowed for Cond.*: matchgan, stargan"):
            interop.to_torch(net, params, names="cyclegan")
        with self.assertRaisesRegex(errors.WeightsError, "'stargan'; allowed for PatchDiscriminator: cyclegan"):
            interop.to_torch(PatchDiscriminator(4, 3), {}, names="stargan")
        with self.assertRaisesRegex(errors.WeightsError, "unknown: 'block_1/conv_0/kernel'"):
            interop.to_torch(net.clone(num_blocks=1), params)


if __name__ == "__main__":
    absltest.main()
