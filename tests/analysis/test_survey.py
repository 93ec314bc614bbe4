"""Blocks of a table give what the whole gives: moments, and both regressions of a large run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import make_run
from tables import make_table

from metaseg_tf.analysis.design import build_design, standardise
from metaseg_tf.analysis.evaluation import evaluate, evaluate_run, load_segments
from metaseg_tf.analysis.survey import add_rows, survey
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.tables import make_table as make_printed
from metaseg_tf.runs import segment_files
from metaseg_tf.runs.run import load_run

TABLE = make_table(700, seed=4, n_images=12).assign(cprob4=0.0)


@given(st.lists(st.integers(0, 60), max_size=6), st.integers(0, 100))
def test_a_triangle_has_the_products_of_all_rows(sizes, seed):
    rows = np.random.default_rng(seed).normal(3, 1, (sum(sizes), 5))
    triangle = np.empty((0, 5))
    for block in np.split(rows, np.cumsum(sizes)[:-1]):
        triangle = add_rows(triangle, block)
    np.testing.assert_allclose(triangle.T @ triangle, rows.T @ rows, rtol=1e-12, atol=1e-12)
    assert len(triangle) == min(len(rows), 5)


def test_the_scale_of_blocks_is_that_of_the_whole():
    design = build_design(TABLE)
    names = (*design.columns, "iou_adj")
    found = survey([TABLE[:300], TABLE[300:310], TABLE[310:]], names)
    assert found.counts == (700, len(design), np.sum(~design.y))
    _, *expected = standardise(TABLE[TABLE.S_in > 0][list(design.columns)].to_numpy(float))
    for ours, theirs in zip(found.scale, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    parts = [build_design(part, scale=found.scale).X for part in (TABLE[:300], TABLE[300:])]
    np.testing.assert_allclose(np.concatenate(parts), design.X, atol=1e-12)


@pytest.fixture
def large(tmp_path, monkeypatch, short_path, caplog):
    """A run of more segments than are analysed at once, in small blocks."""
    monkeypatch.setattr(segment_files, "LIMIT", 400)
    monkeypatch.setattr(segment_files, "_BLOCK", 150)
    run = make_run(tmp_path / "large", TABLE)
    run.compact(3)
    return run


def test_regressions_of_a_large_run_are_of_all_segments(large, short_path):
    ours, expected = evaluate_run(large), evaluate(TABLE, short_path)
    for target, regression in expected.regressions.items():
        found = ours.regressions[target]
        for name, values in regression.arrays.items():
            np.testing.assert_allclose(found.arrays[name], values, rtol=1e-9, atol=1e-9)
    counts = (row.mean for row in collect(large, ("counts",)).values.values())
    assert list(counts) == [700, len(expected.design), np.sum(~expected.design.y)]


def test_logistic_fits_of_a_large_run_are_of_whole_images(large, caplog):
    table, found = load_segments(large), evaluate_run(large)
    assert 350 <= len(table) <= 500
    for image, rows in table.groupby("image"):
        assert len(rows) == (TABLE.image == image).sum()
    assert len(found.design) == (table.S_in > 0).sum() == len(found.regressions["iou"].predicted)
    said = f"are of {len(found.design)} of these segments, of {table.image.nunique()} of 12 images"
    assert said in caplog.text
    assert said in make_printed(2, [large]).caption
    assert len(load_run(large.path)) == 700
