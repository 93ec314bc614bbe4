"""Inference with images as clusters: segments of one image are alike, images are independent.

Sources are Cameron and Miller (2015), A practitioner's guide to cluster-robust inference, and
MacKinnon, Nielsen and Webb (2023), Cluster-robust inference: a guide to empirical practice.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from metaseg_tf.errors import InputError, number_of

__all__ = ["ClusteredErrors", "HypothesisTest", "cluster_errors", "correct_tests", "joint_test"]

#: Level of all verdicts, for the tests of a section together. Of tens of thousands of segments
#: small effects are significant, so every test also states the size of the effect.
LEVEL = 0.05
#: By name of test: unit, hypothesis, effect, what follows; in braces what a fit adds.
_WORDS = json.loads(Path(__file__).with_name("tests.json").read_text(encoding="utf-8"))
#: Images that a test by their signs needs: p-values of G images are multiples of 2 / 2^G, which
#: leaves 0.8 % as the smallest of 8 images. Fewer can hardly reject (MacKinnon et al., section 5).
FEWEST = 8
#: Degrees of freedom below which a t statistic is not to be trusted (Tipton 2015).
LEAST_DF = 4
#: Up to this many images every pattern of signs is taken; beyond it, this many random ones.
_ENUMERATED, _DRAWS = 13, 4096
#: An image has a direction of the columns to itself if others have less than this share of it.
_ALONE = 1e-9
#: Shares of an image that are rounding.
_NOTHING = 1e-14
#: Threads of BLAS, which wait longer than they work on matrices of one image.
_BLAS = ThreadpoolController()


class ClusteredErrors(NamedTuple):
    """Standard errors of least squares that hold for any dependence within clusters."""

    se: np.ndarray  #: Float64 [k]; NaN for a coefficient that rests on a single cluster.
    df: np.ndarray  #: Degrees of freedom of coefficient / se, float64 [k].
    left_out: np.ndarray  #: Residuals of each cluster by the fit on the others, float64 [n].


def cluster_errors(X: np.ndarray, residuals: np.ndarray, cluster: np.ndarray) -> ClusteredErrors:
    """CR2 standard errors with Satterthwaite's degrees of freedom, for few clusters as for many.

    The residuals of cluster g are multiplied by (I - H_gg)^(-1/2), H_gg = X_g (X'X)^-1 X_g', which
    makes the squared errors unbiased if residuals are independent and of one variance (Bell and
    McCaffrey 2002; Pustejovsky and Tipton 2018). X [n, k] is of full rank, ``cluster`` [n] counts
    from 0 to at least 1.
    """
    back, left_out = _whiten(X), residuals.copy()
    total = (back**2).sum(axis=1)
    scores, sizes, parts, lonely = [], [], [], np.zeros(X.shape[1], bool)
    for rows, own, axes, rest in _spectra(X @ back, cluster):
        loads, moment = axes.T @ back.T, axes.T @ (own.T @ residuals[rows])
        alone = np.isinf(rest)
        lonely |= (loads[alone] ** 2).sum(axis=0) > 1e-6 * total
        left_out[rows] += own @ (axes @ (moment / rest))
        root, share = loads / np.sqrt(rest)[:, None], np.where(alone, 0, 1 - rest)
        scores.append(moment @ root)
        sizes.append(share @ root**2)
        parts.append(axes @ (share[:, None] * root))
    # Satterthwaite: tr(P)^2 / tr(P^2), P = diag(size) - B B', with B [G, k] of each coefficient.
    size, part = np.stack(sizes), np.stack([part.T for part in parts], axis=1)
    length = (part**2).sum(axis=2).T
    # B B' and B' B have the same squares in total.
    few = part if len(size) < len(part) else part.transpose(0, 2, 1)
    crossed = few @ few.transpose(0, 2, 1)
    square = (size**2 - 2 * size * length).sum(axis=0) + (crossed**2).sum(axis=(1, 2))
    se = np.sqrt((np.stack(scores) ** 2).sum(axis=0))
    df = (size - length).sum(axis=0) ** 2 / square
    return ClusteredErrors(np.where(lonely, np.nan, se), np.where(lonely, np.nan, df), left_out)


def holm(pvalues: Sequence[float]) -> np.ndarray:
    """P-values [m] after Holm's correction for their number, float64 [m].

    As statsmodels' multipletests, which ends with a garbage collection of a fifth of a second.
    """
    order = np.argsort(pvalues)
    raised = np.asarray(pvalues, float)[order] * np.arange(len(order), 0, -1)
    return np.minimum(np.maximum.accumulate(raised), 1)[np.argsort(order)]


def sign_test(scores: np.ndarray, statistic: float) -> float:
    """P-value of a statistic, the squared length of a sum of scores [G, q], by flipping signs.

    The wild bootstrap with Rademacher's weights and the null imposed; the statistic is not
    studentised, so that q may exceed G (Canay, Santos and Shaikh 2021). Raises InputError if G is
    less than `FEWEST`.
    """
    n = len(scores)
    if n < FEWEST:
        raise InputError(
            f"tests by image (RESET, metric groups, Hosmer-Lemeshow): expected at least {FEWEST} "
            f"images, got {n}; extract more images"
        )
    if n <= _ENUMERATED:
        # One image keeps its sign: a pattern and its opposite give the same.
        signs = 1.0 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (_DRAWS, n))
    drawn = ((signs[1:] @ scores) ** 2).sum(axis=1)
    # The pattern observed, whose statistic is the one given, is the first.
    return float((1 + np.sum(drawn >= statistic * (1 - 1e-9))) / len(signs))


def joint_test(
    X: np.ndarray,
    tested: np.ndarray,
    residuals: np.ndarray,
    variance: np.ndarray,
    cluster: np.ndarray,
) -> tuple[float, str, float]:
    """Rao's score statistic of coefficients that are all 0, its distribution and p-value.

    The p-value is that of `sign_test` on the efficient scores of clusters (Kline and Santos 2012),
    whose residuals are made larger as for CR2 (docs/decisions/0057-tests-by-image.md). X [n, k] is
    of full rank, and ``tested`` (bool [k]) are the columns without effect under the hypothesis;
    ``residuals`` [n], without these columns, have ``variance`` [n] in that model; ``cluster``
    (int [n]) counts from 0. Raises InputError for fewer than `FEWEST` clusters.
    """
    # Weighted such that residuals have variance 1.
    root = np.sqrt(np.maximum(variance, np.finfo(float).tiny))
    X, adjusted = X * root[:, None], residuals / root
    # Orthonormal columns, of which the last span what tested ones add to the others.
    ordered = X[:, np.argsort(tested, kind="stable")]
    Z, extra = np.split(ordered @ _whiten(ordered), [np.sum(~tested)], axis=1)
    statistic, scores = float(np.sum((extra.T @ adjusted) ** 2)), []
    for rows, own, axes, rest in _spectra(Z, cluster):
        moment = axes.T @ (own.T @ adjusted[rows])
        adjusted[rows] += own @ (axes @ (moment / (np.sqrt(rest) + rest)))
        scores.append(adjusted[rows] @ extra[rows])
    n_clusters = number_of(len(scores), "image")
    return statistic, f"score by signs of {n_clusters}", sign_test(np.stack(scores), statistic)


@dataclass(frozen=True)
class HypothesisTest:
    """Result of one test."""

    name: str
    unit: str  #: What is taken for independent: "images", or "segments", which are not.
    null: str  #: The hypothesis under test, as a sentence.
    effect: str  #: How large the departure is, in words and numbers.
    if_rejected: str  #: What follows then.
    statistic: float
    distribution: str  #: Of the statistic under the hypothesis, such as ``chi2(29)``.
    pvalue: float
    p_holm: float = np.nan  #: The p-value after `correct_tests`.

    @property
    def rejected(self) -> bool:
        """True if the hypothesis is rejected at ``LEVEL``, after a correction if there was one."""
        return (self.pvalue if np.isnan(self.p_holm) else self.p_holm) < LEVEL

    def __str__(self) -> str:
        verdict = "rejected" if self.rejected else "not rejected"
        p = f"p = {self.pvalue:.2g}" if self.pvalue >= 1e-16 else "p < 1e-16"
        p += f", Holm {self.p_holm:.2g}" if self.p_holm > self.pvalue >= 1e-16 else ""
        p += ", segments taken for independent" if self.unit == "segments" else ""
        return (
            f"{self.name}: '{self.null}' is {verdict} ({self.distribution} = "
            f"{self.statistic:.4g}, {p}); {self.effect}."
        )


def describe_test(
    name: str, statistic: float, distribution: str, pvalue: float, *numbers: float, **words: str
) -> HypothesisTest:
    """A result in the words of ``tests.json``: numbers go into its effect, words anywhere."""
    texts = [text.format(*numbers, **words) for text in (name, *_WORDS[name])]
    return HypothesisTest(*texts, float(statistic), distribution, float(pvalue))


def correct_tests(tests: Iterable[HypothesisTest | None]) -> tuple[HypothesisTest, ...]:
    """Tests of one section that could be made, with Holm's correction for their number."""
    tests = [test for test in tests if test]
    pairs = zip(tests, holm([test.pvalue for test in tests]), strict=True)
    return tuple(replace(test, p_holm=float(pvalue)) for test, pvalue in pairs)


def _whiten(X: np.ndarray) -> np.ndarray:
    """Factor [k, k] that makes the columns of X [n, k] orthonormal; times itself, (X'X)^-1."""
    return np.linalg.inv(np.linalg.cholesky(X.T @ X)).T


def _spectra(Z: np.ndarray, cluster: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Of each cluster, for columns with Z'Z = I, what its H_gg = Z_g Z_g' is made of.

    Its rows; Z_g; the axes [k, m] of Z_g'Z_g that it has a share of; and the share [m] of each that
    other clusters have, infinite where it is none, so that its inverse is Moore and Penrose's.
    """
    with _BLAS.limit(limits=1):
        for rows in pd.Series(range(len(Z))).groupby(cluster).indices.values():
            own = Z[rows]
            wide = len(own) < own.shape[1]
            share, axes = np.linalg.eigh(own @ own.T if wide else own.T @ own)
            if wide:
                # The axes of H_gg are quicker, and lead to those of Z_g'Z_g.
                share, axes = share[share > _NOTHING], axes[:, share > _NOTHING]
                axes = own.T @ axes / np.sqrt(share)
            yield rows, own, axes, np.where(share > 1 - _ALONE, np.inf, 1 - share)
