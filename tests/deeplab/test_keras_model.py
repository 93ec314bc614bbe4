"""Keras models in both formats, and files that would run code."""

import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from small_networks import CLASSES, draw, kernel, probabilities

from metaseg_tf.deeplab.keras_model import load_keras_model
from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError

layers = tf.keras.layers

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def model_of(*more, size=(None, None)):
    image = tf.keras.Input((*size, 3))
    x = layers.Rescaling(2 / 255, -1)(image)
    convolution = layers.Conv2D(CLASSES, 1, use_bias=False)
    x = convolution(x)
    for layer in more:
        x = layer(x)
    model = tf.keras.Model(image, x)
    convolution.set_weights([kernel()])
    return model


@pytest.fixture(params=["model.keras", "model.h5"])
def path(request, tmp_path):
    return tmp_path / request.param


@pytest.mark.parametrize("ends", [[], [layers.Softmax()]], ids=["logits", "probabilities"])
def test_probabilities(path, ends):
    model_of(*ends).save(path)
    network, image = load_keras_model(path), draw()
    assert (network.classes, network.crop) == (CLASSES, None)
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


def test_a_fixed_size_is_kept(path):
    model_of(size=(8, 10)).save(path)
    assert load_keras_model(path).crop == (8, 10)


def test_normalisation_and_dropout_are_set_to_inference(path):
    norm = layers.BatchNormalization(epsilon=0.0)
    model_of(norm, layers.Dropout(0.9)).save(path)
    image = draw()
    expected = probabilities(image)
    np.testing.assert_allclose(load_keras_model(path).probabilities(image), expected, atol=1e-5)


def test_lambda_layers_are_refused(path):
    model_of(layers.Lambda(lambda x: x)).save(path)
    with pytest.raises(UnsafeGraphError, match="may run any code"):
        load_keras_model(path)


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("keras.utils", "get_file"), ("subprocess", "run")]
)
def test_functions_outside_of_keras_are_refused(tmp_path, module, name):
    path = tmp_path / "model.keras"
    model_of().save(path)
    rewrite(
        path,
        lambda config: config["config"]["layers"].append(
            {"module": module, "class_name": "function", "config": name, "registered_name": name}
        ),
    )
    with pytest.raises(UnsafeGraphError, match=f"module '{module}'"):
        load_keras_model(path)


def rewrite(path, change):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(content["config.json"])
    change(config)
    content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_layers_that_this_keras_lacks(tmp_path):
    path = tmp_path / "model.keras"
    model_of().save(path)
    rewrite(path, lambda config: config["config"]["layers"][1].update(class_name="NoSuchLayer"))
    with pytest.raises(NetworkError, match=r"can load.*SavedModel instead") as caught:
        load_keras_model(path)
    assert "\n" not in str(caught.value)


def test_models_of_two_inputs_are_refused(path):
    first, second = tf.keras.Input((8, 8, 3)), tf.keras.Input((8, 8, 3))
    tf.keras.Model([first, second], layers.Add()([first, second])).save(path)
    with pytest.raises(NetworkError, match="one input, an image, got 2"):
        load_keras_model(path)


def test_broken_and_missing_files_give_one_line(path):
    with pytest.raises(DataFormatError, match="no such file"):
        load_keras_model(path)
    model_of().save(path)
    whole = path.read_bytes()
    for share in (0.5, 0):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataFormatError, match="broken file or weights only") as caught:
            load_keras_model(path)
        assert "\n" not in str(caught.value)


def test_weights_alone_are_no_model(tmp_path):
    path = tmp_path / "only.weights.h5"
    model_of().save_weights(path)
    with pytest.raises(DataFormatError, match="weights only"):
        load_keras_model(path)
