import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from tables import make_table

from metaseg_tf.analysis.evaluation import evaluate_run
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import InputError, SettingsMismatchError
from metaseg_tf.meta import fit_meta_model
from metaseg_tf.meta.model import SCORE_COLUMNS, Promise
from metaseg_tf.report import overview
from metaseg_tf.report.explorer import choose_images, judge_run
from metaseg_tf.report.page import write_report
from metaseg_tf.runs.run import Manifest, Run, load_run
from metaseg_tf.segments.columns import columns

FAST = Protocol(n_splits=2, C=(0.1, 1.0))


@pytest.fixture(scope="module")
def model(runs):
    table = load_run(runs[0].path)
    return fit_meta_model(table, manifest=runs[0].manifest, name="XC", protocol=FAST)


def test_everything_that_the_page_needs_is_in_its_folder(page_path):
    text = page_path.read_text()
    needed = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert needed
    for name in needed:
        assert name.startswith("data:") or (page_path.parent / name).is_file()
    assert not re.search(r"https?://", text)
    for script in page_path.parent.glob("*.js"):
        assert not re.search(r"https?://|fetch\(|XMLHttp", script.read_text())


class Tags(HTMLParser):
    """The tags of a page in their order: name and attributes."""

    def __init__(self, text):
        super().__init__()
        self.seen = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def test_the_policy_comes_first_and_lets_in_nothing_inline_or_of_elsewhere(page_path):
    """Nothing in the page is inline, either, so that the policy needs no hashes."""
    tags = Tags(page_path.read_text()).seen
    policy = next(i for i, (_, attrs) in enumerate(tags) if "http-equiv" in attrs)
    assert not any({"src", "href"} & attrs.keys() for _, attrs in tags[:policy])
    directives = {
        name: set(sources)
        for name, *sources in map(str.split, tags[policy][1]["content"].split(";"))
    }
    assert directives["default-src"] == directives["base-uri"] == {"'none'"}
    assert directives["form-action"] == {"'none'"}
    assert set.union(*directives.values()) <= {"'none'", "'self'", "file:", "data:"}
    assert all("data:" not in directives[name] for name in ("script-src", "style-src"))
    for tag, attrs in tags:
        assert tag != "style"
        assert tag != "script" or attrs.keys() == {"src"}
        assert not any(name == "style" or name.startswith("on") for name in attrs)
        assert not attrs.get("href", "").startswith("javascript:")


def test_the_page_is_small(page_path):
    files = (
        path for path in page_path.parent.rglob("*") if path.suffix in (".html", ".js", ".css")
    )
    assert sum(path.stat().st_size for path in files) < 5e6


def test_without_a_model_verdicts_are_those_of_the_first_run(runs):
    judged = judge_run(runs[0]).table
    inside = judged["S_in"] > 0
    assert judged["iou_adj_linear"].notna().equals(inside)
    assert judged["false_positive_probability"][inside].between(0, 1).all()


def test_with_a_model_verdicts_are_its_own(runs, model):
    judged = judge_run(runs[1], model)
    assert np.allclose(judged.table["iou_adj_linear"], model.score(judged.table)["iou_adj_linear"])
    assert "XC" in judged.origin


def test_a_model_of_another_convention_is_refused(runs, model):
    settings = Manifest({"convention": "paper"})
    other = fit_meta_model(load_run(runs[0].path), manifest=settings, protocol=FAST)
    with pytest.raises(SettingsMismatchError, match="convention"):
        judge_run(runs[0], other)


def test_images_of_both_runs_come_first(runs):
    chosen = choose_images([judge_run(run) for run in runs], 2)
    assert set(chosen[0]) == set(chosen[1]) == runs[1].with_maps()


def test_a_run_without_ground_truth_is_refused(runs, tmp_path):
    run = Run.create(tmp_path / "run", {})
    table = load_run(runs[0].path).drop(columns=["image", "iou", "iou_adj"])
    run.write_segments("a", table)
    with pytest.raises(InputError, match="ground truth"):
        judge_run(run)


def test_one_outcome_only_leaves_a_page_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "FIGURES", {3: overview.FIGURES[3]})
    run = Run.create(tmp_path / "run", {"convention": "reference"})
    run.manifest.n_classes = 5
    table = make_table(300, n_classes=5).drop(columns="image").assign(iou=0.5, iou_adj=0.5)
    run.write_segments("a", table)
    judged = judge_run(run)
    assert judged.table["iou_adj_linear"].isna().all()
    assert "missing" in judged.origin
    text = write_report([run]).read_text()
    assert "keep no maps" in text
    assert text.count("Missing: ") > 1
    assert "n/a" in text


def test_a_judged_page_says_what_there_is_at_a_glance(judged, judged_path):
    text = judged_path.read_text()
    table = judge_run(judged).table
    doubtful = (table["false_positive_probability"] >= 0.5).sum()
    for value in (4, len(table), doubtful):
        assert f"<dd>{value}</dd>" in text
    assert "of the run XC" in text
    assert re.search(r"on images held out:<br>AUROC 0.\d{3} \[0.\d{3}, \d.\d{3}\]<br>", text)


def test_verdicts_of_a_judged_run_are_those_of_its_table(judged):
    one, kept = judge_run(judged), judged.load(list(SCORE_COLUMNS))
    assert np.array_equal(one.table[list(SCORE_COLUMNS)], kept)
    assert not one.is_labelled


def test_a_judged_run_can_be_judged_by_another_model(judged, runs):
    table = load_run(runs[0].path)
    paper = table[["image", *(c.name for c in columns(5, metrics="paper"))]]
    with pytest.raises(InputError, match="got a table without geometry and neighbours"):
        judge_run(judged, fit_meta_model(table, meta="unpenalised", protocol=FAST))
    other = fit_meta_model(paper, protocol=FAST)
    one = judge_run(judged, other)
    assert np.allclose(one.table["iou_adj_linear"], other.score(one.table)["iou_adj_linear"])
    assert list(one.table.columns).count("iou_adj_linear") == 1


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_a_promise_tells_which_segments_are_doubtful(judged, runs, tmp_path, threshold):
    """The page called segments trusted that the model, by its promise, did not trust."""
    table = load_run(runs[0].path)
    model = fit_meta_model(table, manifest=runs[0].manifest, protocol=FAST)
    promise = Promise("false-positives", 0.1, 9, threshold)
    copied = Run(shutil.copytree(judged.path, tmp_path / "judged"))
    page = write_report([copied], model=replace(model, promise=promise))
    assert "to keep its promise" in page.read_text()
    trusted = replace(model, promise=promise).score(judge_run(judged).table)["trusted"]
    assert f"<dd>{(~trusted).sum()}</dd>" in page.read_text()
    assert f'"doubtful":{threshold}' in (page.parent / "run0" / "run.js").read_text()


def test_images_with_the_largest_expected_loss_come_first(judged):
    one = judge_run(judged)
    loss = (one.table["S"] * (1 - one.table["iou_adj_predicted"])).groupby(one.table["image"]).sum()
    expected = loss[sorted(judged.with_maps())].sort_values(ascending=False, kind="stable")
    assert choose_images([one], 9) == [expected.index.tolist()]


def test_an_image_that_is_wanted_comes_first(judged):
    one = judge_run(judged)
    last = choose_images([one], 9)[0][-1]
    assert choose_images([one], 1, [last]) == [[last]]
    assert choose_images([one], 2, [last])[0][0] == last
    assert len(choose_images([one], 0, [last, last])[0]) == 1
    with pytest.raises(InputError, match="--keep-maps all"):
        choose_images([one], 2, ["street 3"])
    with pytest.raises(InputError, match="did you mean street 1"):
        choose_images([one], 2, ["sreet 1"])


def test_runs_with_and_without_truth_do_not_share_a_page(judged, runs):
    with pytest.raises(InputError, match="got both"):
        write_report([runs[0], judged])


def test_explanations_of_the_first_split_add_up_to_figure_3(runs):
    one = judge_run(runs[0])
    explained = one.model.explain(one.table)["iou_adj_linear"]
    inside = one.table["S_in"] > 0
    predicted = evaluate_run(runs[0]).regressions["iou_adj"].predicted
    assert np.allclose(explained[inside].sum(axis=1), predicted, atol=1e-9)
    assert explained[~inside].isna().all(axis=None)
    probability = evaluate_run(runs[0]).classification.probability
    assert np.allclose(one.table["false_positive_probability"][inside], 1 - probability)


def test_one_outcome_leaves_the_other_verdict(runs, tmp_path):
    """A half without false positives cannot carry a classifier, but a regressor."""
    table = load_run(runs[0].path)
    run = Run.create(tmp_path / "run", {"convention": "reference"})
    run.write_segments(
        "a", table.assign(iou_adj=table["iou_adj"].clip(lower=0.1)).drop(columns="image")
    )
    one = judge_run(run)
    assert one.table["iou_adj_linear"].notna().equals(table["S_in"] > 0)
    assert one.table["false_positive_probability"].isna().all()
    assert "Probabilities of a false positive are missing: " in one.origin
    assert set(one.model.explain(one.table).columns.unique(0)) == {"iou_adj_linear"}


@pytest.mark.parametrize(
    "held_out", [[], {"r2": 1}, {"r2": {"value": "x"}}, "x", {"r2": {"value": 1}}]
)
def test_a_model_that_anyone_made_does_not_break_the_page(judged, held_out, tmp_path):
    model = judge_run(judged).model
    strange = replace(model, provenance={"held_out": held_out, "images": [1], "run": "<b>"})
    path = write_report([Run(shutil.copytree(judged.path, tmp_path / "judged"))], strange, images=0)
    assert "on images held out" not in path.read_text()
    assert "the run &lt;b&gt;" in path.read_text()
