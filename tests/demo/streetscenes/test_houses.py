"""Houses, bridges, walls and fences: the classes that stand along a street."""

import numpy as np
import pytest

from metaseg_tf.demo.streetscenes.barriers import paint_fence, paint_wall
from metaseg_tf.demo.streetscenes.houses import House, paint_bridge, paint_house


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_house_is_building_and_stands_on_its_side(easel, sign, seed):
    house = House(sign, sign * 5.0, 14.0, 28.0, 8.0, "shop", False)
    image, labels = easel.paint(paint_house, house, seed=seed)
    assert easel.names(labels) == {"building"}
    assert sign * (np.nonzero(labels)[1].mean() - 100) > 10
    np.testing.assert_array_equal(image.any(-1), labels > 0)


@pytest.mark.parametrize(("train", "expected"), [(True, {"bridge", "train"}), (False, {"bridge"})])
def test_a_bridge_leaves_the_road_open(easel, train, expected):
    _, labels = easel.paint(paint_bridge, (-5.0, 5.0), 30.0, train=train)
    assert easel.names(labels) == expected
    column, row = easel.camera.project([(0.0, 2.0, 30.0)])[0]
    assert labels[round(row), round(column)] == 0


@pytest.mark.parametrize(("painter", "name"), [(paint_wall, "wall"), (paint_fence, "fence")])
@pytest.mark.parametrize("seed", range(6))
def test_barriers_carry_their_label_over_their_whole_length(easel, painter, name, seed):
    _, labels = easel.paint(painter, (-2.0, 10.0), (2.0, 10.0), 1.2, seed=seed)
    assert easel.names(labels) == {name}
    assert np.ptp(np.nonzero(labels)[1]) / easel.camera.pixels_per_metre(10.0) == pytest.approx(
        4.0, abs=0.15
    )
