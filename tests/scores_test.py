"""Scores against values that were worked out by hand or written plainly."""

import numpy as np
import pytest
from absl.testing import absltest, parameterized

from gan_ssl import errors
from gan_ssl.evaluation import scores


def _pictures(seed=0, n=2, size=(20, 24)):
    return np.random.default_rng(seed).integers(0, 256, (n, *size, 3), dtype=np.uint8)


def _plain_ssim(x, y):
    """Equation 13, window by window."""
    taps = np.exp(-0.5 * np.square((np.arange(11) - 5) / 1.5))
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            values.append((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return np.mean(values)


class LabelScoresTest(parameterized.TestCase):
    @parameterized.parameters(
        ([[0, 1], [1, 0]], 1.0, [1, 1, np.nan]),
        ([[0, 1], [1, 2]], 0.5, [0.5, 1, 0]),
    )
    def test_classes_absent_from_both_sides_do_not_count(self, prediction, miou, iou):
        matrix = scores.confusion_matrix(np.array([[0, 1], [1, 0]]), np.array(prediction), 3)
        self.assertAlmostEqual(scores.mean_iou(matrix), miou)
        np.testing.assert_allclose(scores.iou_by_class(matrix), iou)

    def test_ignored_pixels_do_not_count(self):
        matrix = scores.confusion_matrix(np.array([0, 1, 1, 9], np.uint8), np.array([0, 0, 1, 1]), 2, ignore_index=9)
        np.testing.assert_array_equal(matrix, [[1, 0], [1, 1]])
        self.assertAlmostEqual(scores.pixel_accuracy(matrix), 2 / 3)

    def test_only_ignored_pixels_give_no_score(self):
        matrix = scores.confusion_matrix(np.full((2, 2), 255), np.zeros((2, 2), int), 2)
        self.assertTrue(np.isnan(scores.mean_iou(matrix)) and np.isnan(scores.pixel_accuracy(matrix)))

    @parameterized.parameters(([0, 5], [0, 0], "truth"), ([0, 0], [0, -1], "prediction"), ([0], [0, 0], "shape"))
    def test_bad_labels_are_named(self, truth, prediction, name):
        with pytest.raises(errors.DataError, match=name):
            scores.confusion_matrix(np.array(truth), np.array(prediction), 3)


class PictureScoresTest(parameterized.TestCase):
    def test_l1_is_on_the_unit_range_for_all_types(self):
        black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 65535, np.uint16)
        self.assertEqual(scores.l1(black, white), 1.0)
        self.assertAlmostEqual(scores.l1(black, np.full((1, 4, 4, 3), 0.25, np.float32)), 0.25)

    def test_ssim_equals_its_plain_form(self):
        x, y = _pictures(0), _pictures(1)
        mixed = (0.7 * x + 0.3 * y).astype(np.uint8)
        plain = [_plain_ssim(scores.grey(p), scores.grey(q)) for p, q in zip(x, mixed, strict=True)]
        self.assertAlmostEqual(scores.ssim(x, mixed), np.mean(plain), places=9)
        self.assertAlmostEqual(scores.ssim(x, x), 1.0)

    def test_ssim_of_pictures_below_the_window(self):
        x = _pictures(size=(4, 7))
        self.assertAlmostEqual(scores.ssim(x, x), 1.0)
        self.assertLess(scores.ssim(x, 255 - x), 0)

    def test_edges(self):
        step = np.zeros((1, 10, 10, 3), np.uint8)
        step[:, :, 5:] = 200
        self.assertEqual(scores.edge_f_score(step, 255 - step), 1.0)
        self.assertEqual(scores.edge_f_score(step, step.swapaxes(1, 2)), 2 * 4 / 40)
        self.assertEqual(scores.edge_f_score(step, np.zeros_like(step)), 0.0)
        self.assertEqual(scores.edge_f_score(np.zeros_like(step), np.full_like(step, 9)), 1.0)

    def test_strongest_edges_mark_the_share(self):
        self.assertAlmostEqual(scores.strongest_edges(_pictures(size=(40, 40))).mean(), 0.15, places=2)

    def test_inverted_and_constant_translations_show(self):
        x = _pictures()
        self.assertAlmostEqual(scores.input_output_correlation(x, 255 - x), -1.0)
        self.assertAlmostEqual(scores.input_output_correlation(x, x), 1.0)
        self.assertEqual(scores.input_output_correlation(x, np.full_like(x, 7)), 0.0)
        self.assertEqual(scores.variation(np.full_like(x, 7)), 0.0)
        self.assertGreater(scores.variation(x), 0.1)


if __name__ == "__main__":
    absltest.main()
