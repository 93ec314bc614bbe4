"""Segments: connected components of the predicted classes; interior and boundary (section 2)."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from skimage import measure

from metaseg_tf.data.classes import VOID
from metaseg_tf.errors import InputError, MissingDependencyError, ShapeError, check_choice
from metaseg_tf.segments.columns import check_convention

__all__ = ["Spans", "check_labelling", "connect_spans", "find_interior", "label_components"]

_LABELLERS = ("skimage", "runs", "tfa")
# scikit-image takes 16 bytes for each pixel that it works on.
_BAND_PIXELS = 1 << 17


def label_components(
    classes: np.ndarray,
    *,
    connectivity: int = 8,
    labeller: str = "skimage",
    threads: int = 1,
) -> np.ndarray:
    """Number the connected components of equal class, the segments k of section 2.

    Parameters
    ----------
    classes : uint8 array [H, W]
        Class ids; 255 (void) belongs to no component.
    connectivity : {8, 4}
        Neighbours of a pixel: with or without its diagonals.
    labeller : {"skimage", "runs", "tfa"}
        scikit-image; our own over spans (runs) of pixels, the fastest if segments are large; or
        tensorflow-addons in the graph, for 4 neighbours only.
    threads : int
        Number of bands of the image for scikit-image to work on at once.

    Returns
    -------
    int32 array [H, W]
        0 for void, else 1, 2, ... in raster order of a component's first pixel.

    Raises
    ------
    InputError
        If connectivity or labeller is unknown, or "tfa" is asked for 8 neighbours.
    MissingDependencyError
        If labeller is "tfa" and tensorflow-addons is not installed.
    """
    if classes.ndim != 2:
        raise ShapeError(f"classes: expected [H, W], got {list(classes.shape)}; pass one image")
    check_labelling(connectivity, labeller)
    if labeller == "skimage":
        return _label_in_bands(classes, connectivity, threads)
    if labeller == "runs":
        spans = Spans.of(classes)
        labels = connect_spans(spans, classes.ravel()[spans.starts], connectivity)
        return np.repeat(labels, spans.lengths).reshape(classes.shape)
    return _label_with_tfa(classes, connectivity)


def _label_in_bands(classes: np.ndarray, connectivity: int, threads: int) -> np.ndarray:
    """By scikit-image in bands, which takes less memory; then all that touch are one."""
    height, width = classes.shape
    labels, rows = np.empty((height, width), np.int32), max(_BAND_PIXELS // max(width, 1), 1)
    bands = [slice(top, top + rows) for top in range(0, height, rows)]

    def number(band: slice) -> int:
        labels[band], n = measure.label(
            classes[band], VOID, return_num=True, connectivity=2 if connectivity == 8 else 1
        )
        return n

    with ThreadPoolExecutor(threads) as pool:
        counts = list(pool.map(number, bands))
        if len(bands) > 1:
            before, touching = np.cumsum([0, *counts]), []
            for i, band in enumerate(bands[1:]):
                seam = slice(band.start - 1, band.start + 1)
                (upper, lower), (above, below) = classes[seam], labels[seam]
                for step in (0,) if connectivity == 4 else (-1, 0, 1):
                    own, other = (slice(max(s, 0), width + min(s, 0)) for s in (step, -step))
                    same = (upper[own] == lower[other]) & (upper[own] != VOID)
                    touching.append((above[own] + before[i], below[other] + before[i + 1]))
                    touching[-1] = np.stack(touching[-1])[:, same] - 1
            numbers = _join(before[-1], *np.concatenate(touching, axis=1))

            def renumber(band: slice, begin: int, end: int) -> None:
                labels[band] = np.append(np.int32(0), numbers[begin:end])[labels[band]]

            list(pool.map(renumber, bands, before[:-1], before[1:]))
    return labels


def check_labelling(connectivity: int, labeller: str) -> None:
    """Raise an InputError for options that `label_components` does not know."""
    if connectivity not in (8, 4):
        raise InputError(f"connectivity: expected 8 or 4, got {connectivity!r}; the paper uses 8")
    check_choice("labeller", labeller, _LABELLERS, "use skimage")


def connect_spans(spans: "Spans", kinds: np.ndarray, connectivity: int) -> np.ndarray:
    """Number the connected components of spans of equal kind, given in raster order.

    Parameters
    ----------
    spans : Spans
    kinds : uint8 array [N]
        Class id of each span; 255 (void) belongs to no component.
    connectivity : {8, 4}

    Returns
    -------
    int32 array [N]
        As `label_components`.
    """
    labels, inside = np.zeros(len(kinds), np.int32), np.flatnonzero(kinds != VOID)
    spans, kinds = spans.take(inside), kinds[inside]
    first, second = np.concatenate(
        [spans.touching(spans, down=down, connectivity=connectivity) for down in (0, 1)], axis=1
    )
    equal = kinds[first] == kinds[second]
    labels[inside] = _join(len(inside), first[equal], second[equal])
    return labels


def _join(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number, from 1, the components of n nodes, of which the pairs touch, by their first nodes."""
    graph = sparse.coo_matrix((np.ones(len(first), bool), (first, second)), shape=(n, n))
    return connected_components(graph, directed=False)[1] + np.int32(1)


class Spans(NamedTuple):
    """Horizontal strips of pixels, each within one row of an image of that width.

    ``starts`` and ``lengths``, int64 [N], are the flat position of the first pixel and the number
    of pixels.
    """

    starts: np.ndarray
    lengths: np.ndarray
    width: int

    @classmethod
    def of(cls, *maps: np.ndarray, every: int | None = None) -> "Spans":
        """The spans of pixels that are equal in all maps [H, W], in raster order.

        Sums over segments become sums over spans, of which an image has a hundred times fewer
        than pixels. With ``every``, a new one also begins at each multiple of this flat position.
        """
        begins = np.zeros(maps[0].shape, bool)
        begins[:, 0] = True
        for array in maps:
            begins[:, 1:] |= array[:, 1:] != array[:, :-1]
        begins = begins.ravel()
        if every is not None:
            begins[::every] = True
        starts = np.flatnonzero(begins)
        return cls(starts, np.diff(starts, append=begins.size), maps[0].shape[1])

    def take(self, indices: np.ndarray) -> "Spans":
        """Some of the spans."""
        return Spans(self.starts[indices], self.lengths[indices], self.width)

    def touching(
        self, other: "Spans", *, down: int, connectivity: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Indices (own, other) of the spans that touch, ``down`` rows further, -1, 0 or 1."""
        reach = 1 if connectivity == 8 or down == 0 else 0
        # Two columns of padding keep a diagonal step from reaching around the image's edge.
        begin, theirs = (s.starts + 2 * (s.starts // s.width) for s in (self, other))
        begin = begin + down * (self.width + 2)
        first = np.searchsorted(theirs + other.lengths, begin - reach, side="right")
        last = np.searchsorted(theirs, begin + self.lengths + reach, side="left")
        count = np.maximum(last - first, 0)
        own = np.repeat(np.arange(len(count)), count)
        offset = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count)
        return own, first[own] + offset

    def boxes(self, owner: np.ndarray, height: int, n: int) -> dict[str, np.ndarray]:
        """Half-open bounding boxes of the owners 1..n of spans in an image of that height."""
        row, left = np.divmod(self.starts, self.width)

        def extreme(ufunc: np.ufunc, values: np.ndarray, initial: int) -> np.ndarray:
            result = np.full(n + 1, initial, np.int32)
            ufunc.at(result, owner, values.astype(np.int32))
            return result[1:]

        return {
            "top": extreme(np.minimum, row, height),
            "left": extreme(np.minimum, left, self.width),
            "bottom": extreme(np.maximum, row + 1, 0),
            "right": extreme(np.maximum, left + self.lengths, 0),
        }


def _label_with_tfa(classes: np.ndarray, connectivity: int) -> np.ndarray:
    if connectivity != 4:
        raise InputError(
            "labeller: 'tfa' knows 4 neighbours only, got connectivity=8; "
            "use labeller='skimage', or connectivity=4"
        )
    try:
        from tensorflow_addons import image
    except ImportError as error:
        raise MissingDependencyError(
            "labeller: 'tfa' needs tensorflow-addons, which is not installed (it ended with "
            "Python 3.11 and TensorFlow 2.15); use labeller='skimage'"
        ) from error
    # Zero is the background of tensorflow-addons and a class of ours, so ids move up by one.
    shifted = np.where(classes == VOID, 0, classes.astype(np.int32) + 1)
    labels = image.connected_components(shifted).numpy()
    # Its numbers have another order than that of first pixels.
    ids, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank, order = np.zeros(len(ids), np.int32), first.argsort()
    rank[order] = np.cumsum(ids[order] != 0)
    return np.where(ids == 0, 0, rank)[inverse].astype(np.int32).reshape(labels.shape)


def find_interior(classes: np.ndarray, *, convention: str = "reference") -> np.ndarray:
    """Pixels whose eight neighbours all belong to the same segment (k_in of section 2).

    Parameters
    ----------
    classes : integer array [H, W]
        Predicted classes with void, or the component numbers.
    convention : {"reference", "paper"}
        Neighbours outside the image are passed over, so that a pixel on its edge can be interior
        ("reference"), or count as another segment ("paper");
        docs/decisions/0002-edge-pixels.md.

    Returns
    -------
    bool array [H, W]
    """
    check_convention(convention)
    row_of_three = np.ones(classes.shape, bool)
    beside = classes[:, 1:] == classes[:, :-1]
    row_of_three[:, 1:] &= beside
    row_of_three[:, :-1] &= beside
    below = classes[1:] == classes[:-1]
    interior = row_of_three.copy()
    interior[1:] &= below & row_of_three[:-1]
    interior[:-1] &= below & row_of_three[1:]
    if convention == "paper":
        interior[[0, -1]] = False
        interior[:, [0, -1]] = False
    return interior
