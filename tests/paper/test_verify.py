import json
from dataclasses import replace

import pytest

from metaseg_tf.demo.plan import golden_numbers, golden_text, load_golden
from metaseg_tf.errors import InputError
from metaseg_tf.paper.published import PUBLISHED, find_published
from metaseg_tf.paper.verify import format_number, verify


@pytest.fixture(scope="module")
def printed(runs):
    """What print would say if the runs were those of the paper."""
    return golden_numbers(runs)


def test_runs_that_hit(runs, printed):
    found = verify(runs, printed)
    assert found.passed
    assert found.hints == ()
    assert found.summary() == "112 golden numbers: 112 match, 0 near, 0 off, 0 missing"


def test_the_order_is_that_of_print_with_the_fingerprint_first(runs, printed):
    table = verify(runs, printed).table()
    assert [row[2] for row in table.rows[:6:2]] == ["miou", "segments", "false_positives"]
    assert [row[:3] for row in table.rows] == [(n.place, n.network, n.quantity) for n in PUBLISHED]


def test_a_single_number_that_is_off(runs, printed):
    index = next(i for i, n in enumerate(printed) if n.quantity == "D_in")
    moved = replace(printed[index], value=printed[index].value + 0.5)
    found = verify(runs, [*printed[:index], moved, *printed[index + 1 :]])
    assert not found.passed
    assert "111 match, 0 near, 1 off" in found.summary()
    row = found.table().rows[index]
    assert row[-1] == "off"
    assert float(row[-2]) == pytest.approx(-0.5, abs=1e-5)


def test_one_network_alone(runs, printed):
    found = verify({"MN": runs["MN"]}, printed)
    assert found.passed
    assert {c.published.network for c in found.comparisons} == {"MN"}


@pytest.mark.parametrize("roles", [{}, {"RN": "XC"}])
def test_other_roles_are_refused(runs, roles):
    with pytest.raises(InputError, match="expected runs for MN or XC"):
        verify({role: runs[name] for role, name in roles.items()})


def test_missing_numbers_fail_with_their_reason(runs, printed, one_outcome):
    found = verify({"XC": one_outcome}, printed)
    assert not found.passed
    assert "14 missing" in found.summary()
    assert any("expected both outcomes" in hint for hint in found.hints)
    row = next(row for row in found.table().rows if row[2] == "detected")
    assert row[-3:] == ("n/a", "n/a", "missing")


def test_json_holds_full_precision(runs, printed):
    content = json.loads(json.dumps(verify(runs, printed).to_json()))
    assert content["passed"] is True
    assert len(content["numbers"]) == 112
    first = content["numbers"][0]
    assert (first["quantity"], first["network"], first["ours"]) == ("miou", "XC", 0.8)


def test_headlines_are_the_fingerprint_and_the_scores_of_the_abstract(runs, printed):
    rows = verify(runs, printed).headlines().rows
    assert len(rows) == 10 + 8
    assert {row[0] for row in rows} == {"section 3", "table 2"}


def test_numbers_look_as_printed():
    acc = find_published("table 2", "XC", "iou_adj/penalized/acc/train")
    assert format_number(0.81913, acc) == "81.91%"
    assert format_number(-0.00123, acc, more=1, sign="+") == "-0.123%"
    assert format_number(0.18149, find_published("table 2", "XC", "iou_adj/all/sigma/train")) == (
        "0.181"
    )
    assert format_number(45194.0, find_published("section 3", "XC", "segments")) == "45194"


def test_golden_files_read_back(runs, printed, tmp_path):
    path = tmp_path / "golden.json"
    path.write_text(golden_text(runs))
    assert list(load_golden(path)) == printed
    assert verify(runs, load_golden(path)).passed


@pytest.mark.parametrize("content", [None, "[", "[{}]", "[1]", "3"])
def test_broken_golden_files_are_told(tmp_path, content):
    path = tmp_path / "golden.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OSError, match="expected a file of golden numbers"):
        load_golden(path)


def test_a_miss_of_print_is_explained_by_the_settings(runs):
    hints = verify({"MN": runs["MN"]}).hints
    assert "MN: 5 images were measured, the paper's numbers are of 500" in hints
