"""The linear model under diagnosis: least squares of a target on a full-rank set of columns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS, RegressionResults

from metaseg_tf.analysis.design import Design
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import BOX

__all__ = ["LinearFit", "fit_linear", "most_influential"]


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Least squares on standardised columns of full rank.

    Attributes
    ----------
    columns : tuple of str, length k
    X : float64 array [n, k]
        Each column has mean 0.
    target : float64 array [n]
    results : RegressionResults
        The fit as statsmodels holds it, with the intercept ``const`` first.
    inverse : float64 array [k, k]
        Inverse of X'X.
    """

    columns: tuple[str, ...]
    X: np.ndarray
    target: np.ndarray
    results: RegressionResults
    inverse: np.ndarray

    @property
    def residuals(self) -> np.ndarray:
        """Target minus fitted value, float64 [n]."""
        return self.target - self.fitted

    @property
    def fitted(self) -> np.ndarray:
        """Fitted values, float64 [n]."""
        return np.asarray(self.results.fittedvalues)

    def points(self) -> pd.DataFrame:
        """What the residual plots show, one row a segment.

        Returns
        -------
        DataFrame
            ``fitted``, ``residual``, ``leverage`` in [0, 1], ``standardized`` (the residual over
            its standard deviation), ``scale`` (the root of its size), ``cook`` (Cook's distance)
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
        """What one column adds: it and the target, both freed of all other columns.

        Returns
        -------
        DataFrame
            ``x`` and ``y``, one row a segment; the slope of y on x is the fit's coefficient.
        """
        j = self.columns.index(column)
        x = self.X @ self.inverse[:, j] / self.inverse[j, j]
        return pd.DataFrame({"x": x, "y": self.residuals + self.results.params[j + 1] * x})

    def coefficients(self, image: np.ndarray) -> pd.DataFrame:
        """Coefficients with standard errors under four assumptions.

        Parameters
        ----------
        image : array [n]
            Image of each segment; those of one image need not be independent.

        Returns
        -------
        DataFrame
            Indexed by column (``const`` first): ``coef``; ``se_*`` and ``p_*`` for ``plain``,
            ``hc1`` and ``hc3`` (any variances) and ``cluster`` (any dependence within an image;
            NaN with fewer than two images).
        """
        frame = pd.DataFrame({"coef": self.results.params}, index=["const", *self.columns])
        for name, results in self._robust_results(image):
            frame[f"se_{name}"] = np.nan if results is None else results.bse
            frame[f"p_{name}"] = np.nan if results is None else results.pvalues
        return frame.rename_axis("column")

    def _robust_results(self, image):
        yield "plain", self.results
        for name in ("hc1", "hc3"):
            yield name, self.results.get_robustcov_results(name.upper())
        groups = np.unique(np.asarray(image, dtype=str), return_inverse=True)[1]
        several = groups.max() > 0
        robust = self.results.get_robustcov_results
        yield "cluster", robust("cluster", groups=groups) if several else None


def fit_linear(design: Design, columns: tuple[str, ...], target: str = "iou_adj") -> LinearFit:
    """Regress ``target`` on the given columns of full rank and an intercept.

    Raises
    ------
    InputError
        If there are not more segments than coefficients, or the target does not vary.
    """
    true = getattr(design, target)
    if len(design) <= len(columns) + 1 or np.ptp(true) == 0:
        raise InputError(
            f"diagnostics: expected more than {len(columns) + 1} segments with varying {target}, "
            f"got {len(design)} with {len(np.unique(true))} values; extract more images"
        )
    X = design.X[:, [design.columns.index(name) for name in columns]]
    model = OLS(true, np.column_stack([np.ones(len(X)), X]))
    model.data.xnames, model.data.ynames = ["const", *columns], target
    return LinearFit(columns, X, true, model.fit(), np.linalg.inv(X.T @ X))


def most_influential(
    points: pd.DataFrame, design: Design, table: pd.DataFrame, count: int = 20
) -> pd.DataFrame:
    """The segments with the largest Cook's distance, with image, number, class and box."""
    worst = points.nlargest(count, "cook")
    places = table.iloc[design.rows[worst.index]]
    named = [name for name in ("image", "segment", "class_id", *BOX) if name in places]
    return pd.concat([places[named].reset_index(drop=True), worst.reset_index(drop=True)], axis=1)
