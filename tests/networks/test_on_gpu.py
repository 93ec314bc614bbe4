"""Probabilities on a GPU are measured where they are; tried on the processor, by the same ops."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scenes import make_scene

from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab import model
from metaseg_tf.segments import dispersion
from metaseg_tf.segments import table as table_module
from metaseg_tf.segments.table import measure_image


@pytest.fixture
def as_on_gpu(monkeypatch):
    """Tensors count as lying on a GPU; the blocks of pixels that were summed."""
    blocks, add = [], table_module._ClassSums.add

    def is_tensor(probs):
        return isinstance(probs, tf.Tensor) and probs.ndim == 3

    def add_block(sums, first, probs, pred):
        blocks.append(probs)
        add(sums, first, probs, pred)

    for module in (dispersion, table_module, model):
        monkeypatch.setattr(module, "is_on_gpu", is_tensor)
    monkeypatch.setattr(table_module._ClassSums, "add", add_block)
    return blocks


@pytest.mark.parametrize("with_gt", [True, False])
def test_a_tensor_on_a_gpu_is_measured_there(as_on_gpu, with_gt):
    """By the same ops, here on the processor: more than one block, and void pixels."""
    probs, gt = make_scene(300, 400, 19, 3, cell=23)
    gt = gt if with_gt else None
    expected = measure_image(probs, gt, truth=True)
    as_on_gpu.clear()
    found = measure_image(tf.constant(probs), gt, truth=True)
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-5, atol=1e-6)
    if with_gt:
        pd.testing.assert_frame_equal(found.truth, expected.truth, rtol=1e-5)
    for ours, theirs in zip(found.heat, expected.heat, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert len(as_on_gpu) > 1
    assert all(isinstance(block, tf.Tensor) for block in as_on_gpu)


def test_a_bad_tensor_on_a_gpu_is_refused_like_an_array(as_on_gpu):
    probs, gt = make_scene(30, 40, 5, 3, cell=9)
    probs[4, 7, 2] = np.nan
    with pytest.raises(InputError, match=r"got nan at pixel \(4, 7\) of class 2"):
        measure_image(tf.constant(probs))
    gt[:8] = 255
    expected = measure_image(probs, gt)
    found = measure_image(tf.constant(probs), gt)
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-5, atol=1e-6)


def test_logits_on_a_gpu_become_probabilities_there(as_on_gpu):
    logits = [tf.random.stateless_normal((1, 65, 97, 5), (n, 0)) for n in (1, 2)]
    found = model.mean_softmax(logits, (40, 60))
    assert isinstance(found, tf.Tensor)
    expected = sum(tf.nn.softmax(one[0, :40, :60]) for one in logits) / 2
    np.testing.assert_allclose(found, expected, atol=1e-6)
