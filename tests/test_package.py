"""The public names and the words that teach."""

import ast
import doctest
import importlib
from pathlib import Path

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


def test_the_stub_for_editors_has_the_public_names():
    stub = ast.parse(Path(metaseg_tf.__file__).with_suffix(".pyi").read_text())
    imported = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.asname: node.module for node in imported for alias in node.names}
    assert homes == {name: f"metaseg_tf.{home}" for name, home in metaseg_tf._HOMES.items()}
