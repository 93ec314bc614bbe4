"""The rebuilt network as a whole against the slow twin, and what it refuses."""

import numpy as np
import pytest
import slow_deeplab
from deeplab_samples import (
    CROP,
    SMALL,
    rebuild,
    slow_network,
    small_weights,
    smooth_image,
)

from metaseg_tf.errors import InputError, NetworkError, ShapeError
from metaseg_tf.networks.deeplab.model import (
    RebuiltNetwork,
    check_settings,
)
from metaseg_tf.networks.options import NetworkOptions

PAPER_SCALES = (0.75, 1.0, 1.25)


@pytest.mark.parametrize(
    ("scales", "flip"), [((1.0,), False), ((1.0,), True), (PAPER_SCALES, False), ((0.75,), True)]
)
@pytest.mark.parametrize(
    ("name", "output_stride"),
    [
        ("mobilenetv2", 16),
        ("xception65", 8),
        pytest.param("mobilenetv2", 8, marks=pytest.mark.long),
        pytest.param("xception65", 16, marks=pytest.mark.long),
    ],
)
def test_probabilities_equal_the_slow_twin(name, output_stride, scales, flip):
    image = smooth_image(61, 90)
    slow = slow_deeplab.multi_scale(
        slow_network(SMALL[name], small_weights(name), output_stride),
        image,
        CROP,
        SMALL[name].logits_stride(output_stride),
        scales,
        (False, True) if flip else (False,),
    )
    probs = rebuild(name, output_stride, scales, flip).probabilities(image)
    assert probs.shape == (61, 90, 7)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, slow, atol=5e-4)
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_those_of_scale_1_whatever_the_settings(name):
    image = smooth_image(*CROP)
    single, multi = rebuild(name), rebuild(name, scales=PAPER_SCALES, flip=True)
    np.testing.assert_allclose(single.logits(image), multi.logits(image), atol=1e-4)
    softmax = slow_deeplab.softmax(single.logits(image).astype(np.float64))
    np.testing.assert_allclose(single.probabilities(image), softmax, atol=1e-5)


def test_images_of_any_size_share_one_trace():
    network = rebuild("mobilenetv2", scales=(1.0, 1.25), flip=True)
    for size in ((20, 30), (65, 97), (1, 1)):
        assert network.probabilities(smooth_image(*size)).shape == (*size, 7)
    assert len(network._functions) == 2


def test_attributes():
    network = rebuild("xception65", 8)
    assert (network.classes, network.crop) == (7, CROP)
    assert network.settings == NetworkOptions(8, (1.0,), False, CROP)
    assert network.architecture == SMALL["xception65"]


@pytest.mark.parametrize("method", ["probabilities", "logits"])
@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((66, 97, 3), np.uint8), ShapeError),
        (np.zeros((1, 65, 97, 3), np.uint8), ShapeError),
        (np.zeros((3, 65, 97), np.uint8), ShapeError),
        (np.zeros((65, 97, 4), np.uint8), ShapeError),
        (np.zeros((65, 97, 3), np.float32), InputError),
    ],
    ids=["larger", "batch", "channels-first", "alpha", "float"],
)
def test_other_images_are_refused(image, error, method):
    with pytest.raises(error, match="image: expected"):
        getattr(rebuild("mobilenetv2"), method)(image)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((12, (1.0,), False, CROP), "output_stride: expected one of"),
        ((None, (1.0,), False, CROP), "output_stride: expected one of"),
        ((16, (), False, CROP), "scales: expected"),
        ((16, (1.0, 0.0), False, CROP), "scales: expected"),
        ((16, (float("nan"),), False, CROP), "scales: expected"),
        ((16, (1.0,), False, (1024, 2048)), r"use \(1025, 2049\)"),
        ((8, (1.0,), False, (66, 97)), r"use \(73, 97\)"),
        ((8, (1.0,), False, (65,)), "crop: expected"),
        ((8, (1.0,), False, None), "crop: expected"),
        ((8, (1.0,), False, (1, 1)), "crop: expected"),
    ],
)
def test_other_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        check_settings(NetworkOptions(*settings))


def test_incomplete_weights_are_refused():
    weights = dict(small_weights("mobilenetv2"))
    del weights["concat_projection/BatchNorm/gamma"]
    with pytest.raises(NetworkError, match="missing concat_projection/BatchNorm/gamma"):
        RebuiltNetwork(weights, NetworkOptions(16, crop=CROP))
