"""Pictures of the regression diagnostics: residuals, influence, partial regression, calibration."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from metaseg_tf.paper.figures import drawing
from metaseg_tf.runs.run import Run, csv_text
from metaseg_tf.segments.columns import METRICS

if TYPE_CHECKING:
    # Loading statsmodels takes a second, which the paper's figures need not wait for.
    from metaseg_tf.analysis.diagnostics import Diagnostics

__all__ = ["draw_diagnostics", "running_mean", "store_diagnostics"]

_COOK_LEVELS = (0.01, 0.1)


def store_diagnostics(
    found: "Diagnostics", run: Run, formats: Collection[str] = tuple(drawing.FORMATS)
) -> list[Path]:
    """Write all texts, tables and pictures into ``RUN/diagnostics/`` and return their paths."""
    files = {f"{name}.txt": f"{text}\n" for name, text in found.texts().items()}
    files |= {f"{name}.csv": csv_text(frame) for name, frame in found.frames().items()}
    paths = [run.write_text(f"diagnostics/{name}", text) for name, text in files.items()]
    with drawing.styled():
        for name, drawn in draw_diagnostics(found):
            drawn.figure.suptitle(drawing.title_of(run), size=10, weight="bold")
            paths += drawing.store_drawing(drawn, run, f"diagnostics/{name}", formats)
    return paths


def draw_diagnostics(found: "Diagnostics") -> Iterator[tuple[str, drawing.Drawing]]:
    """Name and drawing of each picture; no calibration without a logistic fit."""
    influence = partial(plot_leverage, n_coefficients=len(found.linear.columns) + 1)
    plots: dict[str, tuple[Callable, list[str]]] = {
        "residuals_fitted": (plot_residuals, ["fitted", "residual"]),
        "normal_quantiles": (plot_normal_quantiles, ["quantile", "standardized"]),
        "scale_location": (plot_scale, ["fitted", "scale"]),
        "leverage_residual": (influence, ["leverage", "standardized", "cook"]),
    }
    for name, (plot, columns) in plots.items():
        yield name, _single(found.linear.points[columns], plot)
    yield "partial_regression", _draw_partial_regression(found)
    if found.calibration:
        yield "calibration", _single(found.calibration.table, plot_calibration)


def plot_residuals(points: pd.DataFrame, ax: Axes) -> list:
    """Residuals against fitted values with their running mean; functional form."""
    ax.set(xlabel="fitted value", ylabel="residual", title="Residuals against fitted")
    return _plot_trend(points["fitted"], points["residual"], ax, level=0.0)


def plot_normal_quantiles(points: pd.DataFrame, ax: Axes) -> list:
    """Standardised residuals against normal quantiles; normality."""
    ax.set(xlabel="normal quantile", ylabel="standardised residual", title="Normal Q-Q")
    ends = [points["quantile"].min(), points["quantile"].max()]
    line = ax.plot(ends, ends, label="normal", **drawing.REFERENCE)
    dots = _scatter(points["quantile"], points["standardized"], ax)
    ax.legend(loc="upper left")
    return [*line, dots]


def plot_scale(points: pd.DataFrame, ax: Axes) -> list:
    """Root of the size of standardised residuals against fitted values; equal variances."""
    root = r"$\sqrt{|\mathrm{standardised\ residual}|}$"
    ax.set(xlabel="fitted value", ylabel=root, title="Scale-location")
    return _plot_trend(points["fitted"], points["scale"], ax)


def plot_leverage(points: pd.DataFrame, ax: Axes, *, n_coefficients: int) -> list:
    """Standardised residuals against leverage, with lines of equal Cook's distance; influence."""
    ax.set(xlabel="leverage", ylabel="standardised residual", title="Leverage against residual")
    dots = _scatter(points["leverage"], points["standardized"], ax)
    limits = ax.get_ylim()
    low, high = points["leverage"].min(), points["leverage"].max()
    leverage = np.geomspace(max(low, 1e-8), max(high, 2e-8), 200)
    lines = []
    for level, dashes in zip(_COOK_LEVELS, (":", "--"), strict=True):
        residual = np.sqrt(level * n_coefficients * np.maximum(1 - leverage, 0) / leverage)
        for sign in (1, -1):
            style = {"color": drawing.VERMILION, "linestyle": dashes, "linewidth": 1}
            label = f"Cook's distance {level}" if sign > 0 else None
            lines += ax.plot(leverage, sign * residual, label=label, **style)
    ax.set(ylim=limits, xscale="log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return [dots, *lines]


def plot_partial_regression(points: pd.DataFrame, label: str, ax: Axes) -> list:
    """The contribution of a column given the others: ``x`` against ``y``, with the fitted line."""
    slope = (points["x"] @ points["y"]) / (points["x"] @ points["x"])
    ends = np.array([points["x"].min(), points["x"].max()])
    dots = _scatter(points["x"], points["y"], ax)
    line = ax.plot(ends, slope * ends, color=drawing.VERMILION, linewidth=1.3)
    ax.set(xlabel=f"{label} given the others")
    ax.set_title(f"slope {slope:.3g}", size=8.5)
    return [dots, *line]


def plot_calibration(reliability: pd.DataFrame, ax: Axes) -> list:
    """Observed against predicted share of IoU_adj > 0 with 95 % intervals."""
    share = reliability["observed"]
    errors = [share - reliability["low"], reliability["high"] - share]
    line = ax.plot([0, 1], [0, 1], label="calibrated", **drawing.REFERENCE)
    look = {"fmt": "o", "color": drawing.BLUE, "capsize": 2, "markersize": 4}
    label = "images held out; 95 % by images"
    bars = ax.errorbar(reliability["predicted"], share, np.maximum(errors, 0), label=label, **look)
    event = f"{drawing.IOU_LABEL} > 0"
    ax.set(xlabel=f"predicted probability of {event}", ylabel=f"observed share of {event}")
    ax.set(title="Calibration", aspect="equal")
    ax.legend(loc="upper left")
    return [*line, bars]


def running_mean(x: pd.Series, y: pd.Series, bins: int = 30) -> pd.DataFrame:
    """Means of ``x`` and ``y`` in at most ``bins`` groups of equally many points, by rising x."""
    groups = np.array_split(np.argsort(x.to_numpy(), kind="stable"), min(bins, len(x)))
    means = [(x.to_numpy()[g].mean(), y.to_numpy()[g].mean()) for g in groups]
    return pd.DataFrame(means, columns=["x", "y"])


def _single(frame, plot):
    figure = drawing.new_figure(4.6, 4.0)
    plot(frame, figure.subplots())
    return drawing.Drawing(figure, {"": frame})


def _draw_partial_regression(found):
    symbols = {metric.name: f"${metric.symbol}$" for metric in METRICS}
    shown = [name for name in found.linear.columns if name in symbols]
    frames = {name: found.linear.partial_regression(name) for name in shown}
    n_rows = max(-(-len(frames) // 3), 1)
    # The panels are all alike, so that they need no engine to be laid out, which takes seconds.
    height = 2 * n_rows + 0.6
    figure = drawing.new_figure(7.4, height, layout=None)
    margins = {"left": 0.11, "right": 0.985, "top": 0.98 - 0.45 / height, "bottom": 0.45 / height}
    figure.subplots_adjust(**margins, hspace=0.6, wspace=0.08)
    axes = figure.subplots(n_rows, 3, squeeze=False, sharey=True)
    for ax, (name, frame) in zip(axes.flat, frames.items(), strict=False):
        plot_partial_regression(frame, symbols[name], ax)
        low, high = found.linear.coefficients.loc[name, ["low", "high"]]
        if np.isfinite(low):
            ax.set_title(f"{ax.get_title()} ({low:.2g} to {high:.2g})", size=8.5)
    for ax in axes.flat[len(frames) :]:
        ax.remove()
    target = {"iou_adj": drawing.IOU_LABEL, "iou": "$IoU$"}[found.linear.results.model.endog_names]
    figure.supylabel(f"{target} given the others; slope with 95 % interval by images", size=9)
    joined = pd.concat(frames, names=["column", None]).reset_index(level=0) if frames else {}
    return drawing.Drawing(figure, {"": pd.DataFrame(joined)})


def _plot_trend(x, y, ax, level=None):
    artists: list[Line2D] = [_scatter(x, y, ax)]
    if level is not None:
        artists.append(ax.axhline(level, **drawing.REFERENCE))
    look = {"color": drawing.VERMILION, "linewidth": 1.6, "label": "running mean"}
    mean = running_mean(x, y)
    artists += ax.plot(mean["x"], mean["y"], **look)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return artists


def _scatter(x, y, ax):
    look = {"s": drawing.point_area(len(x)), "alpha": drawing.point_alpha(len(x))}
    return ax.scatter(x, y, color=drawing.BLUE, linewidths=0, rasterized=True, **look)
