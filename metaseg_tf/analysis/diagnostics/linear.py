"""The linear model under diagnosis: least squares of a target on a full-rank set of columns.

Columns that are linear combinations of others, such as S = S_in + S_bd and one of the class
probabilities, are named as equations: their coefficients and p-values mean nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import qr, solve_triangular
from scipy.linalg.lapack import dpstrf
from statsmodels.regression.linear_model import OLS, RegressionResults
from statsmodels.stats.stattools import jarque_bera

from metaseg_tf.analysis.design import Design
from metaseg_tf.analysis.diagnostics import clusters
from metaseg_tf.analysis.diagnostics.clusters import HypothesisTest, describe_test
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import BOX

__all__ = ["TESTS", "Aliases", "LinearFit", "find_aliases", "fit_linear"]

#: A column is aliased if less than this share of its length is not explained by others, that is,
#: with a variance inflation above 1e6. Stored as float16, probabilities sum to 1 within some 1e-4.
_TOLERANCE = 1e-3
#: Standardised coefficients below this are noise and are left out of an equation.
_NOISE = 1e-3
#: Terms of an equation that are written down, and how many of one that has more.
_TERMS, _FEW = 20, 4
#: Rows whose products are formed at a time in White's test.
_BLOCK = 4096
#: A product with no more than this share of its variance unexplained by others is a sum of them.
_DEPENDENT = 1e-10
#: Products that White's test takes.
_MOST_PRODUCTS = 2000


@dataclass(frozen=True, eq=False)
class Aliases:
    """Columns that span the design, and the equations of the others."""

    kept: tuple[str, ...]  #: Columns of full rank, in the order of the design.
    #: Dropped column -> equation in the units of the table, such as ``S = S_in + S_bd``.
    equations: dict[str, str]
    condition: float  #: Condition number of the kept, standardised columns.

    def __str__(self) -> str:
        rank = len(self.kept) + 1
        words = f"{rank + len(self.equations)} columns with the intercept, rank {rank}; condition "
        words += f"number of the kept ones {self.condition:.1f}"
        return "\n  dropped: ".join([words, *self.equations.values()])


def find_aliases(design: Design) -> Aliases:
    """Pick a full-rank subset of the columns by pivoted QR and express the others in it."""
    root = np.linalg.qr(design.X, mode="r")
    R, order = qr(root, mode="r", pivoting=True)
    pivots = np.abs(np.diag(R))
    rank = int(np.sum(pivots > _TOLERANCE * np.sqrt(len(design))))
    kept, dropped = order[:rank], order[rank:]
    combinations = solve_triangular(R[:rank, :rank], R[:rank, rank:]) if rank else R[:0, rank:]
    equations = {
        design.columns[j]: _equation(design, j, kept, combination)
        for j, combination in zip(dropped, combinations.T, strict=True)
    }
    condition = float(np.linalg.cond(root[:, kept])) if rank else 1.0
    names = tuple(design.columns[j] for j in sorted(kept))
    return Aliases(names, dict(sorted(equations.items())), condition)


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Least squares of a target [n] on an intercept and k columns of full rank and mean 0."""

    columns: tuple[str, ...]
    results: RegressionResults  #: The fit as statsmodels holds it, the intercept ``const`` first.
    image: np.ndarray  #: Number of each segment's image, int64 [n], from 0.
    clustered: clusters.ClusteredErrors | None  #: Errors by images; None with a single image.

    @cached_property
    def vif(self) -> pd.DataFrame:
        """Each ``column`` with its ``vif``, 1 / (1 - R2 of it on the others), the largest first."""
        lengths = (self.results.model.exog**2).sum(axis=0)
        inflation = lengths * self.results.normalized_cov_params.diagonal()
        frame = pd.DataFrame({"column": self.columns, "vif": inflation[1:]})
        return frame.sort_values("vif", ascending=False, ignore_index=True)

    @cached_property
    def points(self) -> pd.DataFrame:
        """The numbers behind the residual plots, one row per segment.

        ``standardized`` is the residual over its standard deviation, ``scale`` the root of its
        size, ``cook`` Cook's distance, ``quantile`` the normal quantile of its rank.
        """
        fit, model = self.results, self.results.model
        leverage = np.einsum("ij,ji->i", model.exog, model.pinv_wexog)
        # 1 if a column is a segment's own, where statsmodels' OLSInfluence divides by 0.
        leverage = np.minimum(leverage, 1 - 1e-12)
        standardized = fit.resid / np.sqrt(fit.mse_resid * (1 - leverage))
        ranks = stats.rankdata(standardized, method="ordinal")
        values = {"fitted": fit.fittedvalues, "residual": fit.resid, "leverage": leverage}
        values |= {"standardized": standardized, "scale": np.sqrt(np.abs(standardized))}
        values["cook"] = standardized**2 * leverage / (1 - leverage) / len(fit.params)
        return pd.DataFrame(values | {"quantile": stats.norm.ppf((ranks - 0.5) / len(ranks))})

    def influential(self, design: Design, table: pd.DataFrame) -> pd.DataFrame:
        """The 20 segments of largest Cook's distance, with image, number, class and box."""
        worst = self.points.nlargest(20, "cook")
        places = table.iloc[design.rows[worst.index]].reset_index(drop=True)
        about = ("image", "segment", "class_id", "class_name", *BOX)
        named = places[[name for name in about if name in places]]
        return named.join(worst.reset_index(drop=True))

    def partial_regression(self, column: str) -> pd.DataFrame:
        """A column ``x`` and the target ``y``, each less what all other columns explain of it."""
        j = 1 + self.columns.index(column)
        inverse = self.results.normalized_cov_params[:, j]
        x = self.results.model.exog @ inverse / inverse[j]
        return pd.DataFrame({"x": x, "y": self.results.resid + self.results.params[j] * x})

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        """Coefficients with standard errors under three assumptions, indexed by column.

        Besides ``coef`` there are ``se_*`` and ``p_*``: ``plain``, ``hc3`` (any variances) and
        ``cluster`` (any dependence within an image). The latter come with ``df_cluster``, the 95 %
        interval ``low`` to ``high``, and ``p_holm``, for all coefficients but the constant: NaN
        where fewer than `LEAST_DF` degrees of freedom, or a single image, leave it open.
        """
        fit, names = self.results, ["const", *self.columns]
        weights = (fit.resid / (1 - self.points["leverage"].to_numpy())) ** 2
        hc3 = np.sqrt(fit.model.pinv_wexog**2 @ weights)
        cluster, df = self.clustered[:2] if self.clustered else (np.nan, np.nan)
        kinds = {"plain": (fit.bse, fit.df_resid), "hc3": (hc3, fit.df_resid)}
        trusted = np.where(np.less(df, clusters.LEAST_DF), np.nan, df)
        frame = pd.DataFrame({"coef": fit.params}, pd.Index(names, name="column"))
        for name, (se, own) in (kinds | {"cluster": (cluster, trusted)}).items():
            frame[f"se_{name}"] = se
            frame[f"p_{name}"] = 2 * stats.t.sf(np.abs(frame["coef"]) / se, own)
        half = stats.t.ppf(0.975, trusted) * cluster
        frame["df_cluster"], frame["low"], frame["high"] = df, fit.params - half, fit.params + half
        tested = frame["p_cluster"].iloc[1:].dropna()
        frame["p_holm"] = pd.Series(clusters.holm(tested), tested.index, dtype=float)
        return frame


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
    model = OLS(true, np.column_stack([np.ones(len(design)), design.take(columns)]))
    model.data.xnames, model.data.ynames = ["const", *map(design.say, columns)], target
    results, image = model.fit(), pd.factorize(design.image)[0]
    errors = clusters.cluster_errors(model.exog, results.resid, image) if image.any() else None
    return LinearFit(columns, results, image, errors)


def breusch_pagan(fit: LinearFit) -> HypothesisTest:
    """Does the size of the residuals follow the columns? (Breusch and Pagan, Koenker's form)"""
    return _test_variance("Breusch-Pagan", fit, *np.empty((2, 0), int))


def white(fit: LinearFit) -> HypothesisTest:
    """Does the size of the residuals follow the columns, their squares and products? (White)

    Raises InputError if there are no more segments than products, which would explain anything, or
    if forming these would take minutes and gigabytes, as with 50 classes.
    """
    products = len(fit.columns) * (len(fit.columns) + 3) // 2
    if products > _MOST_PRODUCTS:
        raise InputError(
            f"White's test: expected at most {_MOST_PRODUCTS} columns, squares and products, got "
            f"{products} for {len(fit.columns)} columns; read Breusch-Pagan's, on the columns alone"
        )
    return _test_variance("White", fit, *np.triu_indices(len(fit.columns)))


def jarque_bera_test(fit: LinearFit) -> HypothesisTest:
    """Do skewness and kurtosis of the residuals look normal? (Jarque and Bera)"""
    statistic, pvalue, *shape = jarque_bera(fit.results.resid)
    return describe_test("Jarque-Bera", statistic, "chi2(2)", pvalue, *shape)


def reset(fit: LinearFit) -> HypothesisTest:
    """Do squares and cubes of the fitted value improve the fit? (Ramsey's RESET, by images)"""
    results, fitted = fit.results, fit.results.fittedvalues
    powers = np.column_stack([results.model.exog, fitted**2, fitted**3])
    tested = np.arange(powers.shape[1]) > len(fit.columns)
    variance = np.full(len(powers), results.mse_resid)
    about = clusters.joint_test(powers, tested, results.resid, variance, fit.image)
    # The statistic is what the powers take away from the sum of squares, in units of the variance.
    return describe_test("RESET", *about, about[0] / results.df_resid)


#: Of the linear model, in reading order.
TESTS = breusch_pagan, white, jarque_bera_test, reset


def _test_variance(name, fit, first, second):
    """Lagrange multiplier test of the squared residuals on columns and products of pairs of them.

    Their Gram matrix is summed over blocks of rows; dependent ones are no degrees of freedom.
    """
    X, target, gram = fit.results.model.exog[:, 1:], fit.results.resid**2, 0.0
    n = len(target)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        products = X[rows][:, first] * X[rows][:, second]
        block = np.column_stack([np.ones(len(products)), X[rows], products, target[rows]])
        gram = gram + block.T @ block
    scatter = gram[1:, 1:] - np.outer(gram[1:, 0], gram[0, 1:]) / gram[0, 0]
    spread = np.sqrt(np.maximum(np.diag(scatter), np.finfo(float).tiny))
    correlation = scatter / np.outer(spread, spread)
    # With pivots: its first rows are those of independent columns, and their number is the rank.
    factor, order, df, _ = dpstrf(correlation[:-1, :-1], tol=_DEPENDENT, lower=True)
    related = correlation[:-1, -1][order[:df] - 1]
    explained = np.sum(solve_triangular(factor[:df, :df], related, lower=True) ** 2)
    if df + 1 >= n:
        raise InputError(
            f"{name}'s test: expected more than {df + 1} segments for {len(fit.columns)} columns, "
            f"got {n}; extract more images"
        )
    about = n * explained, f"chi2({df})", stats.chi2.sf(n * explained, df)
    return describe_test(name, *about, explained)


def _equation(design, j, kept, combination):
    """The column j as a sum of kept ones, turned back from standardised to the table's units."""
    used = np.abs(combination) > _NOISE
    factors = combination[used] * design.scale[j] / design.scale[kept[used]]
    level = design.mean[j] - factors @ design.mean[kept[used]]
    order = np.argsort(kept[used])
    terms = [(factors[i], design.columns[kept[used][i]]) for i in order]
    # A level of this size is what rounding leaves of means that cancel.
    if not terms or abs(level) > _NOISE * design.scale[j]:
        # In front if this spares a leading minus: 1 - cprob0 - ..., but S_rel - 1.
        terms.insert(0 if level > 0 and terms and terms[0][0] < 0 else len(terms), (level, ""))
    text, few = "", terms if len(terms) <= _TERMS else terms[:_FEW]
    for factor, name in few:
        size, word = abs(factor), design.say(name)
        term = word if name and abs(size - 1) < _NOISE else f"{size:.4g} {word}".strip()
        text += f" {'-' if factor < 0 else '+'} {term}"
    if others := len(terms) - len(few):
        text += f" and {others} more terms"
    return f"{design.say(design.columns[j])} = {'-' if few[0][0] < 0 else ''}{text[3:]}"
