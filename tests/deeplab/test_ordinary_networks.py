"""Ordinary architectures with weights of real size, in every format: as their makers run them."""

import numpy as np
import pytest
import tensorflow as tf
from small_networks import draw

from metaseg_tf.deeplab.formats import open_network
from metaseg_tf.deeplab.network import load_network
from metaseg_tf.errors import DataFormatError, ShapeError

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


def u_net(x):
    fine = block(x)
    coarse = block(layers.MaxPooling2D()(fine), 64)
    up = layers.Conv2DTranspose(32, 2, 2, padding="same")(coarse)
    return layers.Conv2D(CLASSES, 1, activation="softmax")(block(layers.Concatenate()([fine, up])))


def separable(x):
    x = block(x, kind=layers.SeparableConv2D)
    for _ in range(2):
        x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same")(block(x))])
    return layers.Conv2D(CLASSES, 1)(x)


def atrous_pyramid(x):
    """The head of DeepLab, with image pooling and a resize at the end."""
    x = block(x, strides=2)
    pooled = layers.Conv2D(32, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    pooled = layers.UpSampling2D((SIZE[0] // 2, SIZE[1] // 2))(pooled)
    branches = [block(x, dilation_rate=rate) for rate in (1, 2, 4)]
    x = layers.Conv2D(CLASSES, 1)(layers.Concatenate()([pooled, *branches]))
    return layers.Resizing(*SIZE)(x)


def strided(x):
    x = block(block(x, strides=2), 64, strides=2)
    x = layers.UpSampling2D(4, interpolation="bilinear")(x)
    return layers.Activation("softmax")(layers.Conv2D(CLASSES, 3, padding="same")(x))


def sigmoid(x):
    return layers.Conv2D(1, 1, activation="sigmoid")(block(x))


def save_keras(model, folder):
    model.save(folder / "net.keras")
    return folder / "net.keras"


def save_h5(model, folder):
    model.save(folder / "net.h5")
    return folder / "net.h5"


def save_module(model, folder):
    module = tf.Module()
    module.model = model
    call = tf.function(lambda image: model(image, training=False))
    function = call.get_concrete_function(tf.TensorSpec((1, *SIZE, 3), tf.float32))
    tf.saved_model.save(module, str(folder / "net"), signatures=function)
    return folder / "net"


def save_export(model, folder):
    model.export(str(folder / "net"))
    return folder / "net"


def save_tflite(model, folder):
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "net.tflite").write_bytes(content)
    return folder / "net.tflite"


FORMATS = (save_keras, save_h5, save_module, save_export, save_tflite)


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


@pytest.fixture(
    scope="module",
    params=(plain, softmax, u_net, separable, atrous_pyramid, strided, sigmoid),
    ids=lambda head: head.__name__,
)
def model(request):
    return make(request.param)


@pytest.mark.parametrize("save", FORMATS, ids=lambda save: save.__name__)
def test_every_format_gives_what_the_model_gives(model, save, tmp_path):
    image = draw(*SIZE)
    expected = run(model, image)
    network = open_network(save(model, tmp_path))
    assert (network.classes, network.crop) == (expected.shape[-1], SIZE)
    np.testing.assert_allclose(network.probabilities(image), expected, atol=2e-4)


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
