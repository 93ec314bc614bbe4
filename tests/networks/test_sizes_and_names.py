"""Networks as people have them: of an open or a fixed size, under any name, for images of any."""

import numpy as np
import pytest
import tensorflow as tf
from small_networks import draw

from metaseg_tf.errors import DataFormatError, InputError, NetworkError, ShapeError
from metaseg_tf.networks.formats import open_network
from metaseg_tf.networks.network import load_network

layers = tf.keras.layers
CLASSES, SIZE = 5, (32, 48)

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def block(x, filters=32, kind=layers.Conv2D, **options):
    """Convolution, batch normalisation and ReLU; its kernel takes more than 4096 bytes."""
    x = kind(filters, 3, padding="same", use_bias=False, **options)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def plain(x):
    return layers.Conv2D(CLASSES, 1)(block(block(x)))


def softmax(x):
    return layers.Softmax()(plain(x))


def save_keras(model, folder):
    model.save(folder / "net.keras")
    return folder / "net.keras"


def save_export(model, folder):
    model.export(str(folder / "net"))
    return folder / "net"


def save_tflite(model, folder):
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "net.tflite").write_bytes(content)
    return folder / "net.tflite"


def make(head, size=SIZE):
    tf.keras.utils.set_random_seed(1)
    image = tf.keras.Input((*size, 3))
    return tf.keras.Model(image, head(layers.Rescaling(1 / 127.5, -1)(image)))


def run(model, image):
    """Class probabilities by the model itself."""
    out = model.predict(image[None].astype(np.float32), verbose=0)[0]
    if out.shape[-1] == 1:
        return np.concatenate([1 - out, out], -1)
    return out if np.allclose(out.sum(-1), 1, atol=1e-3) else tf.nn.softmax(out).numpy()


def test_a_converter_may_leave_the_size_open(tmp_path):
    model = make(softmax, (None, None))
    network = open_network(save_tflite(model, tmp_path))
    assert network.crop is None
    for size in ((32, 48), (21, 13), (32, 48)):
        pixels = draw(*size)
        np.testing.assert_allclose(network.probabilities(pixels), run(model, pixels), atol=1e-4)


def test_a_folder_need_not_be_called_a_folder(tmp_path, monkeypatch):
    save_export(make(softmax), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_network("net").classes == load_network("./net").classes == CLASSES


def test_a_name_of_the_catalogue_stays_one(tmp_path, monkeypatch):
    (tmp_path / "mobilenetv2").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METASEG_TF_CHECKPOINTS", str(tmp_path))
    with pytest.raises(DataFormatError, match="checkpoints download mobilenetv2"):
        load_network("mobilenetv2")


@pytest.mark.parametrize("size", [(20, 48), (32, 30), (7, 9)])
def test_smaller_images_are_padded_and_cut_back(tmp_path, size):
    model, small = make(plain), draw(*size)
    network = open_network(save_keras(model, tmp_path))
    whole = np.pad(small, ((0, SIZE[0] - size[0]), (0, SIZE[1] - size[1]), (0, 0)), mode="edge")
    expected = run(model, whole)[: size[0], : size[1]]
    np.testing.assert_allclose(network.probabilities(small), expected, atol=1e-5)


def test_tiles_need_not_be_square(tmp_path):
    model, large = make(layers.Conv2D(CLASSES, 1, activation="softmax")), draw(70, 100)
    path = save_keras(model, tmp_path)
    kernel, bias = (w.astype(np.float64) for w in model.layers[-1].get_weights())
    expected = tf.nn.softmax((large / 127.5 - 1) @ kernel[0, 0] + bias).numpy()
    tiled = load_network(path, tile=SIZE, overlap=8)
    np.testing.assert_allclose(tiled.probabilities(large), expected, atol=1e-5)
    np.testing.assert_allclose(tiled.probabilities(large[:9, :9]), expected[:9, :9], atol=1e-5)
    with pytest.raises(ShapeError, match="--tile 32x48 --overlap 6"):
        load_network(path).probabilities(large)


@pytest.mark.parametrize("tile", [16, (16, 48), (32, 64), (48, 32)])
def test_tiles_that_the_network_does_not_take_are_refused_at_once(tmp_path, tile):
    path = save_keras(make(plain), tmp_path)
    with pytest.raises(InputError, match=r"expected 32x48, .* give --tile 32x48"):
        load_network(path, tile=tile)


def test_a_network_of_any_size_says_how_to_run_it_where_its_strides_do_not_divide(tmp_path):
    strided = layers.Conv2DTranspose(CLASSES, 4, 2, "same")
    model = make(lambda x: strided(block(x, strides=2)), (None, None))
    path, image = save_keras(model, tmp_path), draw(33, 47)
    with pytest.raises(NetworkError, match=r"--tile HxW"):
        load_network(path).probabilities(image)
    assert load_network(path, tile=(32, 40), overlap=4).probabilities(image).shape[:2] == (33, 47)
