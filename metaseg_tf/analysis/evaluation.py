"""Tables 2 and 3 from a segment table: classification and both regressions by one protocol.

The fits of a run and its diagnosis are kept in ``RUN/evaluation/``, with a fingerprint of the
segment tables that they were made on: tables, figures and report read what was fitted once.
"""

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.special import expit

from metaseg_tf.analysis.classification import Classification, fit_classification
from metaseg_tf.analysis.design import Design, build_design
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, Protocol
from metaseg_tf.analysis.regression import Regressions, fit_regressions
from metaseg_tf.analysis.survey import Survey, survey
from metaseg_tf.errors import InputError, RunError
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.segments.columns import IOU_COLUMNS, METRIC_COLUMNS, count_classes, feature_columns
from metaseg_tf.segments.truth import check_truth
from metaseg_tf.untrusted.arrays import READ_ERRORS, open_npz

__all__ = [
    "Evaluation",
    "diagnose_run",
    "evaluate",
    "evaluate_run",
    "load_segments",
    "summarise",
    "survey_run",
]

T = TypeVar("T")
_LOGGER = logging.getLogger(__name__)
#: Part of the fingerprint: to be raised when the fits of equal tables change.
_FITS = 5
# Two runs are compared at a time; table and fits of each take less than 100 MB at the paper's size.
_RUNS_IN_MEMORY = 2


class KeptFits:
    """Fits of a run's tables of this fingerprint, in its folder, one npz file for each."""

    def __init__(self, run: Run, fingerprint: str, protocol: Protocol):
        self._run, self._engine = run, protocol.engine
        self._state = hashlib.sha256(repr((fingerprint, protocol, _FITS)).encode()).hexdigest()

    def recall(self, name: str, rebuild: Callable[[dict], T], fit: Callable[[], T]) -> T:
        """The fit kept under a name, or else a new one, whose ``arrays`` are kept from then on."""
        place = f"evaluation/{name}_{self._engine}.npz"
        try:
            return rebuild(self._read(place))
        except READ_ERRORS as error:  # not there yet, of other tables, or anyone's file
            _LOGGER.debug("%s: fitted anew (%s)", place, error)
        fitted = fit()
        content = io.BytesIO()
        np.savez(content, state=np.array(self._state), **fitted.arrays)
        try:
            self._run.write_bytes(place, content.getvalue())
        except RunError as error:
            _LOGGER.info("%s: not kept (%s)", place, error)
        return fitted

    def _read(self, place: str) -> dict[str, np.ndarray]:
        content = self._run.read_bytes(place)
        with open_npz(io.BytesIO(content), place) as stored:
            if stored.read("state", "SU").item() != self._state:
                raise ValueError("fitted on other tables, or otherwise")
            names = [name for name in stored.names() if name != "state"]
            arrays = {name: stored.read(name, "fiu") for name in names}
        if not all(np.isfinite(values).all() for values in arrays.values()):
            raise ValueError("expected finite numbers")
        return arrays


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All fits behind Tables 2 and 3 and Figures 3, 4 and 5, made on first use.

    A table with one outcome only has regressions although its classification raises an InputError.
    """

    design: Design
    protocol: Protocol
    kept: KeptFits | None = None  #: Fits made before, and the place to keep new ones.
    #: All rows if the design is a sample, see `fit_regressions`, and the sample in words.
    blocks: Callable[[], Iterator[tuple[Design, np.ndarray]]] | None = None
    sample: str = ""

    @cached_property
    def classification(self) -> Classification:
        return self._recall("classification", Classification, fit_classification)

    @cached_property
    def regressions(self) -> Regressions:
        """By target: ``iou_adj`` and ``iou``."""
        fit = partial(fit_regressions, blocks=self.blocks)
        return self._recall("regressions", Regressions, fit)

    def _recall(self, name, rebuild, fit):
        about = (self.design, self.protocol)
        if self.kept is None:
            return fit(*about)
        return self.kept.recall(name, lambda arrays: rebuild(arrays, *about), lambda: fit(*about))

    def judge_held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Probability of a false positive by each split, and the rows that it was not fitted to.

        By the penalised fits at ``classification.best_c``: float64 and bool, both [splits, n].
        """
        held_out = self.protocol.draw_splits(self.design)
        best = self.protocol.C.index(self.classification.best_c)
        log_odds = [
            path.log_odds(self.protocol.features(self.design, ~held), best)
            for held, path in zip(held_out, self.classification.paths, strict=True)
        ]
        return expit(-np.array(log_odds)), held_out

    def tidy(self) -> pd.DataFrame:
        """``evaluation.csv``: columns split, target, model, score, part, value.

        The penalised rows and the refits are those at ``classification.best_c``. If only
        regression is possible, its rows alone.
        """
        frames = []
        with suppress(InputError):
            frames.append(self.classification.tidy())
        frames += [regression.scores for regression in self.regressions.values()]
        return pd.concat(frames, ignore_index=True)

    def clipped(self) -> pd.DataFrame:
        """The same columns for regression with predictions clipped to [0, 1]."""
        frames = [regression.clipped for regression in self.regressions.values()]
        return pd.concat(frames, ignore_index=True)


def evaluate(table: pd.DataFrame, protocol: Protocol = PAPER_PROTOCOL) -> Evaluation:
    """Run the protocol of section 3 over a segment table with ground truth.

    Parameters
    ----------
    table : DataFrame
        Segment table, rows in the order of images and then of segments.
    protocol : Protocol

    Raises
    ------
    InputError
        If the table has no segments to fit. If they cannot carry a fit, reading that fit raises it.
    """
    # Training rows differ from split to split, so "train" scales are taken within each of them.
    return Evaluation(build_design(table, classes=protocol.classes), protocol)


def evaluate_run(run: Run, *, engine: str = PAPER_PROTOCOL.engine) -> Evaluation:
    """The published protocol over a run, fitted once and kept in its folder.

    ``engine`` solves the logistic fits, see `metaseg_tf.analysis.lasso`; each has its own fits.
    """
    return _evaluation(run.address, run.fingerprint(), engine)


def load_segments(run: Run) -> pd.DataFrame:
    """A run's segment table, read once and shared: not to be changed."""
    return _segments(run.address, run.fingerprint())


def survey_run(run: Run) -> Survey:
    """Counts of a run's segments, and correlations with IoU_adj over all with interior."""
    return _survey(run.address, run.fingerprint())


@lru_cache(maxsize=_RUNS_IN_MEMORY)
def _survey(address: str, fingerprint: str) -> Survey:
    run, table = Run(address), _segments(address, fingerprint)
    if not run.is_large():
        return survey([table], (*METRIC_COLUMNS, "iou_adj"))
    check_truth(table)
    names = (*feature_columns(count_classes(table)), "iou_adj")
    kept = KeptFits(run, fingerprint, PAPER_PROTOCOL)
    blocks = run.blocks(["image", *names])
    return kept.recall(
        "survey", lambda arrays: Survey(arrays, names), lambda: survey(blocks, names)
    )


@lru_cache(maxsize=_RUNS_IN_MEMORY)
def _segments(address: str, _fingerprint: str) -> pd.DataFrame:
    return load_run(address, keep=True)


@lru_cache(maxsize=_RUNS_IN_MEMORY)
def _evaluation(address: str, fingerprint: str, engine: str) -> Evaluation:
    run, protocol = Run(address), replace(PAPER_PROTOCOL, engine=engine)
    table, kept = _segments(address, fingerprint), KeptFits(run, fingerprint, protocol)
    if not run.is_large():
        return replace(evaluate(table, protocol), kept=kept)
    found = _survey(address, fingerprint)
    design = build_design(table, scale=found.scale)

    def blocks():
        tables = run.blocks(["image", "class_id", *design.columns, *IOU_COLUMNS])
        inner = (block for block in tables if block["S_in"].any())
        designs = (build_design(block, scale=found.scale) for block in inner)
        return protocol.split_blocks(designs)

    sample = (
        f"logistic fits are of {len(design)} of these segments, of {table['image'].nunique()} of "
        f"{len(run.done())} images drawn at random"
    )
    _LOGGER.warning("%s: %s; figures and report show no others", run.path, sample)
    return Evaluation(design, protocol, kept, blocks, sample)


def diagnose_run(run: Run) -> list[tuple[str, str]]:
    """Title and text of each section of a run's diagnosis, made once; errors as `diagnose`."""

    def make():
        # Loading statsmodels takes a second, which texts that are kept need not wait for.
        from metaseg_tf.analysis.diagnostics import diagnose

        text = json.dumps([*diagnose(load_segments(run), classes=run.classes).sections()])
        return rebuild({"sections": np.frombuffer(text.encode(), np.uint8)})

    def rebuild(arrays):
        sections = json.loads(arrays["sections"].astype(np.uint8).tobytes())
        if not sections or not all(isinstance(text, str) for pair in sections for text in pair):
            raise ValueError("expected titles and texts")
        return SimpleNamespace(arrays=arrays, sections=[(title, text) for title, text in sections])

    kept = KeptFits(run, run.fingerprint(), PAPER_PROTOCOL)
    return kept.recall("diagnosis", rebuild, make).sections


def summarise(tidy: pd.DataFrame) -> pd.DataFrame:
    """Mean and population standard deviation over splits, as printed in Tables 2 and 3.

    ``tidy`` has the columns of `Evaluation.tidy`; the result, a DataFrame with columns ``mean`` and
    ``std``, is indexed by target, model, score and part.
    """
    groups = tidy.groupby(["target", "model", "score", "part"], sort=False)["value"]
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)})
