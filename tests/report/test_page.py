import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tables import make_table

from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import InputError, SettingsMismatchError
from metaseg_tf.meta import fit_meta_model
from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.report import overview
from metaseg_tf.report.explorer import choose_images, judge_run
from metaseg_tf.report.page import write_report
from metaseg_tf.runs.run import Manifest, Run, load_run

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


def test_every_printed_number_stands_beside_ours(runs):
    numbers = overview.collect_numbers(runs)
    cells = [cell for table in numbers.tables for _, row in table.rows for cell in row]
    assert len(cells) == len(PUBLISHED)
    assert {table.title.split(":")[0] for table in numbers.tables} >= {"Table 1", "Table 2"}
    assert numbers.glance["XC"]["mIoU of the network"] == "50.00%"
    for table in numbers.tables:
        assert all(len(row) == len(table.header) for _, row in table.rows)


def test_a_run_alone_is_set_beside_the_first_network_unless_it_is_named(runs, tmp_path):
    assert overview.assign_roles([runs[1]]) == {"MN": runs[1]}
    other = Run.create(tmp_path / "mine", {})
    assert overview.assign_roles([other]) == {"XC": other}


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
