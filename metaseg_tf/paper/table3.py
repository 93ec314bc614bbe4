"""Table 3: meta regression of IoU_adj beside that of IoU."""

from collections.abc import Mapping

from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.paper.measured import Measured
from metaseg_tf.paper.table2 import (
    TARGETS,
    describe_extrapolation,
    regression_rows,
    score_header,
    score_rows,
)

__all__ = ["lay_out"]


def lay_out(measured: Mapping[str, Measured]) -> PrintedTable:
    """Two columns a run: its training and its validation half."""
    rows = [
        row
        for target, name in TARGETS.items()
        for row in score_rows(f"Regression {name}", regression_rows(target, measured), measured)
    ]
    caption = (
        f"Means over {PAPER_PROTOCOL.n_splits} runs, standard deviations in brackets. "
        f"Predictions are not clipped. {_describe_clipped(measured)}"
    )
    caption = f"{caption.strip()}{describe_extrapolation(measured, *TARGETS)}"
    return PrintedTable("table3", caption, score_header(measured), tuple(rows))


def _describe_clipped(measured: Mapping[str, Measured]) -> str:
    """What the first row and its R2 would be for predictions clipped to the range of the IoU."""
    key = "clipped/iou_adj/all/{}/validation"
    scores = [
        (name, *(own.values[key.format(score)].mean for score in ("sigma", "r2")))
        for name, own in measured.items()
        if key.format("r2") in own.values
    ]
    words = (f"{name}: σ {sigma:.3f}, R2 {r2:.2%}" for name, sigma, r2 in scores)
    return f"Clipped to [0, 1], IoU_adj on validation: {'; '.join(words)}." if scores else ""
