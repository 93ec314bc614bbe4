import numpy as np
import pytest

from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError
from metaseg_tf.segments import columns as schema


def test_the_fifteen_metrics_bear_the_authors_names():
    parts = ("", "_in", "_bd", "_rel", "_rel_in")
    assert schema.METRIC_COLUMNS == tuple(f"{m}{part}" for m in "EDS" for part in parts)


def test_every_column_says_what_it_is():
    for column in schema.columns(3, metrics="all"):
        assert np.dtype(column.dtype)
        assert column.unit
        assert column.meaning
        assert column.range[0] < column.range[1]


def test_empty_tables_keep_columns_and_dtypes():
    table = schema.empty_table(3, with_gt=False)
    assert len(table) == 0
    assert "iou" not in table
    assert all(table[c.name].dtype == c.dtype for c in schema.columns(3, with_gt=False))


@pytest.mark.parametrize("n_classes", [2, 19])
def test_classes_are_counted(n_classes):
    assert schema.count_classes(schema.empty_table(n_classes)) == n_classes


def test_conventions_are_checked():
    assert schema.check_convention("paper") == "paper"
    with pytest.raises(InputError, match="reference, paper"):
        schema.check_convention("print")


@pytest.mark.parametrize(
    "name", ["aachen_000000_000019", "Straße 7 (nachts)", "a.b", "图像", "a" * 200]
)
def test_names_that_files_can_bear(name):
    assert schema.check_image_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "/etc/passwd",
        "..\\evil",
        "a\0b",
        "a\nb",
        "\ud800",
        "ü" * 101,
    ],
)
def test_names_that_leave_their_folder_or_cannot_be_written_are_refused(name):
    with pytest.raises(InputError, match="rename it") as caught:
        schema.check_image_name(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["Straße", "Stra\udcc3\udc9fe", "图像"])
def test_a_locale_that_cannot_name_a_file_is_told_from_a_bad_name(name, monkeypatch):
    """The same characters as UTF-8 has them, and as that locale reads them from a folder."""
    monkeypatch.setattr(schema.sys, "getfilesystemencoding", lambda: "ascii")
    with pytest.raises(InputError, match="set PYTHONUTF8=1"):
        schema.check_image_name(name)
    assert schema.check_image_name("street") == "street"


def test_features_in_words_name_their_class():
    classes = ClassTable(("road", "x" * 100))
    assert schema.name_feature("cprob0", classes) == "p(road)"
    assert schema.name_feature("cprob1", classes) == f"p({'x' * 23}…)"
    assert schema.name_feature("E_rel_in", classes) == "E_rel_in"


def test_every_feature_is_of_one_group_and_no_other_column_is():
    features = schema.feature_columns(3)
    assert [schema.group_of(name) for name in ("E_rel_in", "D", "S_bd", "cprob2")] == list(
        schema.PAPER_GROUPS
    )
    for metrics in ("paper", "neighbours", "all"):
        listed = schema.columns(3, metrics=metrics)
        wanted = set(schema.feature_columns(3, schema.read_metrics(metrics)))
        assert {column.name for column in listed if column.group} == wanted
    assert features[:3] == ("D", "D_bd", "D_in")
    assert schema.feature_columns(2, ["size", "class"])[-3:] == ("S_rel_in", "cprob0", "cprob1")
