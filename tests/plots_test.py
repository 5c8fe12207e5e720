"""Grids and coloured labels, pixel by pixel where that is what matters."""

import os

import numpy as np
import pytest
from absl.testing import absltest, parameterized
from PIL import Image

from gan_ssl import plots


class PlotsTest(parameterized.TestCase):
    @parameterized.parameters(
        (np.array([-1.0, 0.0, 1.0, 3.0], np.float32), [0, 128, 255, 255]),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
        (np.array([5], np.uint8), [5]),
    )
    def test_to_uint8(self, values, expected):
        np.testing.assert_array_equal(plots.to_uint8(values), expected)

    def test_labels_are_coloured_and_the_rest_is_black(self):
        coloured = plots.colour_labels(np.array([[0, 1], [2, 255]], np.uint8), 3, ("sky", "thing", "Car"))
        np.testing.assert_array_equal(coloured[0, 0], [70, 130, 180])
        np.testing.assert_array_equal(coloured[1], [[0, 0, 200], [0, 0, 0]])
        self.assertLen(np.unique(plots.palette(30)[:30], axis=0), 30)

    def test_grid_holds_the_pictures_enlarged_in_their_columns(self):
        red, blue = np.zeros((2, 32, 48, 3), np.uint8), np.full((1, 32, 48, 1), -1.0, np.float32)
        red[..., 0] = 255
        grid = plots.image_grid({"image": red, "a very long caption that no column can hold": blue})
        self.assertEqual(grid.shape[1], 4 + 2 * (2 * 48 + 4))
        np.testing.assert_array_equal(grid[-6, 10], [255, 0, 0])
        np.testing.assert_array_equal(grid[-6, -10], [255, 255, 255])  # the shorter column ends in white
        np.testing.assert_array_equal(grid[-80, -10], [0, 0, 0])
        self.assertLess(grid[:15, :104].min(), 128)  # a caption

    def test_grid_shows_at_most_max_rows(self):
        tall = [plots.image_grid({"x": np.zeros((n, 96, 96, 3))}, max_rows=3).shape[0] for n in (3, 9)]
        self.assertEqual(*tall)

    def test_empty_grid_is_an_error(self):
        with pytest.raises(ValueError, match="needs pictures"):
            plots.image_grid({"x": np.zeros((0, 8, 8, 3))})


def test_save_replaces_a_link_instead_of_writing_through_it(tmp_path):
    target, link = tmp_path / "elsewhere.png", tmp_path / "out" / "x.png"
    target.write_bytes(b"keep")
    link.parent.mkdir()
    link.symlink_to(target)
    plots.save_image(link, np.full((4, 4), 1000, np.uint16))
    assert target.read_bytes() == b"keep" and os.listdir(link.parent) == ["x.png"]
    with Image.open(link) as image:
        assert np.asarray(image).max() == 1000


if __name__ == "__main__":
    absltest.main()
