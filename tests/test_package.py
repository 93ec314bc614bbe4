"""The public names and the words that teach."""

import doctest
import importlib

import numpy as np
import pytest

import metaseg_tf
from metaseg_tf.errors import suggest


@pytest.mark.parametrize("name", metaseg_tf.__all__)
def test_public_names_exist(name):
    assert getattr(metaseg_tf, name) is not None
    assert name in dir(metaseg_tf)


def test_other_names_do_not():
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        metaseg_tf.other  # noqa: B018


@pytest.mark.parametrize("module", ["errors", "segments.table"])
def test_examples_in_docstrings(module):
    module = importlib.import_module(f"metaseg_tf.{module}")
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0


def test_far_names_get_the_remedy():
    assert suggest("zebra", ["mobilenetv2", "xception65"], "choose one") == "choose one"


def test_the_nearest_of_several_names_is_told():
    assert suggest("Image_30", ["image_2", "image_3", "other"], "") == "did you mean image_3?"
