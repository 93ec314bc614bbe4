"""Figure 4: the l1 path: coefficients, accuracy and AUROC over 1/lambda = C."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from metaseg_tf.analysis.classification import Classification
from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.paper.figures import drawing
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import GROUPS, METRICS, PAPER_GROUPS

__all__ = [
    "coefficient_frame", "draw", "plot_coefficients", "plot_scores", "score_frame", "style_classes",
]  # fmt: skip

_DASHES = {"": "-", "_in": "--", "_bd": ":", "_rel": "-.", "_rel_in": (0, (6, 1, 1, 1, 1, 1))}
_LINE = {"linewidth": 1.3}
_CLASS = r"^cprob\d+$"
_METRIC_STYLES = {
    metric.name: (
        f"${metric.symbol}$",
        {"color": GROUPS[metric.group].colour, "linestyle": _DASHES[metric.name[1:]]},
    )
    for metric in METRICS
    if metric.group in PAPER_GROUPS
} | {"C_p": ("$C_p$", {"color": drawing.BLACK, "linewidth": 2.2})}
_BESIDE = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
_SCORES = {"acc": "accuracy", "auroc": "AUROC"}
_MODELS = {
    "penalized": ("LASSO fit", {"color": drawing.BLUE, "marker": "o"}),
    "unpenalized": ("unpenalised fit on its columns", {"color": drawing.ORANGE, "marker": "s"}),
}


def coefficient_frame(classification: Classification) -> pd.DataFrame:
    """Coefficients of split 0 along the path: ``C``, one column per feature, and ``C_p``.

    In log-odds of IoU_adj > 0 per standard deviation; ``C_p`` is the largest absolute value among
    the class probabilities.
    """
    coefficients = classification.coefficients(0)
    classes = coefficients.filter(regex=_CLASS)
    return coefficients.assign(C_p=classes.abs().max(axis=1)).reset_index()


def score_frame(classification: Classification) -> pd.DataFrame:
    """Scores of split 0 as in ``classification.curves``, and of the baseline (entropy) with C NaN.

    ``best_c`` is the C of the dashed line.
    """
    scores = pd.concat([classification.curves, classification.baseline], ignore_index=True)
    first = scores[scores["split"] == 0].drop(columns="split")
    return first.assign(best_c=classification.best_c_of_split(0)).reset_index(drop=True)


def plot_coefficients(
    coefficients: pd.DataFrame, styles: dict[str, tuple[str, dict]], ax: Axes
) -> list[Line2D]:
    """Lines over C, of the ``styles`` (label, properties) by column; others have empty labels."""
    lines = {
        name: ax.plot(coefficients["C"], coefficients[name], label=label, **_LINE | style)[0]
        for name, (label, style) in styles.items()
    }
    order = coefficients[list(styles)].iloc[-1].sort_values(ascending=False, kind="stable").index
    handles = [lines[name] for name in order if styles[name][0]]
    if others := [line for name, line in lines.items() if not styles[name][0]]:
        others[0].set_label(f"and {len(others)} others")
        handles.append(others[0])
    look = {"fontsize": 7.5, "handlelength": 2.8, "labelspacing": 0.25}
    ax.legend(handles=handles, **_BESIDE, **look)
    ax.set(xscale="log", xlabel=r"$\lambda^{-1} = C$", ylabel="coefficient (log-odds per s.d.)")
    ax.xaxis.set_major_formatter("{x:g}")
    return list(lines.values())


def plot_scores(scores: pd.DataFrame, score: str, ax: Axes) -> list[Line2D]:
    """Validation scores over C with the baseline; ``score`` is "acc" or "auroc"."""
    shown = scores[(scores["score"] == score) & (scores["part"] == "validation")]
    lines = []
    for model, (label, style) in _MODELS.items():
        rows = shown[shown["model"] == model]
        lines += ax.plot(rows["C"], rows["value"], label=label, markersize=3, **style)
    baseline = float(shown.loc[shown["model"] == "entropy", "value"].iloc[0])
    lines.append(ax.axhline(baseline, color=drawing.GREY, linestyle="-.", label="entropy baseline"))
    ax.set(xscale="log", xlabel=r"$\lambda^{-1} = C$", ylabel=f"validation {_SCORES[score]}")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:.1%}")
    return lines


def draw(runs: Sequence[Run], *, engine: str = PAPER_PROTOCOL.engine) -> drawing.Drawing:
    """The four panels for one run's table, by split 0 of the protocol."""
    (run,) = runs
    classification = evaluate_run(run, engine=engine).classification
    coefficients, scores = coefficient_frame(classification), score_frame(classification)
    figure = drawing.new_figure(11, 7.4)
    (upper_left, upper_right), lower = figure.subplots(2, 2)
    plot_coefficients(coefficients, _METRIC_STYLES, upper_left)
    plot_coefficients(coefficients, style_classes(coefficients, run.classes), upper_right)
    for score, ax in zip(_SCORES, lower, strict=True):
        plot_scores(scores, score, ax)
        ax.set_title(f"meta classification {_SCORES[score]}")
    upper_left.set_title("metrics")
    upper_right.set_title("mean class probabilities")
    best_c = scores["best_c"].iloc[0]
    for ax in (upper_left, upper_right, *lower):
        line = ax.axvline(best_c, color=drawing.BLACK, linestyle="--", linewidth=0.9)
    line.set_label(f"best validation accuracy\n($C$ = {best_c:.3g})")
    lower[1].legend(**_BESIDE)
    figure.suptitle(f"{drawing.title_of(run)}: $IoU_\\mathrm{{adj}}$ = 0 or > 0")
    return drawing.Drawing(figure, {"coefficients": coefficients, "scores": scores})


def style_classes(
    coefficients: pd.DataFrame, classes: ClassTable
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Looks of the class probabilities: those that matter most differ, others are thin and grey."""
    largest = coefficients.filter(regex=_CLASS).abs().max()
    named = len(largest) if len(largest) <= drawing.LISTED + 1 else drawing.LISTED
    listed = {*largest.nlargest(named).index}
    # Dashes change once all colours have been used.
    looks = product([*_DASHES.values()][:3], drawing.LINE_COLOURS)
    styles: dict[str, tuple[str, dict[str, Any]]] = {}
    for column, name in zip(largest.index, classes.names, strict=False):
        if column in listed:
            dashes, colour = next(looks)
            styles[column] = drawing.plain(name), {"color": colour, "linestyle": dashes}
        else:
            styles[column] = "", {"color": drawing.GREY, "linewidth": 0.5, "zorder": 1}
    return styles
