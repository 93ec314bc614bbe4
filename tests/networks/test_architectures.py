"""Ordinary networks with weights of real size, in every format that they are stored in."""

import numpy as np
import pytest
import tensorflow as tf
from architectures import ARCHITECTURES, CLASSES, SIZE, WITH_OPERATORS, build
from small_networks import draw
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2 as freeze,
)

from metaseg_tf import load_network
from metaseg_tf.errors import NetworkError

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")

IS_KERAS_3 = hasattr(tf.keras, "ops")
BATCH = tf.TensorSpec((None, *SIZE, 3), tf.float32)


def save_keras(model, path):
    model.save(path)


def save_saved_model(model, path):
    tf.saved_model.save(model, str(path), signatures=_function(model))


def export(model, path):
    model.export(str(path))


def save_frozen_graph(model, path):
    path.write_bytes(freeze(_function(model)).graph.as_graph_def().SerializeToString())


def save_tflite(model, path):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(_function(model))])
    path.write_bytes(converter.convert())


def _function(model):
    return tf.function(lambda image: model(image, training=False)).get_concrete_function(BATCH)


def _runs(path):
    interpreter = tf.lite.Interpreter(str(path))
    try:
        interpreter.allocate_tensors()
        interpreter.invoke()
    except RuntimeError:
        return False
    return True


FORMATS = {
    "model.keras": save_keras,
    "model.h5": save_keras,
    "saved_model": save_saved_model,
    "exported": export,
    "frozen.pb": save_frozen_graph,
    "model.tflite": save_tflite,
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request):
    return request.param


@pytest.fixture(scope="module")
def model(architecture):
    return build(architecture)


#: Slow to write, and read as a model that Keras exported.
SLOW = pytest.param("saved_model", marks=pytest.mark.long)


@pytest.mark.parametrize("name", [SLOW if name in SLOW.values else name for name in FORMATS])
def test_probabilities_are_those_of_the_model(tmp_path, architecture, model, name):
    image = draw(*SIZE)
    expected = np.asarray(model.predict(image[np.newaxis].astype(np.float32), verbose=0))[0]
    if not np.allclose(expected.sum(-1), 1, atol=1e-4):
        expected = np.asarray(tf.nn.softmax(expected))
    assert expected.std() > 0.01  # else every network would do
    FORMATS[name](model, tmp_path / name)
    if name == "model.tflite" and not _runs(tmp_path / name):
        pytest.skip("TensorFlow Lite itself cannot run what its converter made of this model")
    if name == "model.h5" and architecture in WITH_OPERATORS and IS_KERAS_3:
        with pytest.raises(NetworkError, match="save it as a SavedModel instead"):
            load_network(tmp_path / name)
        return
    network = load_network(tmp_path / name)
    assert (network.classes, network.crop) == (CLASSES, SIZE)
    np.testing.assert_allclose(network.probabilities(image), expected, atol=2e-5)
