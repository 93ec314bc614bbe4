"""Do segments with a predicted probability of 70 % have IoU_adj > 0 in 70 % of the cases?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.diagnostics.hypothesis import HypothesisTest
from metaseg_tf.analysis.estimators import Logistic
from metaseg_tf.analysis.protocol import reference_splits

__all__ = ["Calibration", "calibrate", "reliability"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of the unpenalised logistic fit on segments that it was not fitted to.

    Attributes
    ----------
    table : DataFrame
        Reliability table, see ``reliability``.
    brier, brier_prior : float
        Mean squared error of the probabilities, and that of the mean outcome for everyone.
    error : float
        Expected calibration error: mean distance of observed from predicted share.
    test : HypothesisTest
        Hosmer and Lemeshow's, on held-out segments.
    """

    table: pd.DataFrame
    brier: float
    brier_prior: float
    error: float
    test: HypothesisTest

    def __str__(self) -> str:
        return (
            f"Brier score {self.brier:.4f} (always the mean outcome: {self.brier_prior:.4f}), "
            f"expected calibration error {self.error:.2%}"
        )


def calibrate(design: Design, columns: tuple[str, ...], *, engine: str = "lars") -> Calibration:
    """Fit on the training half of split 0, and compare shares on its validation half.

    ``engine`` as in `metaseg_tf.analysis.lasso.fit_path`.
    """
    X = design.X[:, [design.columns.index(name) for name in columns]]
    held_out = reference_splits(len(design), 1)[0]
    fit = Logistic(engine=engine).fit(X[~held_out], design.y[~held_out])
    probability = fit.predict_proba(X[held_out])[:, 1]
    y = design.y[held_out]
    table = reliability(probability, y)
    distance = (table["observed"] - table["predicted"]).abs()
    return Calibration(
        table,
        float(np.mean((probability - y) ** 2)),
        float(y.var()),
        float(np.average(distance, weights=table["n"])),
        _hosmer_lemeshow(table),
    )


def reliability(probability: np.ndarray, y: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Predicted and observed shares in groups of equally many segments.

    Parameters
    ----------
    probability : float64 array [n]
        Of IoU_adj > 0, in [0, 1].
    y : bool array [n]
    bins : int
        Number of groups; fewer come back where there are fewer segments.

    Returns
    -------
    DataFrame
        ``n``, ``predicted`` (mean probability), ``observed`` (share of true), ``low`` and ``high``
        (95 % Wilson interval of the observed share).
    """
    order = np.argsort(probability, kind="stable")
    groups = [part for part in np.array_split(order, bins) if len(part)]
    n = np.array([len(part) for part in groups])
    hits = np.array([np.count_nonzero(y[part]) for part in groups])
    predicted = np.array([probability[part].mean() for part in groups])
    low, high = proportion_confint(hits, n, method="wilson")
    return pd.DataFrame(
        {"n": n, "predicted": predicted, "observed": hits / n, "low": low, "high": high}
    )


def _hosmer_lemeshow(table):
    variance = table["predicted"] * (1 - table["predicted"]) / table["n"]
    misses = (table["observed"] - table["predicted"]) ** 2
    # Groups of certain predictions have no variance; they count only if they are wrong.
    statistic = float((misses / variance.clip(lower=1e-12)).sum())
    # Held-out segments cost no degree of freedom for the fitted coefficients.
    df = len(table)
    worst = float(np.sqrt(misses.max()))
    return HypothesisTest(
        "Hosmer-Lemeshow",
        "the predicted probabilities are the true ones",
        statistic,
        f"chi2({df})",
        float(stats.chi2.sf(statistic, df)),
        f"in the worst of {df} groups observed and predicted share differ by {worst:.1%}",
    )
