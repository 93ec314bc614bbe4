"""The whole diagnosis: its frames, its texts, and tables that allow only part of it."""

import numpy as np
import pytest
from tables import make_table

from metaseg_tf.analysis.diagnostics import diagnose
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import InputError


@pytest.fixture(scope="module")
def diagnostics(table):
    return diagnose(table)


def test_nothing_is_missing(diagnostics):
    assert diagnostics.missing == ()
    assert len(diagnostics.all_tests()) == 10


def test_frames(diagnostics):
    frames = diagnostics.frames()
    assert set(frames) == {
        "coefficients",
        "aliases",
        "vif",
        "tests",
        "influential",
        "reliability",
    }
    assert len(frames["influential"]) == 20
    assert len(frames["coefficients"]) == 30
    assert np.isfinite(frames["coefficients"].drop(columns="column")).all(axis=None)


def test_the_page_in_words_names_every_test(diagnostics):
    page = str(diagnostics)
    assert page == diagnostics.texts()["summary"]
    for test in diagnostics.all_tests():
        assert str(test) in page
    for equation in diagnostics.aliases.equations.values():
        assert equation in page
    assert "Clustered by image" in page
    assert "read the clustered ones" in page
    assert "Not made" not in page


def test_summaries_name_the_columns(diagnostics):
    texts = diagnostics.texts()
    assert set(texts) == {"summary", "ols", "logit"}
    for column in diagnostics.linear.columns:
        assert column in texts["ols"]


def test_texts_name_classes_and_frames_keep_the_tables_columns():
    classes = ClassTable(("road", "wall, fence", "sky", "car", "a name " * 12))
    table = make_table(700, seed=3, n_classes=5)
    found = diagnose(table, classes=classes)
    texts = found.texts()
    for text in (*texts.values(), *(equation for equation in found.aliases.equations.values())):
        assert "cprob" not in text
    assert "p(wall, fence)" in texts["ols"]
    assert "p(wall, fence)" in texts["logit"]
    assert "p(a name a name a name a…)" in str(found)
    assert {"cprob1", "cprob2"} <= set(found.frames()["coefficients"]["column"])
    influential = found.frames()["influential"]
    named = [classes.names[j] for j in influential["class_id"]]
    assert influential["class_name"].tolist() == named


def test_many_classes_are_diagnosed_in_few_words():
    table = make_table(900, seed=4, n_classes=150)
    found = diagnose(table, classes=ClassTable.numbered(150))
    assert "White's test: expected at most 2000" in str(found)
    assert [test.name for test in found.tests] == [
        "Breusch-Pagan",
        "Jarque-Bera",
        "Omnibus",
        "RESET",
    ]
    assert "more terms" in str(found)
    assert max(map(len, str(found).splitlines())) < 1000


def test_both_targets(table):
    found = diagnose(table, target="iou")
    np.testing.assert_array_equal(found.linear.target, found.design.iou)


def test_a_small_table_of_one_outcome_and_image_gets_the_rest():
    table = make_table(300, n_images=1)
    found = diagnose(table[table["iou_adj"] > 0])
    assert found.logit is None
    assert found.calibration is None
    assert len(found.missing) == 3
    assert [test.name for test in found.tests] == [
        "Breusch-Pagan",
        "Jarque-Bera",
        "Omnibus",
        "RESET",
    ]
    page = str(found)
    assert "White's test: expected more than" in page
    assert "All segments are of one image" in page
    assert set(found.texts()) == {"summary", "ols"}


def test_too_small_a_table():
    with pytest.raises(InputError, match="diagnostics: expected more than"):
        diagnose(make_table(20))
