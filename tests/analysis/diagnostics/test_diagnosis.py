"""The whole diagnosis: its frames, its texts, and tables that allow only part of it."""

import numpy as np
import pytest
from tables import make_table

from metaseg_tf.analysis.diagnostics import diagnose
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
