"""The backbones' descriptions against the facts of the published networks."""

import pytest
import slow_deeplab
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from metaseg_tf.networks.deeplab.backbones import (
    MOBILENETV2,
    XCEPTION65,
    atrous_schedule,
)
from metaseg_tf.networks.deeplab.layers import RecordingLayers


@pytest.mark.parametrize("output_stride", [8, 16])
def test_mobilenet_schedule(output_stride):
    strides = [2, *(block.stride for block in MOBILENETV2.backbone.blocks)]
    schedule = atrous_schedule(strides, output_stride)
    assert schedule[1:] == slow_deeplab.MOBILENET_STEPS[output_stride]


@pytest.mark.parametrize("output_stride", [8, 16])
def test_xception_schedule(output_stride):
    strides = [2, *(unit.stride for unit in XCEPTION65.backbone.units())]
    schedule = atrous_schedule(strides, output_stride)
    block3, middle, exit1, exit2 = slow_deeplab.XCEPTION_STEPS[output_stride]
    assert schedule[3] == block3
    assert schedule[4:20] == [middle] * 16
    assert schedule[20:] == [exit1, exit2]


@given(strides=st.lists(st.sampled_from([1, 2])), reach=st.integers(0, 6))
def test_stride_times_rate_is_the_stride_without_limit(strides, reach):
    total = limited = 1
    for nominal, (stride, rate) in zip(strides, atrous_schedule(strides, 2**reach), strict=True):
        assert limited * rate == total
        total, limited = total * nominal, limited * stride
    assert limited == min(total, 2**reach)


@pytest.mark.parametrize(
    ("backbone", "size", "low_level"),
    [(MOBILENETV2.backbone, (5, 7, 320), None), (XCEPTION65.backbone, (5, 7, 2048), (17, 25, 256))],
    ids=["mobilenetv2", "xception65"],
)
def test_sizes_of_features(backbone, size, low_level):
    with tf.Graph().as_default():
        images = tf.zeros((1, 65, 97, 3))
        features, low = backbone.features(RecordingLayers(), images, 16)
    assert tuple(features.shape[1:]) == size
    assert (None if low is None else tuple(low.shape[1:])) == low_level
