import numpy as np
import pandas as pd
import pytest
from scenes import make_scene
from small_runs import make_run
from tables import make_table

from metaseg_tf import load_run, segment_metrics
from metaseg_tf.analysis.evaluation import evaluate, evaluate_run, summarise
from metaseg_tf.analysis.survey import survey
from metaseg_tf.errors import DataFormatError, InputError, MetaSegError
from metaseg_tf.paper.measured import collect, compute_correlations
from metaseg_tf.paper.published import (
    DETECTED,
    FALSE_POSITIVES,
    MIOU,
    PUBLISHED,
    SEGMENTS,
    UNDETECTED,
    Quantity,
)
from metaseg_tf.segments.columns import (
    METRIC_COLUMNS,
    PAPER_GROUPS,
    columns,
    empty_table,
    groups_in,
)


def test_every_printed_quantity_is_measured(runs):
    measured = collect(runs["XC"])
    assert measured.missing == ()
    assert measured.values.keys() >= {number.quantity for number in PUBLISHED}


def test_the_numbers_are_those_of_their_sources(runs):
    run, values = runs["XC"], collect(runs["XC"]).values
    table = load_run(run.path)
    evaluation = evaluate(table)
    inner = table[table["S_in"] > 0]
    assert values[MIOU].mean == 0.8
    assert values[SEGMENTS].mean == len(inner)
    assert values[FALSE_POSITIVES].mean == (inner["iou_adj"] == 0).sum()
    assert values[Quantity.correlation("D_in")].mean == compute_correlations(table)["D_in"]
    assert values[DETECTED].mean == np.mean(evaluation.classification.detected)
    assert values[DETECTED].std == np.std(evaluation.classification.detected)
    for key, row in summarise(evaluation.tidy()).iterrows():
        assert values[Quantity(*key)] == (row["mean"], row["std"])


def test_detected_and_undetected_are_all_false_positives(runs):
    values = collect(runs["MN"]).values
    total = values[DETECTED].mean + values[UNDETECTED].mean
    assert total == pytest.approx(values[FALSE_POSITIVES].mean)


def test_fits_are_made_once_for_a_state_of_the_run(tmp_path):
    run = make_run(tmp_path / "run", make_table(200))
    first = evaluate_run(run)
    assert evaluate_run(run) is first
    run.write_segments("z_new", make_table(50, seed=5).drop(columns="image"))
    assert len(evaluate_run(run).design) > len(first.design)


def test_what_one_outcome_allows(one_outcome):
    measured = collect(one_outcome)
    assert Quantity("iou_adj", "all", "r2", "train") in measured.values
    assert Quantity.correlation("D") in measured.values
    assert DETECTED not in measured.values
    assert len(measured.missing) == 1
    assert "expected both outcomes" in measured.missing[0]
    assert "extract more images" in measured.missing[0]


def test_an_unfinished_run_has_no_miou(tmp_path):
    run = make_run(tmp_path / "run", make_table(200))
    run.manifest.results = {}
    assert "run extract to its end" in " ".join(collect(run, ("miou",)).missing)


def broken_table(name):
    table = make_table(200, n_images=3)
    if name == "no interior":
        return table.assign(S_in=0)
    if name == "one IoU":
        return table.assign(iou_adj=1.0, iou=1.0)
    if name == "NaN":
        return table.assign(E_bd=table["E_bd"].where(table.index != 100))
    return table.drop(columns=["iou", "iou_adj"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no interior", "segments with interior"),
        ("one IoU", "extract more images"),
        ("NaN", "expected E_bd"),
        ("no truth", "ground truth"),
    ],
)
def test_degenerate_tables_are_told_apart(tmp_path, name, words):
    run = make_run(tmp_path / "run", broken_table(name))
    for part in ("correlations", "regression"):
        try:
            reasons = collect(run, (part,)).missing
        except MetaSegError as error:
            reasons = [str(error)]
        assert len(reasons) == 1
        assert words in reasons[0]


def test_a_constant_column_and_a_class_never_predicted(tmp_path):
    table = make_table(600, n_images=3)
    table = table[table["class_id"] != 4].assign(E_rel=1.5, cprob4=0.0)
    measured = collect(make_run(tmp_path / "run", table))
    assert measured.missing == ()
    assert Quantity.correlation("E_rel") not in measured.values
    assert np.isfinite(measured.values[Quantity("iou_adj", "penalized", "acc", "validation")].mean)


def test_a_broken_file_is_named(tmp_path):
    run = make_run(tmp_path / "run", make_table(200))
    next((run.path / "segments").iterdir()).write_bytes(b"PAR1")
    with pytest.raises(DataFormatError, match="run extract again"):
        collect(run)


def test_another_engine_is_the_only_one_asked(tmp_path, monkeypatch):
    run, asked = make_run(tmp_path / "run", make_table(200)), []

    def record(run, *, engine="lars"):
        asked.append(engine)
        return evaluate_run(run)

    monkeypatch.setattr("metaseg_tf.paper.measured.evaluate_run", record)
    collect(run, engine="reference")
    assert set(asked) == {"reference"}


@pytest.fixture(scope="module")
def segments():
    tables = [segment_metrics(*make_scene(seed=i)).assign(image=f"i{i}") for i in range(5)]
    return pd.concat(tables, ignore_index=True)


def test_correlations_are_pearsons_over_segments_with_interior(segments):
    inner = segments[segments.S_in > 0]
    rho = compute_correlations(segments)
    assert list(rho.index) == list(METRIC_COLUMNS)
    for name in METRIC_COLUMNS:
        assert rho[name] == pytest.approx(np.corrcoef(inner[name], inner.iou_adj)[0, 1], abs=1e-12)


def test_counts_of_segments(segments):
    inner = segments[segments.S_in > 0]
    expected = len(segments), len(inner), (inner.iou_adj == 0).sum()
    assert survey([segments], ["iou_adj"]).counts == expected


def test_constants_have_no_correlation(segments):
    assert np.isnan(compute_correlations(segments.assign(E=0.1))["E"])
    assert compute_correlations(segments.assign(iou_adj=1.0)).isna().all()


def test_too_few_segments_are_refused(segments):
    with pytest.raises(InputError, match="at least 2 segments with interior, got 1"):
        compute_correlations(segments[segments["S_in"] > 0].head(1))
    with pytest.raises(InputError, match="no pixel of any image has ground truth"):
        compute_correlations(empty_table(3))


def test_a_table_without_ground_truth_is_refused(segments):
    with pytest.raises(InputError, match="extract with ground truth"):
        compute_correlations(segments.drop(columns=["iou", "iou_adj"]))


def test_nan_is_named_with_column_and_image(segments):
    row = np.flatnonzero(segments["S_in"] > 0)[7]
    broken = segments.copy()
    broken.loc[row, "D"] = np.nan
    with pytest.raises(InputError, match=f"column D .first in image '{broken.image[row]}'"):
        compute_correlations(broken)


def test_further_metrics_move_no_number_of_the_paper(tmp_path):
    paper = make_table(200)
    further = [c for c in columns(19, metrics="all") if c.name not in paper]
    noise = np.random.default_rng(0).random((len(paper), len(further))) / 2
    names = [c.name for c in further]
    more = paper.join(pd.DataFrame(noise, columns=names).astype({c.name: c.dtype for c in further}))
    assert groups_in(more) != groups_in(paper) == PAPER_GROUPS
    ours, theirs = (collect(make_run(tmp_path / str(len(list(t))), t)) for t in (more, paper))
    assert ours.values == theirs.values
