"""Pictures of scores: are probabilities right, and what is gained by leaving doubtful ones out?"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from metaseg_tf.meta.score import Scores
from metaseg_tf.paper.figures import drawing

__all__ = ["draw_scores"]

_REFERENCE = {"color": drawing.BLACK, "linewidth": 0.9, "linestyle": "--"}
_COLOURS = (drawing.BLUE, drawing.VERMILION)


def draw_scores(found: Mapping[str, Scores]) -> Iterator[tuple[str, drawing.Drawing]]:
    """Name and drawing of the reliability diagram and of the risk-coverage curve."""
    for name, draw in (("reliability", _draw_reliability), ("risk_coverage", _draw_risk_coverage)):
        figure = drawing.new_figure(4.6, 4.4)
        draw(figure.subplots(), found)
        frames = {title: getattr(scores, name) for title, scores in found.items()}
        data = pd.concat(frames, names=["verdicts"]).reset_index("verdicts")
        yield name, drawing.Drawing(figure, {"": data})


def _draw_reliability(ax, found):
    ax.plot([0, 1], [0, 1], label="calibrated", **_REFERENCE)
    for (title, scores), colour in zip(found.items(), _COLOURS, strict=False):
        bins = scores.reliability
        errors = np.abs(bins[["low", "high"]].sub(bins["observed"], axis=0)).T.to_numpy()
        look = {"color": colour, "marker": "o", "markersize": 4, "capsize": 2, "linewidth": 1}
        label = f"{title}: ECE {scores.group().loc['ece', 'value']:.3f}"
        ax.errorbar(bins["predicted"], bins["observed"], errors, label=label, **look)
    ax.set(
        title="Reliability, with 95 % intervals by images",
        xlabel="predicted probability of a false positive",
        ylabel="observed share of false positives",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    ax.legend(loc="upper left")


def _draw_risk_coverage(ax, found):
    for (title, scores), colour in zip(found.items(), _COLOURS, strict=False):
        curve, area = scores.risk_coverage, scores.group().loc["aurc", "value"]
        label = f"{title}: AURC {area:.3f}"
        ax.plot(curve["coverage"], curve["risk"], color=colour, linewidth=1.6, label=label)
        ideal = {"color": colour, "linewidth": 1, "linestyle": ":", "label": "ordered by the truth"}
        ax.plot(curve["coverage"], curve["ideal"], **ideal)
    ax.axhline(curve["risk"].iloc[-1], label="in random order", **_REFERENCE)
    ax.set(
        title="What is left if doubtful segments are left out",
        xlabel="share of segments kept, best predictions first",
        ylabel=f"mean 1 - {drawing.IOU_LABEL} of those kept",
        xlim=(0, 1),
        ylim=(0, None),
    )
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.16))
