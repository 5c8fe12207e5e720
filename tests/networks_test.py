"""Layers against their definitions, networks against arrays of PyTorch reference networks."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from absl.testing import absltest, parameterized
from jax import lax

from gan_ssl import interop
from gan_ssl.networks import PatchDiscriminator, ResnetGenerator, Siamese, layers
from gan_ssl.networks.siamese import normalise_map
from tests import golden


def _normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _params(net, *inputs):
    """Random parameters without the compilation that an initialisation takes."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"]
    return jax.tree.map(lambda leaf: 0.1 * _normal(*leaf.shape, seed=leaf.size), shapes)


def _relative_error(actual, expected):
    return np.max(np.abs(np.asarray(actual) - expected)) / np.max(np.abs(expected))


class GoldenTest(absltest.TestCase):
    def test_outputs_are_the_reference_networks(self):
        arrays = golden.load()
        generator, discriminator = ResnetGenerator(4, 2), PatchDiscriminator(4, 3)
        nets = {"G_AB": generator, "G_BA": generator, "D_A": discriminator, "D_B": discriminator}
        params = {name: interop.from_torch(net, golden.select(arrays, name)) for name, net in nets.items()}

        @jax.jit
        def outputs(params, a, b):
            run = lambda name, x: nets[name].apply({"params": params[name]}, x)
            fake_a = run("G_BA", b)
            return {"fake_b": run("G_AB", a), "d_b_real": run("D_B", b), "d_a_fake": run("D_A", fake_a)}

        images = [arrays[f"in/real_{domain}"].transpose(0, 2, 3, 1) for domain in "ab"]
        for name, value in outputs(params, *images).items():
            with self.subTest(name):
                expected = arrays[f"out/{name}"].transpose(0, 2, 3, 1)
                self.assertEqual(value.shape, expected.shape)
                self.assertLess(_relative_error(value, expected), 1e-4)


def _dilated(x, kernel):
    """The transposed convolution as XLA's own dilated one."""
    low = kernel.shape[0] - 2
    pads = ((low, 2 if kernel.shape[0] == 3 else low),) * 2
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel[::-1, ::-1], (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=numbers)


class LayersTest(parameterized.TestCase):
    @parameterized.parameters(3, 4)
    def test_convolve_transposed_is_its_definition(self, side):
        x, kernel = _normal(2, 4, 3, 2), _normal(side, side, 2, 5, seed=1)
        expected = np.zeros((2, 8, 6, 5))
        for row, column, i, j in itertools.product(range(4), range(3), range(side), range(side)):
            top, left = 2 * row + i - 1, 2 * column + j - 1
            if 0 <= top < 8 and 0 <= left < 6:
                expected[:, top, left] += x[:, row, column] @ kernel[i, j]
        self.assertLess(_relative_error(layers.convolve_transposed(x, kernel), expected), 1e-6)

    @parameterized.parameters(3, 4)
    def test_convolve_transposed_has_the_gradients_of_the_dilated_form(self, side):
        x, kernel, weight = _normal(2, 4, 3, 2), _normal(side, side, 2, 5, seed=1), _normal(2, 8, 6, 5, seed=2)
        gradients = [
            jax.jit(jax.grad(lambda x, kernel, f=f: jnp.sum(f(x, kernel) * weight), (0, 1)))(x, kernel)
            for f in (layers.convolve_transposed, _dilated)
        ]
        for ours, reference in zip(*gradients, strict=True):
            self.assertLess(_relative_error(ours, reference), 1e-5)

    def test_convolve_is_a_cross_correlation(self):
        x, kernel = _normal(1, 5, 7, 2), _normal(3, 3, 2, 4, seed=1)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        expected = np.zeros((1, 3, 4, 4))
        for row, column in itertools.product(range(3), range(4)):
            window = padded[0, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[0, row, column] = np.einsum("hwi,hwio->o", window, kernel)
        self.assertLess(_relative_error(layers.convolve(x, kernel, stride=2, padding=1), expected), 1e-6)

    def test_upsample_bilinear_is_jax_image_resize(self):
        x = _normal(2, 5, 4, 3)
        expected = jax.image.resize(x, (2, 10, 8, 3), "bilinear")
        np.testing.assert_allclose(layers.upsample_bilinear(x), expected, atol=1e-6)

    def test_blur_downsample_weighs_neighbours(self):
        x = _normal(1, 6, 4, 2)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
        expected = np.einsum("nhwcij,ij->nhwc", windows, weights)
        np.testing.assert_allclose(layers.blur_downsample(x), expected, atol=1e-6)

    def test_blur_downsample_removes_the_finest_checkerboard(self):
        rows, columns = np.indices((8, 8))
        board = ((-1.0) ** (rows + columns)).astype(np.float32)[None, :, :, None]
        np.testing.assert_allclose(layers.blur_downsample(board), 0.0, atol=1e-6)

    @parameterized.parameters((jnp.float32, 1e-4), (jnp.bfloat16, 2e-2))
    def test_instance_norm(self, dtype, tolerance):
        x = jnp.asarray(5.0 + 3.0 * _normal(2, 8, 6, 3), dtype)
        y = layers.instance_norm(x)
        self.assertEqual(y.dtype, dtype)
        y = np.asarray(y, np.float32)
        np.testing.assert_allclose(y.mean((1, 2)), 0.0, atol=tolerance)
        np.testing.assert_allclose(y.var((1, 2)), 1.0, atol=tolerance)

    def test_instance_norm_of_a_constant_is_zero_and_has_a_gradient(self):
        x = jnp.full((1, 4, 4, 2), 7.0)
        np.testing.assert_array_equal(layers.instance_norm(x), 0.0)
        gradient = jax.grad(lambda x: jnp.sum(layers.instance_norm(x)[:, 0]))(x)
        self.assertTrue(np.isfinite(gradient).all())


class NetworksTest(parameterized.TestCase):
    def test_a_bias_before_a_norm_shifts_nothing_and_gets_no_gradient(self):
        net, images = PatchDiscriminator(2, 1), _normal(1, 16, 16, 3)
        params = _params(net, images)
        loss_fn = jax.jit(lambda params: jnp.sum(net.apply({"params": params}, images) ** 2))
        gradient = jax.jit(jax.grad(loss_fn))(params)
        np.testing.assert_array_equal(gradient["conv_1"]["bias"], 0.0)
        self.assertTrue(np.any(gradient["conv_0"]["bias"]))
        self.assertTrue(np.any(gradient["conv_out"]["bias"]))
        shifted = {**params, "conv_1": {**params["conv_1"], "bias": params["conv_1"]["bias"] + 1.0}}
        np.testing.assert_allclose(loss_fn(shifted), loss_fn(params), rtol=1e-4)

    @parameterized.product(upsample=("transpose", "resize", "antialias"), skip=(False, True))
    def test_generators_keep_the_shape(self, upsample, skip):
        net = ResnetGenerator(4, 1, upsample, skip)
        images = jax.ShapeDtypeStruct((2, 12, 20, 1), jnp.float32)
        output, variables = jax.eval_shape(net.init_with_output, jax.random.key(0), images)
        self.assertEqual(output.shape, images.shape)
        params = variables["params"]
        inputs = {name: params[name]["kernel"].shape[2] for name in ("up_0", "up_1")}
        if not skip:
            self.assertEqual(inputs, {"up_0": 16, "up_1": 8})
        elif upsample == "transpose":
            self.assertEqual(inputs, {"up_0": 8 + 8, "up_1": 4 + 4})
        else:
            self.assertEqual(inputs, {"up_0": 16 + 8, "up_1": 8 + 4})

    def test_a_grey_generator_gives_one_channel_in_all(self):
        net, images = ResnetGenerator(2, 0, grey=True), _normal(1, 8, 8, 3)
        params = _params(net, images)
        translated = net.apply({"params": params}, images)
        np.testing.assert_array_equal(translated, np.repeat(translated[..., :1], 3, axis=-1))
        plain = ResnetGenerator(2, 0)
        self.assertGreater(np.ptp(plain.apply({"params": params}, images), axis=-1).max(), 1e-3)
        taken = interop.from_torch(plain, interop.to_torch(net, params))  # of which public code needs no mean
        np.testing.assert_allclose(plain.apply({"params": taken}, images), translated, atol=1e-5)

    @parameterized.parameters((1, 16), (2, 34), (3, 70))
    def test_discriminators_see_what_they_say(self, num_layers, seen):
        net = PatchDiscriminator(4, num_layers)
        images = jax.ShapeDtypeStruct((1, 128, 96, 3), jnp.float32)
        output, variables = jax.eval_shape(net.init_with_output, jax.random.key(0), images)
        stride = 2**num_layers
        self.assertEqual(output.shape, (1, 128 // stride - 2, 96 // stride - 2, 1))
        names = [f"conv_{i}" for i in range(num_layers + 1)] + ["conv_out"]
        kernels = [variables["params"][name]["kernel"].shape for name in names]
        view = 1
        for layer in reversed(range(num_layers + 2)):
            view = (view - 1) * (2 if layer < num_layers else 1) + kernels[layer][0]
        self.assertEqual(view, seen)
        self.assertEqual([kernel[-1] for kernel in kernels], [4, 8, 16, 32][: num_layers + 1] + [1])


class SiameseTest(parameterized.TestCase):
    @parameterized.parameters((85, (2, 2, 2), 11), (21, (1, 2, 2), 6), (32, (1, 2, 2), 8))
    def test_shapes(self, side, strides, places):
        net = Siamese(4, strides)
        patches = jax.ShapeDtypeStruct((3, side, side, 3), jnp.float32)
        variables = jax.eval_shape(net.init, jax.random.key(0), patches, patches)
        map_a, map_b, logits = jax.eval_shape(net.apply, variables, patches, patches)
        self.assertEqual((map_a.shape, map_b.shape, logits.shape), ((3, side, side), (3, side, side), (3, 3)))
        content, domain = jax.eval_shape(lambda v, x: net.apply(v, x, method="features"), variables, patches)
        self.assertEqual((content.shape, domain.shape), ((3, places, places, 32),) * 2)

    def test_weights_are_shared_and_order_matters_to_the_classifier_alone(self):
        net, first, second = Siamese(2, (1, 2, 2)), _normal(2, 12, 12, 3), _normal(2, 12, 12, 3, seed=1)
        variables = {"params": _params(net, first, second)}
        apply = jax.jit(net.apply)
        map_a, map_b, logits = apply(variables, first, second)
        swapped_a, swapped_b, swapped = apply(variables, second, first)
        np.testing.assert_allclose(map_a, swapped_b, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(map_b, swapped_a, rtol=1e-5, atol=1e-7)
        self.assertGreater(np.max(np.abs(logits - swapped)), 1e-5)

    @parameterized.product(scale=(1e-3, 1.0, 50.0), offset=(0.0, -3.0))
    def test_normalise_map(self, scale, offset):
        x = scale * _normal(3, 7, 5) + np.float32(offset)
        l2, softmax, standard = (np.asarray(normalise_map(x, how)) for how in ("l2", "softmax", "standardize"))
        np.testing.assert_array_equal(normalise_map(x, "none"), x)
        norms = np.sqrt((x**2).sum((1, 2)))
        np.testing.assert_allclose((l2**2).sum((1, 2)), norms**2 / (norms**2 + 1e-6), rtol=1e-4)
        np.testing.assert_allclose(softmax.sum((1, 2)), 1.0, rtol=1e-5)
        self.assertGreaterEqual(softmax.min(), 0.0)
        np.testing.assert_allclose(standard.mean((1, 2)), 0.0, atol=1e-3)
        variance = x.var((1, 2), dtype=np.float64)
        np.testing.assert_allclose(standard.var((1, 2)), variance / (variance + 1e-6), rtol=1e-2)

    @parameterized.parameters("none", "l2", "softmax", "standardize")
    def test_normalise_map_of_a_constant_is_finite(self, how):
        value, gradient = jax.value_and_grad(lambda x: jnp.sum(normalise_map(x, how)))(jnp.zeros((2, 4, 4)))
        self.assertTrue(np.isfinite(value) and np.isfinite(gradient).all())

    def test_an_unknown_normalisation_is_named(self):
        with self.assertRaisesRegex(ValueError, "'l1'; allowed: none, l2, softmax, standardize"):
            normalise_map(jnp.zeros((1, 2, 2)), "l1")


if __name__ == "__main__":
    absltest.main()
