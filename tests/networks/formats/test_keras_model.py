"""Keras models in both formats, and files that would run code."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf
from small_networks import CLASSES, draw, kernel, probabilities

from metaseg_tf.errors import DataFormatError, NetworkError, UnsafeGraphError
from metaseg_tf.networks.formats.graph_network import load_keras_model

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


def test_augmentation_is_left_out(path):
    augmentation = [layers.RandomFlip(), layers.RandomRotation(0.5), layers.RandomContrast(0.5)]
    model_of(*augmentation, size=(8, 10)).save(path)
    image = draw()
    expected = probabilities(image)
    np.testing.assert_allclose(load_keras_model(path).probabilities(image), expected, atol=1e-5)


def test_lambda_layers_are_refused(path):
    model_of(layers.Lambda(lambda x: x)).save(path)
    with pytest.raises(UnsafeGraphError, match="may run any code"):
        load_keras_model(path)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "run"),
        ("builtins", "eval"),
        ("keras.utils", "get_file"),
        ("keras.models", "load_model"),
        ("keras.config", "enable_unsafe_deserialization"),
    ],
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


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}},
        {"module": "keras.layers", "class_name": "TextVectorization", "config": {}},
        {"class_name": "TFOpLambda", "config": {"function": "io.gfile.rmtree"}},
        {"class_name": "TFOpLambda", "config": {"function": "nn.sub.io.write_file"}},
        {"class_name": ["Lambda"], "config": {}},
    ],
)
def test_layers_that_read_files_or_call_anything_are_refused(tmp_path, layer):
    path = tmp_path / "model.keras"
    model_of().save(path)
    # A part that is a model may be compiled on loading, unlike the whole.
    rewrite(path, lambda config: config["config"]["layers"][1].update(compile_config=layer))
    with pytest.raises(UnsafeGraphError, match="may run any code"):
        load_keras_model(path)


def test_how_a_model_was_trained_is_not_read(path):
    model = model_of()
    model.compile("adam", "mse")
    model.save(path)
    assert load_keras_model(path).classes == CLASSES


def test_operators_between_tensors_are_read(tmp_path):
    image = tf.keras.Input((8, 8, 3))
    tf.keras.Model(image, image * 2.0 + 1.0).save(tmp_path / "model.keras")
    assert load_keras_model(tmp_path / "model.keras").classes == 3


def nested(depth):
    return [nested(depth - 1)] if depth else []


def test_weights_of_other_files_and_endless_layers_are_refused(tmp_path):
    path = tmp_path / "model.h5"
    model_of().save(path)
    with h5py.File(path, "a") as file:
        file["model_weights/secret"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(DataFormatError, match="got a link"):
        load_keras_model(path)
    path = tmp_path / "model.keras"
    model_of().save(path)
    rewrite(path, lambda config: config["config"].update(layers=nested(500)))
    with pytest.raises((DataFormatError, NetworkError)):
        load_keras_model(path)


def test_layers_that_this_keras_lacks(tmp_path):
    path = tmp_path / "model.keras"
    model_of().save(path)
    rewrite(path, lambda config: config["config"]["layers"][1].update(class_name="HardSwish"))
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
        with pytest.raises(
            DataFormatError, match=r"whole HDF5|broken file or weights only"
        ) as caught:
            load_keras_model(path)
        assert "\n" not in str(caught.value)


def test_weights_alone_are_no_model(tmp_path):
    path = tmp_path / "only.weights.h5"
    model_of().save_weights(path)
    with pytest.raises(DataFormatError, match="weights only"):
        load_keras_model(path)
