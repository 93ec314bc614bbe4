"""Both networks against the slow twin, upstream's names and the published counts."""

from math import prod

import numpy as np
import pytest
import slow_deeplab
import tensorflow as tf
from deeplab_samples import SMALL, full_weights, slow_network, small_weights, smooth_image
from hypothesis import given, settings
from hypothesis import strategies as st

from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65
from metaseg_tf.networks.deeplab.layers import InferenceLayers
from metaseg_tf.networks.deeplab.model import (
    compute_logits,
    full_logits,
    mean_softmax,
    normalise,
    pad_to_crop,
    scale_logits,
    variable_shapes,
)
from metaseg_tf.networks.options import NetworkOptions

CITYSCAPES = (1025, 2049)


def compare(architecture, weights, image, output_stride, atol):
    x = normalise(image.astype(np.float32))
    fast = compute_logits(architecture, InferenceLayers(weights), x[np.newaxis], output_stride)
    slow = slow_network(architecture, weights, output_stride)(x)
    assert 1 < slow.std() < 12, "logits must be like those of a trained network"
    np.testing.assert_allclose(fast[0], slow, atol=atol)


@pytest.mark.parametrize("size", [(65, 97), (73, 89), (50, 66)], ids=str)
@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_equal_the_slow_twin(name, output_stride, size):
    compare(SMALL[name], small_weights(name), smooth_image(*size), output_stride, 1e-3)


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize(
    ("architecture", "atol"), [(MOBILENETV2, 1e-3), (XCEPTION65, 1e-2)], ids=["mn", "xc"]
)
def test_full_networks_equal_the_slow_twin(architecture, atol, output_stride):
    compare(architecture, full_weights(architecture), smooth_image(65, 65), output_stride, atol)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [(MOBILENETV2, 2_146_131), (XCEPTION65, 41_257_699)],
    ids=["mn", "xc"],
)
def test_published_parameter_counts(architecture, parameters):
    assert sum(map(prod, variable_shapes(architecture).values())) == parameters


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("MobilenetV2/Conv/weights", (3, 3, 3, 32)),
        ("MobilenetV2/expanded_conv/depthwise/depthwise_weights", (3, 3, 32, 1)),
        ("MobilenetV2/expanded_conv_1/expand/BatchNorm/moving_variance", (96,)),
        ("MobilenetV2/expanded_conv_16/project/weights", (1, 1, 960, 320)),
        ("image_pooling/weights", (1, 1, 320, 256)),
        ("concat_projection/weights", (1, 1, 512, 256)),
        ("logits/semantic/biases", (19,)),
    ],
)
def test_names_of_mobilenet(name, shape):
    assert variable_shapes(MOBILENETV2)[name] == shape


MODULE = "xception_65/{}/xception_module"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("xception_65/entry_flow/conv1_2/weights", (3, 3, 32, 64)),
        (f"{MODULE}/shortcut/weights".format("entry_flow/block3/unit_1"), (1, 1, 256, 728)),
        (
            f"{MODULE}/separable_conv3_pointwise/weights".format("middle_flow/block1/unit_16"),
            (1, 1, 728, 728),
        ),
        (
            f"{MODULE}/separable_conv3_depthwise/depthwise_weights".format(
                "exit_flow/block2/unit_1"
            ),
            (3, 3, 1536, 1),
        ),
        ("aspp3_depthwise/depthwise_weights", (3, 3, 2048, 1)),
        ("aspp3_pointwise/BatchNorm/beta", (256,)),
        ("concat_projection/weights", (1, 1, 1280, 256)),
        ("decoder/feature_projection0/weights", (1, 1, 256, 48)),
        ("decoder/decoder_conv0_depthwise/depthwise_weights", (3, 3, 304, 1)),
        ("decoder/decoder_conv1_pointwise/weights", (1, 1, 256, 256)),
        ("logits/semantic/weights", (1, 1, 256, 19)),
    ],
)
def test_names_of_xception(name, shape):
    assert variable_shapes(XCEPTION65)[name] == shape


def test_shortcuts_stand_where_the_unit_says():
    names = variable_shapes(XCEPTION65)
    shortcuts = {name.split("/unit")[0] for name in names if "/shortcut/weights" in name}
    assert shortcuts == {
        *(f"xception_65/entry_flow/block{number}" for number in (1, 2, 3)),
        "xception_65/exit_flow/block1",
    }


STRIDE = 8


def network(x):
    """Every 8th pixel, its neighbour to the right and their product: not symmetric."""
    x = tf.pad(x, [[0, 0], [0, 0], [0, 1], [0, 0]])
    here, right = x[:, ::STRIDE, :-1:STRIDE], x[:, ::STRIDE, 1::STRIDE]
    return 3 * tf.concat([here, right, here * right], 3)


def network_of_pixels(x):
    return network(tf.constant(x[np.newaxis])).numpy()[0]


def average(image, crop, scales, flip):
    padded = pad_to_crop(tf.constant(image[np.newaxis]), crop)
    logits = scale_logits(network, padded, STRIDE, NetworkOptions(8, scales, flip))
    return mean_softmax(logits, image.shape[:2])


crops = st.tuples(st.integers(2, 6), st.integers(2, 6)).map(lambda k: tuple(8 * n + 1 for n in k))


@settings(deadline=None, max_examples=30)
@given(
    crop=crops,
    cut=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    scales=st.lists(st.sampled_from([0.5, 0.75, 1.0, 1.25, 1.5]), min_size=1, max_size=3),
    flip=st.booleans(),
)
def test_probabilities_equal_the_slow_twin(crop, cut, scales, flip):
    image = smooth_image(crop[0] - cut[0], crop[1] - cut[1])
    flips = (False, True) if flip else (False,)
    slow = slow_deeplab.multi_scale(network_of_pixels, image, crop, STRIDE, scales, flips)
    np.testing.assert_allclose(average(image, crop, tuple(scales), flip), slow, atol=2e-5)


def test_a_reduced_image_goes_through_the_grid_of_scale_1():
    image = tf.cast(smooth_image(65, 97)[np.newaxis], tf.float32)
    seen = []

    def recorded(x):
        seen.append(tuple(x.shape[1:3]))
        return network(x)

    reduced = full_logits(recorded, image, STRIDE, 0.75)
    direct = slow_deeplab.bilinear(
        network(slow_deeplab.bilinear(image[0].numpy(), (49, 73))[np.newaxis] * 2 / 255 - 1)[0],
        (65, 97),
    )
    assert seen == [(49, 73)]
    # On the low-resolution grid the two agree, in between they do not.
    np.testing.assert_allclose(reduced[0, ::8, ::8], direct[::8, ::8], atol=1e-3)
    assert np.abs(reduced[0] - direct).max() > 0.05


def test_padding_is_the_mean_pixel_at_bottom_and_right():
    image = smooth_image(5, 7)
    padded = pad_to_crop(tf.constant(image[np.newaxis]), (9, 17)).numpy()[0]
    np.testing.assert_array_equal(padded[:5, :7], image)
    assert (padded[5:] == 127.5).all()
    assert (padded[:, 7:] == 127.5).all()


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.25])
def test_flipped_logits_lie_over_the_image_again(scale):
    image = tf.cast(smooth_image(65, 97)[np.newaxis], tf.float32)

    def symmetric(x):
        return x[:, ::STRIDE, ::STRIDE]

    plain, flipped = (full_logits(symmetric, image, STRIDE, scale, flip) for flip in (False, True))
    # The grid of a resized image is not quite symmetric: its sizes are truncated.
    np.testing.assert_allclose(plain, flipped, atol=1e-5 if scale == 1 else 0.2)


def test_a_single_scale_honours_the_flip():
    image = smooth_image(33, 33)
    plain, flipped = (average(image, (33, 33), (1.0,), flip) for flip in (False, True))
    assert np.abs(plain - flipped).max() > 0.01
