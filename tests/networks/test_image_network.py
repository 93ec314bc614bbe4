"""Pixels come to a network in the range that it was trained on, and an assumed one is said."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from small_networks import draw

from metaseg_tf import load_network
from metaseg_tf.errors import DataFormatError, InputError, NetworkError, ShapeError
from metaseg_tf.networks.image_network import ImageNetwork, NetworkInput, find_factor
from metaseg_tf.networks.scores import Ending

NAMED = ("0..255", "0..1", "-1..1", "imagenet")
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def slow(image, name):
    x = image.astype(np.float64)
    if name == "imagenet":
        return (x / 255 - MEAN) / STD
    low, high = map(float, name.split(".."))
    return low + x / 255 * (high - low)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_get_their_range(caplog, name, dtype):
    pixels, image = NetworkInput(dtype, name), draw()
    found = pixels.prepare(image)
    assert (found.dtype, pixels.range) == (dtype, name)
    atol = 1e-5 if dtype != np.float16 else 0.002
    np.testing.assert_allclose(found, slow(image, name), atol=atol, rtol=atol)
    assert not caplog.records


SHARES = st.floats(0.01, 1).map(lambda x: round(x, 3))


@given(mean=st.lists(SHARES, min_size=3, max_size=3), std=st.lists(SHARES, min_size=3, max_size=3))
def test_any_mean_and_deviation(mean, std):
    text = f"mean={','.join(map(str, mean))},std={','.join(map(str, std))}"
    pixels, image = NetworkInput(np.float32, text), draw()
    expected = (image / 255 - np.array(mean)) / std
    np.testing.assert_allclose(pixels.prepare(image), expected, atol=1e-3, rtol=1e-4)
    assert NetworkInput(np.float32, pixels.range).range == pixels.range


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mean=0.485,0.456,0.406,std=0.229,0.224,0.225", "imagenet"),
        ("mean=0.5,std=0.5", "-1..1"),
        ("mean=0.5,.5,0.50,std=0.5", "-1..1"),
        ("mean=0,std=1", "0..1"),
        ("mean=0.25,std=0.125", "mean=0.25,0.25,0.25,std=0.125,0.125,0.125"),
    ],
)
def test_one_range_has_one_name(text, name):
    assert NetworkInput(np.float32, text).range == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0-1",
        "ImageNet",
        "mean=0.5",
        "std=0.5,mean=0.5",
        "mean=0.5,0.5,std=0.5",
        "mean=a,std=0.5",
        "mean=,std=",
        "mean=0.5,std=0",
        "mean=nan,std=1",
        "mean=0.5,std=nan",
        "mean=123.7,116.3,103.5,std=58.4,57.1,57.4",
        0.5,
    ],
)
def test_other_ranges_are_refused(text):
    with pytest.raises(InputError, match=r"0\.\.1, -1\.\.1, imagenet or mean=.*got ") as caught:
        NetworkInput(np.float32, text)
    assert "\n" not in str(caught.value)


def test_what_is_assumed_is_said_once(caplog):
    pixels = NetworkInput(np.float32, None)
    pixels.prepare(draw())
    (record,) = caplog.records
    assert "note: " in record.message
    assert "0..255" in record.message
    assert "--input-range" in record.message
    assert "\n" not in record.message
    assert pixels.range == "0..255"


@pytest.mark.parametrize(("dtype", "rescales"), [(np.float32, True), (np.uint8, False)])
def test_nothing_is_said_where_nothing_is_assumed(caplog, dtype, rescales):
    np.testing.assert_array_equal(NetworkInput(dtype, None, rescales).prepare(draw()), draw())
    assert not caplog.records


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_integers_that_are_not_quantised_have_no_range(dtype):
    with pytest.raises(InputError, match=r"takes pixels as they are, got '0\.\.1'; leave it out"):
        NetworkInput(dtype, "0..1")


#: Scale and zero point for uint8, and the range that they are for.
QUANTISED = [
    (1.0, 0, "0..255"),
    (1 / 255, 0, "0..1"),
    (1 / 256, 0, "0..1"),
    (2 / 255, 127, "-1..1"),
    (2 / 255, 128, "-1..1"),
    (1 / 128, 128, "-1..1"),
]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(("scale", "zero", "name"), QUANTISED)
@pytest.mark.parametrize("said", [True, False])
def test_pixels_as_they_are_suit_the_usual_quantisations(caplog, dtype, scale, zero, name, said):
    shift = 128 if dtype == np.int8 else 0
    pixels = NetworkInput(dtype, name if said else None, scale=scale, zero_point=zero - shift)
    found, image = pixels.prepare(draw()), draw()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.astype(int) + shift, image)
    seen = scale * (found.astype(float) - (zero - shift))
    np.testing.assert_allclose(seen, slow(image, name), atol=1.01 * scale)
    assert pixels.range == (name if said else None)
    assert not caplog.records


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16])
@pytest.mark.parametrize("name", [*NAMED, "mean=0.5,std=0.25"])
def test_other_ranges_go_through_the_quantisation(dtype, name):
    limits, image = np.iinfo(dtype), draw()
    expected = slow(image, name) if name in NAMED else image / 63.75 - 2
    low, high = min(expected.min(), 0) * 1.1, expected.max() * 1.1
    scale = (high - low) / (limits.max - limits.min)
    zero = round(limits.min - low / scale)
    found = NetworkInput(dtype, name, scale=scale, zero_point=zero).prepare(image)
    assert found.dtype == dtype
    seen = scale * (found.astype(float) - zero)
    np.testing.assert_allclose(seen, expected, atol=0.51 * scale)


def test_quantisations_for_another_range_are_said(caplog):
    NetworkInput(np.uint8, None, scale=4.8 / 255, zero_point=113)
    assert "note: " in caplog.records[0].message


@pytest.mark.parametrize("name", ["0..1", "-1..1", "imagenet"])
def test_a_range_that_contradicts_the_quantisation_is_refused(name):
    with pytest.raises(InputError, match=r"quantised for, about 0\.\.255, got"):
        NetworkInput(np.uint8, name, scale=1.0, zero_point=0)


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
    network = load_network(save_tflite(model, tmp_path))
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
    network = load_network(save_keras(model, tmp_path))
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


@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.integers(1, 64))
def test_sizes_that_are_smaller_by_a_factor(whole, factor):
    size = tuple(int(np.ceil(side / factor)) for side in whole)
    found = find_factor(size, whole)
    assert tuple(int(np.ceil(side / found)) for side in whole) == size


@pytest.mark.parametrize("size", [(6, 8), (9, 11), (4, 10), (0, 0), (16, 20), (4,), (4, 5, 1)])
def test_other_sizes_have_no_factor(size):
    assert find_factor(size, (8, 10)) is None


class Halved(ImageNetwork):
    """The mean of each 2x2 pixels."""

    def run(self, pixels):
        return tf.nn.avg_pool2d(pixels, 2, 2, "SAME")[0].numpy()


def test_scores_at_a_fraction_of_the_size_are_resized_with_pixel_centres_kept():
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[:, np.newaxis, np.newaxis], 7, 1) * 4
    image = np.repeat(ramp, 3, 2)
    found = Halved(Ending("logits", 3), None, NetworkInput(np.float32, "0..255")).scores(image)
    assert found.shape == image.shape
    # Inside, a ramp stays what it is; any shift would show.
    np.testing.assert_allclose(found[1:-1], image[1:-1], atol=1e-3)
