"""Statistics of initial and of random weights."""

import numpy as np
import pytest
from deeplab_samples import CROP, SMALL, small_weights, smooth_image

from metaseg_tf.demo.training.initialise import initial_weights, make_variables, random_weights
from metaseg_tf.networks.deeplab.layers import InferenceLayers
from metaseg_tf.networks.deeplab.model import compute_logits, normalise, variable_shapes


@pytest.mark.parametrize("make", [initial_weights, random_weights])
@pytest.mark.parametrize("name", SMALL)
def test_there_is_one_weight_for_each_variable_and_a_seed_repeats_it(name, make):
    first, again, other = (make(SMALL[name], seed) for seed in (3, 3, 4))
    assert {key: value.shape for key, value in first.items()} == variable_shapes(SMALL[name])
    assert {value.dtype for value in first.values()} == {np.dtype(np.float32)}
    assert all(np.allclose(first[key], again[key], rtol=1e-3, atol=1e-4) for key in first)
    assert not np.allclose(first["aspp0/weights"], other["aspp0/weights"])


def test_initial_kernels_keep_the_variance_and_normalisation_is_the_identity():
    weights = initial_weights(SMALL["mobilenetv2"], seed=0)
    kernel = weights["MobilenetV2/expanded_conv_16/expand/weights"]
    assert kernel.std() == pytest.approx(np.sqrt(2 / kernel.shape[2]), rel=0.05)
    norm = [np.unique(weights[f"aspp0/BatchNorm/{part}"]) for part in ("gamma", "moving_variance")]
    assert norm == [1.0, 1.0]
    assert not weights["aspp0/BatchNorm/beta"].any()


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", SMALL)
def test_random_weights_give_logits_like_those_of_trained_networks(name, output_stride):
    x = normalise(smooth_image(*CROP)[np.newaxis].astype(np.float32))
    layers = InferenceLayers(small_weights(name))
    logits = compute_logits(SMALL[name], layers, x, output_stride).numpy()
    assert 1.5 < logits.std() < 6
    assert len(np.unique(logits.argmax(-1))) > 1


def test_variables_bear_the_values_of_the_weights():
    weights = small_weights("mobilenetv2")
    variables = make_variables(weights)
    assert all((variables[name].numpy() == weights[name]).all() for name in weights)
