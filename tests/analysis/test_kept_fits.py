"""Fits that are kept in a run's folder: read again as they were, and only for what they fit."""

import numpy as np
import pandas as pd
import pytest
from small_runs import make_run
from tables import make_table

from metaseg_tf.analysis import diagnostics, evaluation
from metaseg_tf.analysis.evaluation import diagnose_run, evaluate, evaluate_run
from metaseg_tf.runs.run import load_run
from metaseg_tf.runs.storage import LocalFolder

pytestmark = pytest.mark.usefixtures("short_path")


@pytest.fixture
def forget(monkeypatch):
    """Makes the next call of evaluate_run start as a new process does."""
    return evaluation._evaluation.cache_clear


@pytest.fixture
def no_fits(monkeypatch):
    def refuse(*_args):
        raise AssertionError("fitted again")

    def apply():
        monkeypatch.setattr(evaluation, "fit_classification", refuse)
        monkeypatch.setattr(evaluation, "fit_regressions", refuse)

    return apply


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", make_table(300))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, short_path):
    """A run whose folder keeps all fits, and these."""
    run = make_run(tmp_path_factory.mktemp("fitted") / "run", make_table(300))
    found = evaluate_run(run)
    found.tidy()
    return run, found


@pytest.fixture
def kept(fitted, forget):
    """The run with its fits, to be spoiled: afterwards they are put back."""
    run, _ = fitted
    files = {file: file.read_bytes() for file in (run.path / "evaluation").iterdir()}
    forget()
    yield run
    for file, content in files.items():
        file.write_bytes(content)
    forget()


def assert_same(ours, expected):
    pd.testing.assert_frame_equal(ours.tidy(), expected.tidy())
    pd.testing.assert_frame_equal(ours.clipped(), expected.clipped())
    for name in ("probability", "detected", "undetected"):
        np.testing.assert_array_equal(
            getattr(ours.classification, name), getattr(expected.classification, name)
        )
    for mine, other in zip(ours.classification.paths, expected.classification.paths, strict=True):
        for name, value in vars(other).items():
            np.testing.assert_array_equal(getattr(mine, name), value)
    for target, regression in expected.regressions.items():
        np.testing.assert_array_equal(ours.regressions[target].predicted, regression.predicted)
        np.testing.assert_array_equal(ours.regressions[target].coef, regression.coef)


def test_another_process_reads_what_was_fitted(run, forget, no_fits, short_path):
    expected = evaluate(load_run(run.path), short_path)
    assert_same(evaluate_run(run), expected)
    forget()
    no_fits()
    assert_same(evaluate_run(run), expected)


def test_the_diagnosis_is_kept_as_text(run, forget, monkeypatch):
    expected = [*diagnostics.diagnose(load_run(run.path), classes=run.classes).sections()]
    assert diagnose_run(run) == expected
    monkeypatch.setattr(diagnostics, "diagnose", None)
    assert diagnose_run(run) == expected
    for spoilt in (b"[[1, 2]]", b"[" * 100_000, b"{}"):
        spoil_kept(run, sections=lambda _, text=spoilt: np.frombuffer(text, np.uint8))
        with pytest.raises(TypeError, match="not callable"):
            diagnose_run(run)


def test_new_segments_are_fitted_anew(run, forget, short_path):
    evaluate_run(run).tidy()
    run.write_segments("z_new", make_table(50, seed=5).drop(columns="image"))
    forget()
    assert_same(evaluate_run(run), evaluate(load_run(run.path), short_path))


def test_each_engine_has_its_own_fits(run, forget, no_fits, monkeypatch):
    evaluate_run(run).tidy()
    forget()
    no_fits()
    with pytest.raises(AssertionError, match="fitted again"):
        evaluate_run(run, engine="reference").tidy()


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\3\4" + bytes(200)])
def test_a_broken_file_is_fitted_anew(fitted, kept, content):
    for file in (kept.path / "evaluation").glob("*.npz"):
        file.write_bytes(content)
    assert_same(evaluate_run(kept), fitted[1])


def spoil_kept(run, **spoil):
    for file in (run.path / "evaluation").glob("*.npz"):
        with np.load(file) as stored:
            arrays = dict(stored)
        arrays |= {name: change(arrays[name]) for name, change in spoil.items() if name in arrays}
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    "change",
    [lambda values: values[:-1], lambda values: values * np.nan],
    ids=["too short", "not numbers"],
)
def test_arrays_that_do_not_fit_the_run_are_fitted_anew(fitted, kept, change):
    spoil_kept(kept, scores=change, predicted=change, beyond=change)
    assert_same(evaluate_run(kept), fitted[1])


def test_what_was_warned_of_when_it_was_fitted_is_warned_of_again(kept, caplog):
    spoil_kept(kept, refit_converged=lambda values: values * 0)
    evaluate_run(kept).tidy()
    assert "in 10 of 10 splits the metrics tell false positives from other segments" in caplog.text


def test_a_run_that_cannot_be_written_is_evaluated_all_the_same(run, monkeypatch, short_path):
    def refuse(self, relative, content):
        raise evaluation.RunError("disk full")

    monkeypatch.setattr(LocalFolder, "write", refuse)
    assert_same(evaluate_run(run), evaluate(load_run(run.path), short_path))
    assert not (run.path / "evaluation").exists()
