"""The segments next to each segment: their classes, how many they are, and how sure of them we are.

All follows from the pairs of a pixel of a segment and one of its 8 neighbours outside of it, whose
number is the length of the border.
"""

from concurrent.futures import Future

import numpy as np
from scipy import sparse

from metaseg_tf.segments.columns import class_columns
from metaseg_tf.segments.components import Spans

__all__ = ["count_borders", "measure_neighbours"]


def count_borders(segments: np.ndarray, boundary: Spans) -> sparse.csr_matrix:
    """Pairs of 8-neighbouring pixels between any two segments, symmetric int64 [n + 1, n + 1].

    ``segments``, int32 [H, W], are the numbers of n segments, 0 for void, which counts as another
    one; ``boundary`` holds all pixels with a neighbour outside of their segment. Pixels beyond the
    image are in no pair.
    """
    flat, width, n = segments.ravel(), segments.shape[1], int(segments.max())
    before = np.cumsum(boundary.lengths) - boundary.lengths
    pixels = np.repeat(boundary.starts - before, boundary.lengths)
    pixels += np.arange(len(pixels))
    own, column = flat[pixels], pixels % width
    ends: tuple[list, list] = [], []
    # To the right and down left, down, down right: steps that the last or first column cannot take.
    for step, barred in ((1, width - 1), (width - 1, 0), (width, -1), (width + 1, width - 1)):
        other = flat.take(pixels + step, mode="clip")
        paired = (own != other) & (column != barred) & (pixels + step < len(flat))
        ends[0].append(own[paired])
        ends[1].append(other[paired])
    first, second = map(np.concatenate, ends)
    ones = np.ones(len(first), np.int64)
    pairs = sparse.coo_matrix((ones, (first, second)), (n + 1, n + 1)).tocsr()
    return (pairs + pairs.T).tocsr()


def measure_neighbours(paper: Future, segments: np.ndarray, sums) -> dict[str, np.ndarray]:
    """Each neighbour column [n], for the ``paper``'s and ``segments``, as `count_borders` has them.

    ``sums`` are those over spans of the table. A share or mean over nothing is 0.
    """
    n_classes, boundary = sums.classes.n_classes, sums.spans.take(np.flatnonzero(~sums.interior))
    borders = count_borders(segments, boundary)
    whole = np.asarray(borders.sum(axis=1)).ravel()[1:]
    borders, n, table = borders[1:, 1:], len(whole), paper.result()
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
