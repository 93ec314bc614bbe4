"""``metaseg-tf score``: tables, pictures, comparisons, and what is missing in one line."""

import json

import numpy as np
import pandas as pd
import pytest
from small_runs import make_run
from tables import make_table

from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.analysis.verdict_scores import SCORES
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.meta import fit_meta_model, load_model, save_model
from metaseg_tf.meta.file import compute_digest, keep_model
from metaseg_tf.meta.score import score_run
from metaseg_tf.runs.run import Run

NAMES = ("road", "sky", "tree", "car", "cat")
FAST = Protocol(C=(0.1, 1.0))


def draw(n_images, seed):
    return make_table(40 * n_images, n_classes=5, n_images=n_images, seed=seed)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of the same images, two models of others, and a judged folder with one of them."""
    root = tmp_path_factory.mktemp("made")
    table = draw(24, 3)
    noisy = table.assign(D=np.random.default_rng(0).permutation(table["D"]))
    for name, segments in (("a", table), ("b", noisy)):
        make_run(root / name, segments, n_classes=5).name_classes(ClassTable(NAMES))
    for name, n_images in (("few", 4), ("many", 12)):
        model = fit_meta_model(draw(n_images, n_images), protocol=FAST)
        save_model(model, root / f"{name}.json")
    judged = Run.create(root / "judged", {"model": compute_digest(model)})
    segments = table.drop(columns=["iou", "iou_adj", "image"])[:50]
    judged.write_segments("x", segments.assign(**model.score(segments)))
    keep_model(judged, model)
    return root


@pytest.fixture
def no_pictures(monkeypatch):
    """Draw none, which takes most of the time."""
    monkeypatch.setattr("metaseg_tf.paper.scores.draw_scores", lambda found: ())


def say(*words):
    return (*words, "--draws", 100)


def test_scores_are_printed_and_stored(metaseg, made):
    code, output, _ = metaseg(*say("score", made / "a", "--model", made / "many.json"))
    assert code == 0
    table = pd.read_csv(made / "a" / "scores" / "scores.csv").fillna({"of": ""})
    expected = score_run(Run(made / "a"), load_model(made / "many.json"), draws=100).table
    pd.testing.assert_frame_equal(table.drop(columns="verdicts"), expected, check_dtype=False)
    area = table[(table["group"] == "all") & (table["score"] == "auroc")].iloc[0]
    words = " ".join(output.split())
    assert f"AUROC {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]" in words
    for part in (*SCORES.values(), "car", "100 to 999 pixels"):
        assert part in words
    for name in ("reliability", "risk_coverage"):
        for suffix in ("png", "pdf", "csv"):
            assert (made / "a" / "scores" / f"{name}.{suffix}").stat().st_size > 200


@pytest.mark.usefixtures("no_pictures")
def test_a_judged_folder_lends_its_model(metaseg, made):
    scores = [
        metaseg(*say("score", made / "a", "--json", "--model", made / model))[1]
        for model in ("many.json", "judged")
    ]
    assert scores[0] == scores[1]
    assert json.loads(scores[0])["a"][0]["score"] == "auroc"


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("words", "titles"),
    [
        (("a", "--model", "few.json", "--model", "many.json"), ("a, few.json", "a, many.json")),
        (("b", "a", "--model", "many.json"), ("b", "a")),
    ],
)
def test_two_models_or_two_runs_are_compared(metaseg, made, words, titles):
    paths = [word if word == "--model" else made / word for word in words]
    output = " ".join(metaseg(*say("score", *paths))[1].split())
    assert f"{titles[1]} less {titles[0]}" in output
    scores = pd.read_csv(made / words[0] / "scores" / "scores.csv")
    found = {title: scores[scores["verdicts"] == title] for title in titles}
    found["difference"] = pd.read_csv(made / words[0] / "scores" / "differences.csv")
    first, second, moved = (
        part.query("group == 'all'").set_index("score") for part in found.values()
    )
    np.testing.assert_allclose(moved["difference"], second["value"] - first["value"])
    assert moved.loc["r2", "low"] > 0


@pytest.mark.usefixtures("no_pictures")
def test_the_cost_sets_the_threshold(metaseg, made):
    words = say("score", made / "a", "--model", made / "many.json", "--cost", "1:4")
    assert "from a probability of 0.2 on" in " ".join(metaseg(*words)[1].split())


@pytest.mark.usefixtures("no_pictures")
def test_images_that_the_model_was_fitted_on_are_told(metaseg, made, tmp_path, caplog):
    model = fit_meta_model(Run(made / "a").load(), protocol=FAST)
    path = save_model(model, tmp_path / "own.json")
    metaseg(*say("score", made / "a", "--model", path))
    assert "fitted on 24 of these 24 images" in caplog.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a",), "expected a meta model for this run, got none; give --model"),
        (("judged",), "got judged ones without"),
        (("a", "--model", "few.json", "--cost", "much"), "--cost: expected FP:FN"),
        (("a", "--model", "few.json", "--cost", "0:1"), "expected two positive numbers"),
        (("a", "b", "a", "--model", "few.json"), "expected at most two runs"),
        (("a", "--model", "nowhere.json"), "nowhere.json"),
    ],
)
def test_what_is_missing_is_said_in_one_line(refused, made, words, said):
    paths = [made / w if w in ("a", "b", "judged") or w.endswith(".json") else w for w in words]
    assert said in refused("score", *paths)


def test_one_image_or_outcome_leaves_out_what_it_cannot_give(metaseg, made, tmp_path):
    table = draw(1, 5)
    make_run(tmp_path / "one", table, n_classes=5)
    _, output, _ = metaseg(*say("score", tmp_path / "one", "--model", made / "few.json"))
    assert "40 segments of 1 image" in " ".join(output.split())
    right = draw(4, 5).assign(iou=0.5, iou_adj=0.5)
    make_run(tmp_path / "right", right, n_classes=5)
    code, output, _ = metaseg(*say("score", tmp_path / "right", "--model", made / "few.json"))
    assert code == 0
    assert "n/a" in output
