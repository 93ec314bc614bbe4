"""The linear model under diagnosis: least squares of a target on a full-rank set of columns.

Columns that are linear combinations of others are found by pivoted QR and named as equations:
S = S_in + S_bd, S_rel = S_rel_in + 1, X_rel = X_rel_in + X_bd for E and D, and the class
probabilities sum to 1. Coefficients and p-values of such columns mean nothing; fitted values do.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import qr, solve_triangular
from statsmodels.regression.linear_model import OLS, RegressionResults

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.diagnostics.clusters import LEAST_DF, ClusteredErrors, cluster_errors, holm
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import BOX

__all__ = [
    "Aliases", "LinearFit", "find_aliases", "fit_linear", "most_influential", "variance_inflation",
]  # fmt: skip

#: A column is aliased if less than this share of its length is not explained by others, that is,
#: with a variance inflation above 1e6. Stored as float16, probabilities sum to 1 within some 1e-4.
_TOLERANCE = 1e-3
#: Standardised coefficients below this are noise and are left out of an equation.
_NOISE = 1e-3
#: Terms of an equation that are written down, and how many of one that has more.
_TERMS, _FEW = 20, 4


@dataclass(frozen=True, eq=False)
class Aliases:
    """Columns that span the design, and the equations of the others."""

    kept: tuple[str, ...]  #: Columns of full rank, in the order of the design.
    #: Dropped column -> equation in the units of the table, such as ``S = S_in + S_bd``.
    equations: dict[str, str]
    rank: int  #: Of the design with its intercept.
    condition: float  #: Condition number of the kept, standardised columns.

    def frame(self) -> pd.DataFrame:
        """One row per dropped column: ``column``, ``equation``."""
        return pd.DataFrame(list(self.equations.items()), columns=["column", "equation"])

    def __str__(self) -> str:
        return (
            f"{len(self.kept) + len(self.equations) + 1} columns with the intercept, rank "
            f"{self.rank}; condition number of the kept ones {self.condition:.1f}"
        ) + "".join(f"\n  dropped: {equation}" for equation in self.equations.values())


def find_aliases(design: Design) -> Aliases:
    """Pick a full-rank subset of the columns by pivoted QR and express the others in it."""
    root = np.linalg.qr(design.X, mode="r")
    R, order = qr(root, mode="r", pivoting=True)
    pivots = np.abs(np.diag(R))
    rank = int(np.sum(pivots > _TOLERANCE * np.sqrt(len(design))))
    kept, dropped = order[:rank], order[rank:]
    combinations = solve_triangular(R[:rank, :rank], R[:rank, rank:]) if rank else R[:0, rank:]
    equations = {
        design.columns[j]: _equation(design, j, kept, combinations[:, position])
        for position, j in enumerate(dropped)
    }
    condition = float(np.linalg.cond(root[:, kept])) if rank else 1.0
    names = tuple(design.columns[j] for j in sorted(kept))
    return Aliases(names, dict(sorted(equations.items())), rank + 1, condition)


def variance_inflation(X: np.ndarray, columns: tuple[str, ...]) -> pd.DataFrame:
    """Variance inflation factor of each column: 1 / (1 - R2 of it on the others).

    X [n, p] is of full rank. Returns ``column`` and ``vif`` (at least 1), the largest first.
    """
    inflation = np.diag(np.linalg.inv(np.corrcoef(X, rowvar=False).reshape(len(columns), -1)))
    frame = pd.DataFrame({"column": columns, "vif": inflation})
    return frame.sort_values("vif", ascending=False, ignore_index=True)


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Least squares of a target [n] on k standardised columns of full rank."""

    columns: tuple[str, ...]
    X: np.ndarray  #: Float64 [n, k]; each column has mean 0.
    target: np.ndarray
    results: RegressionResults  #: The fit as statsmodels holds it, the intercept ``const`` first.
    inverse: np.ndarray  #: Of X'X, float64 [k, k].
    image: np.ndarray  #: Number of each segment's image, int64 [n], from 0.
    clustered: ClusteredErrors | None  #: Errors by images; None with a single image.

    @property
    def residuals(self) -> np.ndarray:
        """Target minus fitted value, float64 [n]."""
        return self.target - self.fitted

    @property
    def fitted(self) -> np.ndarray:
        """Fitted values, float64 [n]."""
        return np.asarray(self.results.fittedvalues)

    def points(self) -> pd.DataFrame:
        """The numbers behind the residual plots, one row per segment.

        These are ``fitted``, ``residual``, ``leverage`` in [0, 1], ``standardized`` (the residual
        over its standard deviation), ``scale`` (the root of its size), ``cook`` (Cook's distance)
        and ``quantile`` (the normal quantile of its rank).
        """
        n, k = self.X.shape
        residual, variance = self.residuals, self.results.mse_resid
        leverage = 1 / n + np.einsum("ij,ij->i", self.X @ self.inverse, self.X)
        standardized = residual / np.sqrt(variance * np.maximum(1 - leverage, 1e-12))
        cook = standardized**2 * leverage / np.maximum(1 - leverage, 1e-12) / (k + 1)
        ranks = stats.rankdata(standardized, method="ordinal")
        return pd.DataFrame(
            {
                "fitted": self.fitted,
                "residual": residual,
                "leverage": leverage,
                "standardized": standardized,
                "scale": np.sqrt(np.abs(standardized)),
                "cook": cook,
                "quantile": stats.norm.ppf((ranks - 0.5) / n),
            }
        )

    def partial_regression(self, column: str) -> pd.DataFrame:
        """A column ``x`` and the target ``y``, each less what all other columns explain of it.

        There is one row per segment; the slope of y on x is the fit's coefficient.
        """
        j = self.columns.index(column)
        x = self.X @ self.inverse[:, j] / self.inverse[j, j]
        return pd.DataFrame({"x": x, "y": self.residuals + self.results.params[j + 1] * x})

    def coefficients(self) -> pd.DataFrame:
        """Coefficients with standard errors under three assumptions, indexed by column.

        Besides ``coef`` there are ``se_*`` and ``p_*``: ``plain``, ``hc3`` (any variances) and
        ``cluster`` (any dependence within an image, see `cluster_errors`). The latter come with
        ``df_cluster``, the 95 % interval ``low`` to ``high``, and ``p_holm``, Holm's correction for
        all coefficients but the constant. These are NaN where fewer than `LEAST_DF` degrees of
        freedom, or a single image, leave the coefficient open.
        """
        frame = pd.DataFrame({"coef": self.results.params}, index=["const", *self.columns])
        found = {"plain": self.results, "hc3": self.results.get_robustcov_results("HC3")}
        for name, results in found.items():
            frame[f"se_{name}"], frame[f"p_{name}"] = results.bse, results.pvalues
        errors = self.clustered[:2] if self.clustered else (np.nan, np.nan)
        frame["se_cluster"], frame["df_cluster"] = errors
        df = frame["df_cluster"].where(frame["df_cluster"] >= LEAST_DF)
        half = stats.t.ppf(0.975, df) * frame["se_cluster"]
        frame["low"], frame["high"] = frame["coef"] - half, frame["coef"] + half
        frame["p_cluster"] = 2 * stats.t.sf(np.abs(frame["coef"]) / frame["se_cluster"], df)
        tested = frame["p_cluster"].iloc[1:].dropna()
        frame["p_holm"] = pd.Series(holm(tested), tested.index, dtype=float)
        return frame.rename_axis("column")


def fit_linear(design: Design, columns: tuple[str, ...], target: str = "iou_adj") -> LinearFit:
    """Regress ``target`` on the given columns of full rank and an intercept.

    Raises InputError if there are not more segments than coefficients, or the target is constant.
    """
    true = getattr(design, target)
    if len(design) <= len(columns) + 1 or np.ptp(true) == 0:
        raise InputError(
            f"diagnostics: expected more than {len(columns) + 1} segments with varying {target}, "
            f"got {len(design)} with {len(np.unique(true))} values; extract more images"
        )
    X = design.X[:, [design.columns.index(name) for name in columns]]
    model = OLS(true, np.column_stack([np.ones(len(X)), X]))
    model.data.xnames, model.data.ynames = ["const", *map(design.say, columns)], target
    results, image = model.fit(), pd.factorize(design.image)[0]
    errors = cluster_errors(model.exog, results.resid, image) if image.any() else None
    return LinearFit(columns, X, true, results, np.linalg.inv(X.T @ X), image, errors)


def most_influential(
    points: pd.DataFrame, design: Design, table: pd.DataFrame, count: int = 20
) -> pd.DataFrame:
    """The segments with the largest Cook's distance, with image, number, class and box."""
    worst = points.nlargest(count, "cook")
    places = table.iloc[design.rows[worst.index]]
    about = ("image", "segment", "class_id", "class_name", *BOX)
    named = [name for name in about if name in places]
    return pd.concat([places[named].reset_index(drop=True), worst.reset_index(drop=True)], axis=1)


def _equation(design, j, kept, combination):
    """The column j as a sum of kept ones, turned back from standardised to the table's units."""
    used = np.abs(combination) > _NOISE
    factors = combination[used] * design.scale[j] / design.scale[kept[used]]
    level = design.mean[j] - factors @ design.mean[kept[used]]
    terms = [
        (factor, design.columns[i])
        for factor, i in sorted(zip(factors, kept[used], strict=True), key=lambda term: term[1])
    ]
    # A level of this size is what rounding leaves of means that cancel.
    if not terms or abs(level) > _NOISE * design.scale[j]:
        # In front if this spares a leading minus: 1 - cprob0 - ..., but S_rel - 1.
        terms.insert(0 if level > 0 and terms and terms[0][0] < 0 else len(terms), (level, ""))
    text = ""
    shown = terms if len(terms) <= _TERMS else terms[:_FEW]
    for factor, name in shown:
        size, word = abs(factor), design.say(name)
        term = word if name and abs(size - 1) < _NOISE else f"{size:.4g} {word}".strip()
        text += f" {'-' if factor < 0 else '+'} {term}"
    if len(shown) < len(terms):
        text += f" and {len(terms) - len(shown)} more terms"
    sum_ = text[3:] if text.startswith(" +") else f"-{text[3:]}"
    return f"{design.say(design.columns[j])} = {sum_}"
