"""Tiles cover the image, blend without seams, and equal a pixelwise network run at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import CLASSES, draw, logits, probabilities

from metaseg_tf.errors import InputError
from metaseg_tf.networks.network import Tiled
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.networks.scores import Ending


class Network:
    """Any function from an image to scores, by default logits, as a network."""

    classes = CLASSES
    files, passes = (), 1
    settings = NetworkOptions(crop=(8, 8))

    def __init__(self, call=logits, kind="logits"):
        self.scores, self.ending = call, Ending(kind, CLASSES)


def slow_logits(image, call, tile, overlap):
    """Pixel by pixel: the weighted mean over all tiles that hold it."""
    starts = [slow_starts(side, tile, overlap) for side in image.shape[:2]]
    total = np.zeros((*image.shape[:2], CLASSES))
    weights = np.zeros((*image.shape[:2], 1))
    for top in starts[0]:
        for left in starts[1]:
            values = call(image[top : top + tile, left : left + tile])
            for y in range(tile):
                for x in range(tile):
                    w = slow_weight(y, tile, overlap) * slow_weight(x, tile, overlap)
                    total[top + y, left + x] += w * values[y, x]
                    weights[top + y, left + x] += w
    return total / weights


def slow_weight(at, tile, overlap):
    return min(1, (1 + min(at, tile - 1 - at)) / (overlap + 1))


def slow_starts(side, tile, overlap):
    count = 1
    while count * tile - (count - 1) * overlap < side:
        count += 1
    step = (side - tile) / max(count - 1, 1)
    return [round(i * step) for i in range(count)]


@settings(deadline=None, max_examples=50)
@given(
    tile=st.integers(1, 7),
    overlap=st.integers(0, 6),
    height=st.integers(7, 18),
    width=st.integers(7, 18),
)
def test_blending_equals_the_slow_one(tile, overlap, height, width):
    overlap %= tile

    def call(image):  # a network that sees where in its tile a pixel lies
        y, x = np.indices(image.shape[:2])
        return (logits(image) + (y * x)[..., np.newaxis]).astype(np.float32)

    image = draw(height, width)
    found = Tiled(Network(call), tile, overlap).logits(image)
    np.testing.assert_allclose(found, slow_logits(image, call, tile, overlap), rtol=1e-4, atol=1e-4)


def test_a_pixelwise_network_gives_the_same_in_tiles():
    image = draw(21, 34)
    tiled = Tiled(Network(), 8, 3)
    np.testing.assert_allclose(tiled.probabilities(image), probabilities(image), atol=1e-5)
    assert tiled.probabilities(image).dtype == np.float32


def test_probabilities_are_blended_as_such():
    """8-bit ones are 0 where a class is improbable: their logarithms would outvote all others."""

    def call(image):  # in turn certain of the first class and undecided
        certain = np.eye(CLASSES, dtype=np.float32)[0]
        return np.where(image[:1, :1, :1] % 2, certain, np.float32(1 / CLASSES)) + 0 * logits(image)

    image = draw(10, 10)
    probs = Tiled(Network(call, "probabilities"), 8, 6).probabilities(image)
    expected = slow_logits(image, call, 8, 6)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    # Somewhere the tiles differ, and both have their say.
    assert ((probs[..., 1] > 0.01) & (probs[..., 1] < 0.24)).any()


def test_no_tile_decides_what_its_scores_are():
    """Logits that lie within [0, 1] in one tile are logits there, too."""
    image = draw(8, 20)
    image[:, :8] = 0

    def call(image):
        return np.ascontiguousarray(image[..., :1] / 32) * np.float32([0, 1, 2, 3])

    found = Tiled(Network(call), 8, 0).probabilities(image)
    np.testing.assert_allclose(found[:, :8], 1 / CLASSES, atol=1e-6)


def test_one_sigmoid_channel_is_blended():
    network = Network(lambda image: image[..., :1] / np.float32(255))
    network.ending = Ending("sigmoid", 1)
    image = draw(9, 12)
    found = Tiled(network, 8, 3).probabilities(image)
    p = image[..., :1] / 255
    np.testing.assert_allclose(found, np.concatenate([1 - p, p], -1), atol=1e-6)


def test_an_image_of_one_tile_is_run_once():
    calls = []
    network = Network(lambda image: calls.append(image.shape) or logits(image))
    Tiled(network, 8, 4).logits(draw(8, 8))
    assert calls == [(8, 8, 3)]


@pytest.mark.parametrize(("tile", "overlap"), [(8, 8), (8, 9), (8, -1), (0, 0)])
def test_overlaps_that_never_end_are_refused(tile, overlap):
    with pytest.raises(InputError, match="0 <= overlap < tile"):
        Tiled(Network(), tile, overlap)


def test_the_settings_are_the_network_s_without_its_crop():
    network = Network()
    network.settings = NetworkOptions(16, (0.5, 1.0), True, (8, 8), "0..1")
    expected = NetworkOptions(16, (0.5, 1.0), True, None, "0..1")
    assert Tiled(network, 8).settings == expected
