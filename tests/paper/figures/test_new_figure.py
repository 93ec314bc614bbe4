"""The steps of docs/extending.md really add a figure: a module, and an entry in the registry."""

import sys
from types import ModuleType

import pandas as pd
import pytest

from metaseg_tf.cli import app
from metaseg_tf.paper import reproduction
from metaseg_tf.paper.figures import FIGURES, FigureEntry
from metaseg_tf.report import overview

MODULE = '''
"""Figure 8: how many segments of each class are false positives."""

from metaseg_tf.paper.figures.drawing import BLUE, Drawing, load_judged, new_figure, title_of


def frame(table):
    false = (table["iou_adj"] == 0) & (table["S_in"] > 0)
    return false.groupby(table["class_id"]).sum().rename("false").reset_index()


def plot(counts, ax):
    ax.set(xlabel="class", ylabel="false positives")
    return ax.bar(counts["class_id"], counts["false"], color=BLUE)


def draw(runs):
    (run,) = runs
    counts = frame(load_judged(run))
    figure = new_figure(4, 3)
    ax = figure.subplots()
    plot(counts, ax)
    ax.set_title(title_of(run))
    return Drawing(figure, {"": counts})
'''


@pytest.fixture
def added(monkeypatch):
    name = "metaseg_tf.paper.figures.figure8"
    module = ModuleType(name)
    exec(MODULE, module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    entry = FigureEntry("figure8", joint=False, caption="False positives by class.")
    monkeypatch.setitem(FIGURES, 8, entry)


def test_a_new_figure_is_made_by_the_command_line(added, runs, table, capsys):
    with pytest.raises(SystemExit, match="0"):
        app(["figure", "8", *(str(run.path) for run in runs)])
    written = capsys.readouterr().out.split()[1::2]
    names = [f"figure8{run}.{suffix}" for run in ("", "_MN") for suffix in ("png", "pdf", "csv")]
    assert written == [str(runs[0].path / "figures" / name) for name in names]
    counts = pd.read_csv(written[2])
    assert counts["false"].sum() == ((table["iou_adj"] == 0) & (table["S_in"] > 0)).sum()


def test_a_new_figure_is_shown_by_the_report_and_made_by_a_reproduction(added, runs, monkeypatch):
    monkeypatch.setattr(overview, "FIGURES", {8: FIGURES[8]})
    drawn, missing = overview.draw_figures(runs)
    assert missing == []
    assert [(one["file"], one["caption"]) for one in drawn] == [
        ("figure8.png", "False positives by class."),
        ("figure8_MN.png", "False positives by class."),
    ]
    monkeypatch.setattr(reproduction, "TABLES", {})
    monkeypatch.setattr(reproduction.figures, "FIGURES", {8: FIGURES[8]})
    made = reproduction.make_results({"XC": runs[0]}, runs[0].path.parent)
    assert next(made)[:2] == ("figure 8", "made")
