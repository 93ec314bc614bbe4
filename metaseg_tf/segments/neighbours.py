"""The segments next to each segment: their classes, how many they are, and how sure of them we are.

All follows from the pairs of a pixel of a segment and one of its 8 neighbours outside of it, whose
number is the length of the border.
"""

import numpy as np
from scipy import sparse

from metaseg_tf.segments.columns import class_columns

__all__ = ["count_borders", "measure_neighbours"]


def count_borders(segments: np.ndarray) -> sparse.csr_matrix:
    """Pairs of 8-neighbouring pixels between any two segments, symmetric int64 [n + 1, n + 1].

    ``segments``, int32 [H, W], are the numbers of n segments, 0 for void, which counts as another
    one. Pixels beyond the image are in no pair.
    """
    flat, width, n = segments.ravel(), segments.shape[1], int(segments.max())
    first, second = [], []
    # To the right and down left, down, down right: steps that the last or first column cannot take.
    for step, column in ((1, width - 1), (width - 1, 0), (width, None), (width + 1, width - 1)):
        last = max(len(flat) - step, 0)
        found = np.flatnonzero(flat[:last] != flat[step:])
        found = found if column is None else found[found % width != column]
        first.append(flat[found])
        second.append(flat[found + step])
    ends = np.concatenate(first), np.concatenate(second)
    pairs = sparse.coo_matrix((np.ones(len(ends[0]), np.int64), ends), (n + 1, n + 1)).tocsr()
    return pairs + pairs.T


def measure_neighbours(
    table: dict[str, np.ndarray], segments: np.ndarray, sums
) -> dict[str, np.ndarray]:
    """The group's columns, each [n], for the paper's and ``segments``, as `count_borders` has them.

    ``sums`` are those over spans of the table. A share or mean over nothing is 0.
    """
    n_classes, borders = sums.probs.shape[1], count_borders(segments)
    whole = np.asarray(borders.sum(axis=1)).ravel()[1:]
    borders, n = borders[1:, 1:], len(whole)
    of_class = sparse.csr_matrix(
        (np.ones(n), table["class_id"], np.arange(n + 1)), shape=(n, n_classes)
    )
    shares = (borders @ of_class).toarray() / np.maximum(whole, 1)[:, None]
    known = np.maximum(np.asarray(borders.sum(axis=1)).ravel(), 1)
    values = {"E_nb": table["E"], "D_nb": table["D"], "log_S_nb": np.log(table["S"])}
    return {
        "n_neighbours": np.diff(borders.indptr),
        **{name: borders @ value / known for name, value in values.items()},
        **dict(zip(class_columns(n_classes, "ndist"), shares.T, strict=True)),
    }
