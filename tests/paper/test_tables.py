import io

import numpy as np
import pandas as pd
import pytest
from small_runs import make_run
from tables import make_table as make_segments

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.data.classes import CITYSCAPES
from metaseg_tf.errors import InputError
from metaseg_tf.paper.measured import Measured, Value, collect
from metaseg_tf.paper.published import ALL_SEGMENTS, FALSE_POSITIVES, PUBLISHED, SEGMENTS, Quantity
from metaseg_tf.paper.tables import TABLES, TARGETS, make_table, name_runs, store_table
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import METRIC_COLUMNS

SCORES = ("", "XC training", "XC validation", "MN training", "MN validation")


@pytest.fixture(scope="module")
def printed_by_the_paper():
    """The paper's own numbers in the place of measured ones."""
    measured = {}
    for role in ("XC", "MN"):
        values = {n.quantity: Value(n.value, n.deviation) for n in PUBLISHED if n.network == role}
        counts = (SEGMENTS, FALSE_POSITIVES)
        values |= {name: Value(int(values[name].mean)) for name in counts}
        measured[role] = Measured(values | {ALL_SEGMENTS: Value(10**5)})
    return {number: table.lay_out(measured) for number, table in TABLES.items()}


def rows_of(printed):
    return {row[0]: row[1:] for row in printed.rows}


def test_table_1_as_printed(printed_by_the_paper):
    table = printed_by_the_paper[1]
    assert table.header == ("metric", "XC", "MN", "metric", "XC", "MN")
    assert table.rows[0] == ("E", "-0.70139", "-0.70162", "D", "-0.85211", "-0.84858")
    assert table.rows[-1] == ("S_in", "0.30201", "0.47708", "", "", "")
    assert {row[i] for row in table.rows for i in (0, 3)} - {""} == set(METRIC_COLUMNS)
    assert "45194 with interior, of these 11331 with IoU_adj = 0" in table.caption


def test_table_2_as_printed(printed_by_the_paper):
    table = printed_by_the_paper[2]
    rows = rows_of(table)
    assert table.header == SCORES
    assert list(rows) == [
        "Classification IoU_adj = 0, > 0",
        "ACC, penalized",
        "ACC, unpenalized",
        "ACC, entropy baseline",
        "AUROC, penalized",
        "AUROC, unpenalized",
        "AUROC, entropy baseline",
        "Regression IoU_adj",
        "σ, all metrics",
        "σ, entropy baseline",
        "R2, all metrics",
        "R2, entropy baseline",
    ]
    assert rows["ACC, penalized"] == (
        "81.88%(±0.13%)",
        "81.91%(±0.13%)",
        "78.87%(±0.13%)",
        "78.93%(±0.17%)",
    )
    assert rows["σ, all metrics"][:2] == ("0.181(±0.001)", "0.182(±0.001)")
    assert "XC: on average 6851 of the false positives are detected, 4480 are not" in table.caption


def test_table_3_as_printed(printed_by_the_paper):
    table = printed_by_the_paper[3]
    assert table.header == SCORES
    assert [row[0] for row in table.rows[::5]] == ["Regression IoU_adj", "Regression IoU"]
    assert table.rows[-1] == (
        "R2, entropy baseline",
        "47.43%(±0.28%)",
        "47.07%(±0.28%)",
        "47.73%(±0.37%)",
        "47.50%(±0.38%)",
    )


@pytest.mark.parametrize("number", TABLES)
def test_tables_of_runs_hold_what_was_measured(runs, number):
    printed = make_table(number, [*runs.values()])
    assert not any("n/a" in row for row in printed.rows)
    values = collect(runs["MN"]).values
    if number == 1:
        assert printed.rows[0][2] == f"{values[Quantity.correlation('E')].mean:.5f}"
    else:
        target = {2: "iou_adj", 3: "iou"}[number]
        value = values[Quantity(target, "all", "r2", "validation")]
        assert rows_of(printed)["R2, all metrics"][3] == f"{value.mean:.2%}(±{value.std:.2%})"


def test_the_caption_gives_the_clipped_scores(runs):
    caption = make_table(3, [runs["XC"]]).caption
    clipped = evaluate_run(runs["XC"]).clipped()
    wanted = clipped.query("target == 'iou_adj' and model == 'all' and part == 'validation'")
    sigma, r2 = (wanted[wanted["score"] == s]["value"].mean() for s in ("sigma", "r2"))
    assert f"σ {sigma:.3f}, R2 {r2:.2%}" in caption


@pytest.fixture(scope="module")
def extrapolating(tmp_path_factory):
    """A run in which one column hardly varies but for one segment."""
    table = make_segments(600, n_images=6)
    far = table.index == table.index[table["S_in"] > 0][0]
    D_bd = np.where(far, 0.8, 1e-4 * np.random.default_rng(0).random(600)).astype("float32")
    return make_run(tmp_path_factory.mktemp("extrapolating") / "XC", table.assign(D_bd=D_bd))


@pytest.mark.parametrize(("number", "targets"), [(2, {"iou_adj": "IoU_adj"}), (3, TARGETS)])
def test_what_extrapolates_is_named_with_the_clipped_score(extrapolating, runs, number, targets):
    table = make_table(number, [extrapolating, runs["MN"]])
    values = collect(extrapolating).values
    for target, name in targets.items():
        key = Quantity(target, "all", "r2", "validation")
        r2, clipped = (f"{values[key._replace(clipped=c)].mean:.2%}" for c in (False, True))
        assert r2.startswith("-")
        words = f"validation R2 below 0: of no use, clipped to [0, 1] {clipped}): D_bd"
        assert f"XC: least squares of {name} on all metrics extrapolates ({words}" in table.caption
        for text in (*table.formats().values(), str(table.to_records())):
            assert clipped.replace("%", r"\%") in text or clipped in text
    assert "MN: least squares" not in table.caption
    printed = rows_of(table)["R2, all metrics, clipped"]
    assert printed[1].startswith(clipped)


def test_a_class_that_extrapolates_goes_by_its_name(tmp_path):
    table = make_segments(600, n_images=6)
    far = table.index == table.index[table["S_in"] > 0][0]
    cprob3 = np.where(far, 0.8, 1e-6 * np.random.default_rng(0).random(600))
    run = make_run(tmp_path / "mine", table.assign(cprob3=cprob3))
    run.name_classes(CITYSCAPES)
    caption = make_table(2, [run]).caption
    assert "p(wall) beyond the range of the training half" in caption
    assert "cprob" not in caption


def test_nothing_is_added_where_nothing_extrapolates(runs):
    for number in (2, 3):
        table = make_table(number, [*runs.values()])
        assert "extrapolates" not in table.caption
        assert "R2, all metrics, clipped" not in rows_of(table)


def test_tables_are_stored_with_the_scores_behind_them(runs):
    opened = [*runs.values()]
    paths = store_table(2, make_table(2, opened), opened)
    names = [str(path.relative_to(opened[0].path.parent)) for path in paths]
    assert names == [
        "XC/tables/table2.csv",
        "XC/tables/table2.md",
        "XC/tables/table2.tex",
        "XC/tables/evaluation.csv",
        "XC/tables/evaluation_clipped.csv",
        "MN/tables/evaluation.csv",
        "MN/tables/evaluation_clipped.csv",
    ]
    stored = pd.read_csv(io.StringIO(paths[3].read_text()))
    pd.testing.assert_frame_equal(stored, evaluate_run(opened[0]).tidy(), atol=1e-12)
    assert list(stored) == ["split", "target", "model", "score", "part", "value"]
    assert set(stored["split"]) == set(range(10))


def test_one_outcome_leaves_the_rest_of_the_tables(one_outcome, runs):
    opened = [one_outcome, runs["XC"]]
    table = make_table(2, opened)
    rows = rows_of(table)
    assert rows["ACC, penalized"][:2] == ("n/a", "n/a")
    assert "%" in rows["R2, all metrics"][0]
    assert "%" in rows["ACC, penalized"][2]
    assert "Not available: good: " in table.caption
    assert "expected both outcomes" in table.caption
    assert len(store_table(2, table, opened)) == 7
    assert "n/a" not in make_table(3, [one_outcome]).to_csv()


def test_a_table_without_any_number_is_refused(tmp_path):
    run = Run.create(tmp_path / "empty", {"source": "softmax"})
    for number in TABLES:
        with pytest.raises(
            InputError, match=f"table {number}: empty: .* no pixel of any image has"
        ):
            make_table(number, [run])


def test_there_are_three_tables(runs):
    with pytest.raises(InputError, match="one of 1, 2, 3, got 4"):
        make_table(4, [*runs.values()])


def test_runs_with_one_name_are_told_apart_by_the_folder_above(tmp_path):
    made = [Run.create(tmp_path / city / "run", {}) for city in ("bonn", "ulm")]
    assert list(name_runs(made)) == ["bonn/run", "ulm/run"]
    assert list(name_runs(made[:1])) == ["run"]
