"""Columns that are linear combinations of others, found by pivoted QR and named as equations.

S = S_in + S_bd, S_rel = S_rel_in + 1, X_rel = X_rel_in + X_bd for E and D, and the class
probabilities sum to 1. Coefficients and p-values of such columns mean nothing; fitted values do.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import qr, solve_triangular

from metaseg_tf.analysis.design import Design

__all__ = ["Aliases", "find_aliases", "variance_inflation"]

#: A column is aliased if less than this share of its length is not explained by others, that is,
#: with a variance inflation above 1e6. Stored as float16, probabilities sum to 1 within some 1e-4.
_TOLERANCE = 1e-3
#: Standardised coefficients below this are noise and are left out of an equation.
_NOISE = 1e-3


@dataclass(frozen=True, eq=False)
class Aliases:
    """Which columns span the design, and how the others follow from them.

    Attributes
    ----------
    kept : tuple of str
        Columns of full rank, in the order of the design.
    equations : dict of str to str
        Dropped column -> equation in the units of the table, such as ``S = S_in + S_bd``.
    rank : int
        Rank of the design with its intercept.
    condition : float
        Condition number of the kept, standardised columns.
    """

    kept: tuple[str, ...]
    equations: dict[str, str]
    rank: int
    condition: float

    def frame(self) -> pd.DataFrame:
        """One row a dropped column: ``column``, ``equation``."""
        return pd.DataFrame(list(self.equations.items()), columns=["column", "equation"])

    def __str__(self) -> str:
        lines = [
            f"{len(self.kept) + len(self.equations) + 1} columns with the intercept, rank "
            f"{self.rank}; condition number of the kept ones {self.condition:.1f}",
            *(f"  dropped: {equation}" for equation in self.equations.values()),
        ]
        return "\n".join(lines)


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

    Parameters
    ----------
    X : float64 array [n, p]
        Of full rank.
    columns : p names

    Returns
    -------
    DataFrame
        ``column``, ``vif`` (at least 1), the largest first.
    """
    inflation = np.diag(np.linalg.inv(np.corrcoef(X, rowvar=False).reshape(len(columns), -1)))
    frame = pd.DataFrame({"column": columns, "vif": inflation})
    return frame.sort_values("vif", ascending=False, ignore_index=True)


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
        # In front where it spares a leading minus: 1 - cprob0 - ..., but S_rel - 1.
        terms.insert(0 if level > 0 and terms and terms[0][0] < 0 else len(terms), (level, ""))
    return f"{design.columns[j]} = {_sum(terms)}"


def _sum(terms):
    text = "".join(f" {'-' if factor < 0 else '+'} {_term(abs(factor), n)}" for factor, n in terms)
    return text[3:] if text.startswith(" +") else f"-{text[3:]}"


def _term(factor, name):
    if name and abs(factor - 1) < _NOISE:
        return name
    return f"{factor:.4g} {name}".strip()
