"""Table 1: correlations of the metrics with IoU_adj, two halves side by side."""

from collections.abc import Mapping

from metaseg_tf.paper.layout import NOT_AVAILABLE, PrintedTable
from metaseg_tf.paper.measured import Measured

__all__ = ["COUNTS", "describe_counts", "lay_out"]

#: The quantities that captions tell, whether or not the table can be made.
COUNTS = {"all_segments", "segments", "false_positives"}

# As printed: each row holds two metrics.
_PAIRS = (
    ("E", "D"),
    ("E_bd", "D_bd"),
    ("E_in", "D_in"),
    ("E_rel", "D_rel"),
    ("E_rel_in", "D_rel_in"),
    ("S", "S_rel"),
    ("S_bd", "S_rel_in"),
    ("S_in", None),
)


def lay_out(measured: Mapping[str, Measured]) -> PrintedTable:
    """One column a run in each of the two halves."""
    header = ("metric", *measured) * 2
    rows = tuple(_half(left, measured) + _half(right, measured) for left, right in _PAIRS)
    caption = f"Correlation with IoU_adj. {describe_counts(measured)}"
    return PrintedTable("table1", caption, header, rows)


def describe_counts(measured: Mapping[str, Measured]) -> str:
    """One sentence with the counts of all runs."""
    counts = (
        f"{name}: {own.values['all_segments'].mean} segments, {own.values['segments'].mean} with "
        f"interior, of these {own.values['false_positives'].mean} with IoU_adj = 0"
        for name, own in measured.items()
        if own.values.keys() >= COUNTS
    )
    return f"{'; '.join(counts)}."


def _half(metric: str | None, measured: Mapping[str, Measured]) -> tuple[str, ...]:
    if metric is None:
        return ("",) * (len(measured) + 1)
    values = (own.values.get(metric) for own in measured.values())
    return (metric, *(NOT_AVAILABLE if v is None else f"{v.mean:.5f}" for v in values))
