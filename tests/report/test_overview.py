"""What the overview says of a run, against its tables and scikit-learn."""

import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from small_runs import make_run
from tables import make_table

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.errors import RunError
from metaseg_tf.meta import fit_meta_model
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED, Quantity
from metaseg_tf.report import overview
from metaseg_tf.report.explorer import judge_run
from metaseg_tf.report.overview import collect_numbers, say_held_out, score_verdicts
from metaseg_tf.report.page import write_report
from metaseg_tf.runs.run import Run

pytestmark = pytest.mark.usefixtures("short_path")

N_CLASSES = 5
FAST = Protocol(C=(0.1, 1.0))
PAPERS = {"source": "cityscapes", "split": "val", "network": "mobilenetv2"}


def make_mine(path, table=None, **results):
    """A run of own data with named classes, of which the last two never occur."""
    table = make_table(700, n_images=6, n_classes=N_CLASSES) if table is None else table
    table = table.assign(class_id=table["class_id"] % 3)
    settings = {"source": "images", "network": "mine.keras"}
    run = make_run(path, table, settings=settings, n_classes=N_CLASSES, **results)
    run.name_classes(ClassTable(("way", "door; double door", "sky", "lift", "=stairs")))
    return run


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    ious = [0.9, 0.6123, None, 0.0, None]
    return make_mine(tmp_path_factory.mktemp("overview") / "mine", class_iou=ious)


@pytest.fixture(scope="module")
def inner(mine):
    table = judge_run(mine).table
    return table[table["S_in"] > 0]


@pytest.fixture
def write_page(monkeypatch):
    """Write the page of runs without figures and diagnostics, and return its text in one line."""
    monkeypatch.setattr(overview, "FIGURES", {})
    monkeypatch.setattr(overview, "diagnose", lambda _run: [])
    return lambda *runs, **options: " ".join(write_report(runs, **options).read_text().split())


def test_the_scores_at_a_glance_are_those_of_table_2(mine):
    glance, values = score_verdicts(judge_run(mine)), collect(mine).values
    for name, model, score in (
        ("AUROC of the classification", "penalized", "auroc"),
        ("R² of the regression", "all", "r2"),
    ):
        keys = [Quantity("iou_adj", m, score, "validation") for m in (model, "entropy")]
        assert glance["fits"][name] == [values[key] for key in keys]
    means = [value.mean for value in glance["fits"]["AUROC of the classification"]]
    assert glance["aurocs"].mean(axis=1) == pytest.approx(means)
    assert glance["classes"].loc[0, "auroc"] == pytest.approx(means[0])
    assert glance["lost"] == 0


def test_classes_are_scored_on_the_segments_that_were_held_out(mine, inner):
    """By the fits of all splits, made here once more from their coefficients."""
    evaluation, rows = evaluate_run(mine), score_verdicts(judge_run(mine))["classes"]
    X, best = evaluation.design.X, evaluation.classification.best_c
    false_positive = ~evaluation.design.y
    for class_id in range(3):
        own = (inner["class_id"] == class_id).to_numpy()
        areas, gaps = [], []
        for k, held in enumerate(evaluation.protocol.draw_splits(evaluation.design)):
            path = evaluation.classification.paths[k]
            index = list(path.C).index(best)
            p = 1 / (1 + np.exp(X @ path.coef[index] + path.intercept[index]))[held & own]
            areas.append(roc_auc_score(false_positive[held & own], p))
            gaps.append(p.mean() - false_positive[held & own].mean())
        row = rows[rows["name"] == mine.classes.names[class_id]].iloc[0]
        assert row["colour"] == mine.classes.colours[class_id]
        assert row[["n", "positive"]].tolist() == [own.sum(), (own & false_positive).sum()]
        shown = row[["auroc", "auroc_std", "gap", "gap_std"]].tolist()
        assert shown == pytest.approx([np.mean(areas), np.std(areas), np.mean(gaps), np.std(gaps)])


def test_classes_come_by_frequency_and_those_that_never_occur_are_counted(mine, write_page):
    glance = score_verdicts(judge_run(mine))
    rows = glance["classes"].set_index("name")
    assert rows.index[0] == "all classes"
    assert (rows["n"].diff()[1:] <= 0).all()
    assert rows["n"].iloc[0] == rows["n"].iloc[1:].sum()
    assert rows.loc["door; double door", "iou"] == 0.6123
    assert rows.loc["lift", ["n", "positive", "iou"]].tolist() == [0, 0, 0]
    assert rows.loc["lift", ["auroc", "gap"]].isna().all()
    assert glance["absent"] == ["=stairs"]
    text = write_page(mine)
    assert "1 more class occurs neither" in text
    lift = text.split("<b>lift</b>")[1].split("</tr>")[0]
    assert re.findall(r">([^<>]+)</td>", lift) == ["0", "0", "n/a", "0.0%", "n/a"]


def test_a_kept_model_is_scored_on_the_whole_run_unless_it_was_fitted_on_it(mine, inner):
    other = make_table(500, seed=3, n_images=4, n_classes=N_CLASSES)
    model = fit_meta_model(other, protocol=FAST)
    glance = score_verdicts(judge_run(mine, model))
    y = inner["iou_adj"] == 0
    p = model.score(inner)["false_positive_probability"]
    assert glance["judge"] == "model"
    assert float(glance["scores"]["AUROC"].split()[0]) == pytest.approx(
        glance["aurocs"][0, 0], abs=5e-4
    )
    areas = roc_auc_score(y, p), roc_auc_score(y, inner["E"])
    assert glance["aurocs"].ravel() == pytest.approx(areas)
    assert glance["classes"].loc[0, "gap"] == pytest.approx(p.mean() - y.mean())
    own = fit_meta_model(judge_run(mine).table, protocol=FAST)
    seen = score_verdicts(judge_run(mine, own))
    assert seen["judge"] == "seen"
    assert seen["scores"] == say_held_out(own.provenance)
    assert seen["scores"]["AUROC"] != glance["scores"]["AUROC"]
    assert (seen["aurocs"] == score_verdicts(judge_run(mine))["aurocs"]).all()


def test_a_gain_in_some_splits_is_not_called_better(mine, monkeypatch, write_page):
    """Nor one in fewer than half of them a gain."""
    found = score_verdicts(judge_run(mine))
    for lost, words in (
        (2, "8 of 10 splits</span> better than"),
        (6, "no better than the entropy"),
    ):
        entropy = np.where(np.arange(10) < lost, 0.99, 0.6)
        shown = found | {"aurocs": np.array([np.full(10, 0.8), entropy]), "lost": lost}
        monkeypatch.setattr(overview, "score_verdicts", lambda *_, shown=shown: shown)
        assert words in write_page(mine)


def outcome(table, mode):
    """A table with other truth: where the sentence has to say something else."""
    rng, hits = np.random.default_rng(0), np.flatnonzero(table["iou_adj"] == 0)
    iou = table["iou_adj"].to_numpy().copy()
    if mode == "none":
        iou[hits] = 0.5
    elif mode == "few":
        iou[hits[5:]] = 0.5
    elif mode == "all":
        iou[:] = 0
    elif mode == "noise":
        rng.shuffle(iou)
    elif mode == "no interior":
        table = table.assign(S_in=0, S=table["S_bd"], S_rel=1.0, S_rel_in=0.0)
    return table.assign(iou_adj=iou, iou=iou)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("", "better than the entropy alone, which reaches"),
        ("noise", "no better than guessing; the entropy alone reaches"),
        ("none", "is a false positive, so there is nothing for the meta classifier to find."),
        ("few", "false positives: too few to say how well the verdicts tell them from"),
        ("all", "with interior are false positives, so there is nothing to tell them from."),
        ("no interior", "None of the segments of this run has an interior"),
    ],
)
def test_the_sentence_says_what_is_so(tmp_path, write_page, mode, words):
    table = outcome(make_table(500, n_images=5, n_classes=N_CLASSES), mode)
    run = make_mine(tmp_path / "run", table)
    text = write_page(run)
    sentence = text.split('<p class="headline">')[1].split("</p>")[0]
    assert words in sentence
    assert sentence.strip().count(". ") == 0
    glance = score_verdicts(judge_run(run))
    assert bool(glance["aurocs"].size) == (mode in ("", "noise"))


def test_every_number_stays_together_with_its_spread(mine, write_page):
    text = write_page(mine)
    for area in score_verdicts(judge_run(mine))["aurocs"]:
        shown = f"{area.mean():.1%} <small>± {area.std():.1%}</small>"
        assert f'<span class="value">{shown}</span>' in text


def test_own_data_and_networks_are_not_compared_with_print(mine, write_page):
    numbers = collect_numbers([mine])
    assert numbers.compared == {}
    assert [table.title for table in numbers.tables.values()] == ["table1", "table2", "table3"]
    text = write_page(mine)
    assert not any(
        word in text for word in ("printed", 'id="compared', "#compared", "off: farther")
    )
    assert "(±" in text


def test_every_printed_number_stands_beside_ours_for_the_paper_s_network(
    mine, tmp_path, write_page
):
    run = make_run(tmp_path / "anything", settings=PAPERS, images=500)
    compared = collect_numbers([run, mine]).compared
    cells = [row for rows in compared.values() for row in rows.values()]
    shown = [(name, comparison) for row in cells for name, comparison in row.items()]
    assert len(shown) == sum(number.network == "MN" for number in PUBLISHED)
    assert {name.split()[0] for name, _ in shown} == {"anything"}
    text = write_page(run)
    miou = text.split("mIoU</th>")[1].split("</td>")[0]
    assert "<b>70.00%</b> <span>70.71% printed</span> <span>-0.71% · off</span>" in miou


def test_figures_name_the_run_that_they_show(mine, monkeypatch):
    monkeypatch.setattr(overview, "FIGURES", {n: overview.FIGURES[n] for n in (3, 6)})
    other = make_mine(mine.path.parent / "other")
    figures, _ = overview.draw_figures([mine, other])
    assert [(figure["file"], figure["run"]) for figure in figures] == [
        ("figure3.png", "mine and other"),
        ("figure6.png", "mine"),
        ("figure6_other.png", "other"),
    ]


@pytest.mark.parametrize("ious", [[0.5], "0.5", [0.1, 0.2, 0.3, 0.4, 2], [0.1, 0.2, 0.3, "", None]])
def test_impossible_ious_of_a_manifest_are_refused(tmp_path, ious):
    make_run(tmp_path / "run", make_table(20, n_classes=5), n_classes=5, class_iou=ious)
    with pytest.raises(RunError, match="impossible class_iou"):
        Run(tmp_path / "run")
