"""The whole diagnosis: its frames, its texts, and tables that allow only part of it."""

import re

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
    assert len(diagnostics.all_tests()) == 13


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
    frame = frames["coefficients"]
    assert len(frame) == 30
    tested = frame["df_cluster"] >= 4
    assert tested.sum() > 20
    assert np.isfinite(frame[tested].iloc[1:, 1:]).all(axis=None)


def test_the_table_of_tests_says_which_respect_images(diagnostics):
    tests = diagnostics.frames()["tests"].set_index("name")
    assert set(tests["unit"]) == {"images", "segments"}
    assert tests.loc[["RESET", "entropy by images", "Hosmer-Lemeshow"], "unit"].eq("images").all()
    assert tests.loc[["White", "LR entropy"], "unit"].eq("segments").all()
    assert (tests["rejected"] == (tests["p_holm"] < 0.05)).all()


def test_the_page_in_words_names_every_test(diagnostics):
    page = str(diagnostics)
    assert page == diagnostics.texts()["summary"]
    for test in diagnostics.all_tests():
        assert str(test) in page
    for equation in diagnostics.aliases.equations.values():
        assert equation in page
    assert "Errors by images (CR2) are" in page
    assert "read those by images" in page
    assert "R2 below 0" not in page
    assert "Not made" not in page


def test_summaries_name_the_columns(diagnostics):
    texts = diagnostics.texts()
    assert set(texts) == {"summary", "ols", "logit"}
    for column in diagnostics.linear.columns:
        assert column in texts["ols"]
    for name in ("ols", "logit"):
        assert re.search(r"Covariance Type: +cluster", texts[name])
    # Of 8 images no F of 29 columns.
    assert re.search(r"F-statistic: +nan", texts["ols"])


def test_texts_name_classes_and_frames_keep_the_tables_columns():
    classes = ClassTable(("road", "wall, fence", "sky", "car", "a name " * 12))
    table = make_table(700, seed=3, n_classes=5)
    found = diagnose(table, classes=classes)
    texts = found.texts()
    for text in (*texts.values(), *(equation for equation in found.aliases.equations.values())):
        assert "cprob" not in text
    # Which class is dropped is up to rounding.
    for column in found.aliases.kept:
        assert found.design.say(column) in texts["ols"]
        assert found.design.say(column) in texts["logit"]
    assert "p(wall, fence)" in str(found)
    assert "p(a name a name a name a…)" in str(found)
    frames = found.frames()
    for name in ("coefficients", "vif", "aliases"):
        rows = frames[name].set_index("column")["class_name"]
        for column, words in rows.items():
            cprob = column.startswith("cprob")
            assert words == (classes.names[int(column[5:])] if cprob else "")
    assert frames["vif"]["column"].str.startswith("cprob").sum() == 4
    influential = frames["influential"]
    named = [classes.names[j] for j in influential["class_id"]]
    assert influential["class_name"].tolist() == named


def test_many_classes_are_diagnosed_in_few_words():
    table = make_table(900, seed=4, n_classes=150)
    found = diagnose(table, classes=ClassTable.numbered(150))
    assert "White's test: expected at most 2000" in str(found)
    names = [test.name for test in found.tests["linear"]]
    assert names == ["Breusch-Pagan", "Jarque-Bera", "RESET"]
    assert "more terms" in str(found)
    assert max(map(len, str(found).splitlines())) < 250


def test_both_targets(table):
    found = diagnose(table, target="iou")
    np.testing.assert_array_equal(found.linear.results.model.endog, found.design.iou)


def test_a_small_table_of_one_outcome_and_image_gets_the_rest():
    table = make_table(300, n_images=1)
    found = diagnose(table[table["iou_adj"] > 0])
    assert found.logit is None
    assert found.calibration is None
    assert len(found.missing) == 4
    names = [test.name for test in found.tests["linear"]]
    assert names == ["Breusch-Pagan", "Jarque-Bera"]
    page = str(found)
    assert "White's test: expected more than" in page
    assert "tests by image (RESET, metric groups, Hosmer-Lemeshow): expected at least 8" in page
    assert "Errors by images cannot be computed from 1 image; extract more images." in page
    assert set(found.texts()) == {"summary", "ols"}


def test_few_images_get_likelihood_ratios_and_one_line():
    found = diagnose(make_table(900, seed=1, n_images=4, n_classes=3))
    assert found.tests["groups"] == found.tests["calibration"] == ()
    assert len(found.tests["ratio"]) == 4
    assert str(found).count("tests by image") == 1
    assert found.calibration.table["n"].sum() == len(found.design)


def test_a_fit_of_two_images_is_of_no_use_to_either():
    page = str(diagnose(make_table(60, seed=2, n_images=2)))
    assert "R2 below 0" in page.splitlines()[3]


def test_too_small_a_table():
    with pytest.raises(InputError, match="diagnostics: expected more than"):
        diagnose(make_table(20))
