"""Pixels come to a network in the range that it was trained on, and an assumed one is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import draw

from metaseg_tf.errors import InputError
from metaseg_tf.networks.input_range import NetworkInput

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
