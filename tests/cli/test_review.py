import json

import pandas as pd
from mapped_runs import make_run

from metaseg_tf.meta.review import COLUMNS


def test_the_verb_writes_a_queue_and_applies_its_decisions(metaseg, tmp_path):
    run, out = make_run(tmp_path / "run", range(6), name=""), tmp_path / "queue"
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    code, output, _ = metaseg("review", tmp_path / "run", "--out", out, "--show", "5", "-q")
    assert code == 0
    assert "average precision" in " ".join(output.split())
    queue = pd.read_csv(out / "queue.csv")
    assert tuple(queue) == COLUMNS
    decisions = tmp_path / "decisions.json"
    decisions.write_text(
        json.dumps([queue.iloc[0].to_dict() | {"decision": "accept"}], default=int)
    )
    code, output, _ = metaseg("review", tmp_path / "run", "--out", out, "--apply", decisions)
    assert code == 0
    assert [path.stem for path in (out / "corrected").iterdir()] == [queue["image"][0]]
    for words, said in (
        (("--apply", decisions), "expected no such folder yet"),
        ((), "expected a new folder or an empty one"),
    ):
        kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        code, _, refused = metaseg("review", tmp_path / "run", "--out", out, *words)
        assert code == 2
        assert said in " ".join(refused.split())
        assert kept == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert before == {path: path.read_bytes() for path in before}
    assert run.with_maps()


def test_a_share_of_errors_is_a_share(metaseg, tmp_path):
    make_run(tmp_path / "run", range(2))
    code, _, said = metaseg(
        "review", tmp_path / "run", "--out", tmp_path / "queue", "--errors", "5"
    )
    assert code == 2
    assert "expected a share between 0 and 1, got 5" in said


def test_a_file_in_the_place_of_the_queue_is_told_before_the_work(metaseg, tmp_path):
    make_run(tmp_path / "run", range(2))
    (tmp_path / "queue").touch()
    code, _, said = metaseg("review", tmp_path / "run", "--out", tmp_path / "queue")
    assert code == 2
    assert str(tmp_path / "queue") in said
    assert "comparing" not in said
