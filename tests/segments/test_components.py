import builtins
import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import class_maps, slow_components, slow_interior

from metaseg_tf.errors import InputError, MissingDependencyError, ShapeError
from metaseg_tf.segments import components
from metaseg_tf.segments.columns import CONVENTIONS
from metaseg_tf.segments.components import Spans, find_interior, label_components


@given(class_maps(), st.sampled_from([8, 4]), st.sampled_from(["skimage", "runs"]))
def test_labels_equal_a_flood_fill(classes, connectivity, labeller):
    expected = np.zeros(classes.shape, int)
    for number, component in enumerate(slow_components(classes, connectivity), start=1):
        expected[tuple(zip(*component, strict=True))] = number
    labels = label_components(classes, connectivity=connectivity, labeller=labeller)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.int32


@pytest.mark.parametrize("connectivity", [8, 4])
def test_labellers_agree_on_a_large_image(connectivity):
    classes = np.random.default_rng(0).integers(0, 3, (301, 211)).astype(np.uint8)
    np.testing.assert_array_equal(
        label_components(classes, connectivity=connectivity, labeller="runs"),
        label_components(classes, connectivity=connectivity),
    )


def test_class_zero_is_a_class_and_void_is_none():
    labels = label_components(np.array([[0, 255, 0]], np.uint8))
    assert labels.tolist() == [[1, 0, 2]]
    assert labels.dtype == np.int32


def test_corners_join_eight_neighbours_only():
    corner = np.array([[1, 0], [0, 1]], np.uint8)
    assert label_components(corner, connectivity=8).max() == 2
    assert label_components(corner, connectivity=4).max() == 4


@given(class_maps())
def test_tensorflow_addons_labels_as_scikit_image_does(classes):
    pytest.importorskip("tensorflow_addons", reason="ended with Python 3.11 and TensorFlow 2.15")
    np.testing.assert_array_equal(
        label_components(classes, connectivity=4, labeller="tfa"),
        label_components(classes, connectivity=4),
    )


def test_tensorflow_addons_missing_is_said(monkeypatch):
    original = builtins.__import__

    def without_addons(name, *args, **kwargs):
        if name.startswith("tensorflow_addons"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_addons)
    with pytest.raises(MissingDependencyError, match="labeller='skimage'"):
        label_components(np.zeros((2, 2), np.uint8), connectivity=4, labeller="tfa")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labeller": "tfa"}, "4 neighbours only"),
        ({"labeller": "opencv"}, "skimage, runs, tfa"),
        ({"connectivity": 6}, "expected 8 or 4"),
    ],
)
def test_unknown_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        label_components(np.zeros((2, 2), np.uint8), **options)


def test_a_batch_is_refused():
    with pytest.raises(ShapeError, match=r"expected \[H, W\]"):
        label_components(np.zeros((1, 2, 2), np.uint8))


@given(class_maps(), st.sampled_from(CONVENTIONS))
def test_interior_equals_its_definition(classes, convention):
    interior = find_interior(classes, convention=convention)
    expected = set()
    for component in slow_components(classes):
        expected |= slow_interior(component, classes.shape, convention)
    assert {tuple(p) for p in np.argwhere(interior & (classes != 255))} == expected


def test_conventions_part_at_the_edge_of_the_image():
    uniform = np.zeros((3, 4), np.uint8)
    assert find_interior(uniform, convention="reference").all()
    assert np.argwhere(find_interior(uniform, convention="paper")).tolist() == [[1, 1], [1, 2]]


@given(class_maps(), class_maps(), st.integers(1, 5))
def test_spans_are_constant_and_short(first, second, every):
    if first.shape != second.shape:
        second = first
    starts = Spans.of(first, second, every=every).starts
    assert starts[0] == 0
    bounds = [*starts, first.size]
    for begin, end in itertools.pairwise(bounds):
        assert 0 < end - begin <= every
        assert begin // first.shape[1] == (end - 1) // first.shape[1]
        for array in (first, second):
            assert len(set(array.ravel()[begin:end])) == 1


@settings(deadline=None, max_examples=60)
@given(class_maps(max_side=12), st.sampled_from([4, 8]), st.integers(1, 3), st.integers(1, 3))
def test_bands_are_joined_to_the_components_of_the_whole(classes, connectivity, rows, threads):
    with mock.patch.object(components, "_BAND_PIXELS", rows * classes.shape[1]):
        found = label_components(classes, connectivity=connectivity, threads=threads)
    assert found.dtype == np.int32
    whole = label_components(classes, connectivity=connectivity, labeller="runs")
    np.testing.assert_array_equal(found, whole)
