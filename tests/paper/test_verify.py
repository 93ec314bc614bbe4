import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_golden import golden_numbers, golden_text
from small_runs import make_run
from tables import make_table

from metaseg_tf.errors import InputError
from metaseg_tf.paper.measured import Measured, Value
from metaseg_tf.paper.published import PUBLISHED, Quantity, find_published, load_numbers
from metaseg_tf.paper.verify import (
    FINGERPRINT,
    PAPER_SETTINGS,
    Comparison,
    Verification,
    compare,
    explain,
    find_faults,
    format_number,
    verify,
)
from metaseg_tf.segments.table import segment_metrics

pytestmark = pytest.mark.usefixtures("short_path")

ACCURACY = find_published("table 2", "XC", "iou_adj/penalized/acc/validation")


def make_sound(table):
    """A drawn table whose entropies are as small as its mean probabilities demand."""
    assert find_faults(table)
    entropies = [name for name in table if name == "E" or name.startswith("E_")]
    return table.assign(**{name: table[name] / 1e3 for name in entropies})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run in the part of either network."""
    folder = tmp_path_factory.mktemp("sound")
    return {
        "XC": make_run(folder / "XC", make_sound(make_table(600, n_images=6)), miou=0.8),
        "MN": make_run(folder / "MN", make_sound(make_table(500, seed=1, n_images=5))),
    }


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
    assert [row[2] for row in table.rows[:6:2]] == list(map(str, FINGERPRINT))
    assert [row[:3] for row in table.rows] == [
        (n.place, n.network, str(n.quantity)) for n in PUBLISHED
    ]


def test_a_single_number_that_is_off(runs, printed):
    index = next(i for i, n in enumerate(printed) if n.quantity == Quantity.correlation("D_in"))
    moved = replace(printed[index], value=printed[index].value + 0.5)
    found = verify(runs, [*printed[:index], moved, *printed[index + 1 :]])
    assert not found.passed
    assert "111 match, 0 near, 1 off" in found.summary()
    assert found.fingerprints == {"XC": "equal", "MN": "equal"}
    assert found.table().rows[index][-1] == "off"
    assert found.comparisons[index].difference == pytest.approx(-0.5, abs=1e-5)


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
    assert row[-2:] == ("n/a", "missing")


def test_json_holds_full_precision(runs, printed):
    content = json.loads(json.dumps(verify(runs, printed).to_json()))
    assert content["passed"] is True
    assert content["fingerprint"] == {"XC": "equal", "MN": "equal"}
    assert content["faults"] == content["hints"] == []
    assert len(content["numbers"]) == 112
    first = content["numbers"][0]
    assert (first["quantity"], first["network"], first["ours"]) == ("miou", "XC", 0.8)


def test_headlines_are_the_fingerprint_and_the_scores_of_the_abstract(runs, printed):
    rows = verify(runs, printed).table(headlines=True).rows
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
    assert list(load_numbers(path)) == printed
    assert verify(runs, load_numbers(path)).passed


@pytest.mark.parametrize("content", [None, "[", "[{}]", "[1]", "3"])
def test_broken_golden_files_are_refused(tmp_path, content):
    path = tmp_path / "golden.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OSError, match="expected a file of golden numbers"):
        load_numbers(path)


def test_a_miss_of_print_is_explained_by_the_settings(runs):
    hints = verify({"MN": runs["MN"]}).hints
    assert hints[0].startswith("MN: images: 5, in print 500")


def judge(quantity, mean, std=None, *, fingerprint="equal", place="table 2"):
    """The verdict on a number of Xception65, whose 45194 segments the paper counts."""
    return Comparison(find_published(place, "XC", quantity), Value(mean, std), 45194, fingerprint)


R2 = "iou_adj/all/r2/train"


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (Value(0.75064, 0.00224), "match"),
        (Value(0.75066, 0.0022), "off"),
        (Value(0.7506, 0.00226), "off"),
        (Value(0.7506, None), "match"),
    ],
)
def test_with_an_equal_fingerprint_mean_and_deviation_must_be_as_printed(value, verdict):
    assert judge(R2, *value).verdict == verdict


def test_logistic_scores_may_differ_by_the_solver():
    edge = 0.00005 + 0.001
    assert judge("iou_adj/penalized/acc/validation", 0.8191 + edge).verdict == "match"
    assert judge("iou_adj/penalized/acc/validation", 0.8191 - edge - 2e-6).verdict == "off"
    # The C may be another, at which the deviation is another, too.
    assert judge("iou_adj/penalized/acc/validation", 0.8191, 0.003).verdict == "match"


@pytest.mark.parametrize("fingerprint", ["near", "other"])
def test_other_halves_move_scores_by_twice_their_deviation(fingerprint):
    edge = 0.00005 + 2 * 0.00225
    verdicts = [
        judge(R2, 0.7506 + d, 0.5, fingerprint=fingerprint).verdict for d in (0, edge, edge + 2e-6)
    ]
    assert verdicts == ["match", "near", "off"]


def test_other_segments_move_correlations():
    edge = 0.000005 + 2 * (1 - 0.85458**2) * math.sqrt(2e-3 / 45194)
    moved = [
        Comparison(find_published("table 1", "XC", "D_in"), Value(-0.85458 + d), 45194, "near")
        for d in (edge, edge + 2e-6)
    ]
    assert [comparison.verdict for comparison in moved] == ["near", "off"]


def fingerprint(**moved):
    """How a run compares that is as in print but for these numbers, and its failures."""
    values = {
        n.quantity: Value(n.value + moved.get(str(n.quantity), 0), n.deviation)
        for n in PUBLISHED
        if n.network == "XC"
    }
    found = Verification(tuple(compare(PUBLISHED, {"XC": Measured(values)})), ())
    return found.fingerprints["XC"], [
        str(c.published.quantity) for c in found.comparisons if c.verdict == "off"
    ]


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ({}, ("equal", [])),
        ({"miou": 0.00004}, ("equal", [])),
        ({"segments": 1}, ("near", [])),
        ({"segments": -45, "false_positives": 45}, ("near", [])),
        ({"segments": 46}, ("other", ["segments"])),
        ({"miou": 0.00006}, ("near", [])),
        ({"miou": 0.00007}, ("other", ["miou"])),
        ({"miou": -0.01, "segments": 2}, ("other", ["miou"])),
        ({"E": 0.0001}, ("equal", ["E"])),
        ({"E": 0.0001, "segments": 1}, ("near", [])),
    ],
)
def test_the_fingerprint_decides(moved, expected):
    assert fingerprint(**moved) == expected


@given(st.floats(-0.5, 0.5), st.integers(-20000, 20000), st.integers(-9000, 9000))
def test_another_fingerprint_always_fails(miou, segments, false_positives):
    kind, off = fingerprint(miou=miou, segments=segments, false_positives=false_positives)
    assert (kind == "other") == bool({*off} & {*map(str, FINGERPRINT)})


def test_a_missing_fingerprint_is_another():
    compared = compare(PUBLISHED, {"XC": Measured({})})
    assert {c.fingerprint for c in compared} == {"other"}
    assert {c.verdict for c in compared} == {"missing"}


def test_what_the_fingerprint_lets_expect_is_said_first(runs, printed):
    found = verify(runs)
    assert found.fingerprints == {"XC": "other", "MN": "other"}
    line = found.foreword()[0]
    assert line.startswith(
        "XC: the fingerprint is different (miou 80.00% instead of 80.42%, segments "
    )
    assert line.endswith("so nothing else can be expected to agree")
    assert (
        verify(runs, printed).foreword()[1]
        == "MN: the fingerprint is equal, so every number must match"
    )


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.floats(0.05, 5))
def test_measured_entropies_have_no_fault(seed, n_classes, concentration):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(n_classes, concentration), (12, 15)).astype(np.float32)
    table = segment_metrics(probs, rng.integers(n_classes, size=(12, 15)))
    assert find_faults(table) == []


def test_a_fault_fails_though_every_number_matches(runs, printed, tmp_path):
    table = make_table(600, n_images=6)
    names = [name for name in table if name == "E" or name.startswith("E_")]
    loud = table.assign(**{name: table[name] / 2 for name in names})
    found = verify({"XC": make_run(tmp_path / "XC", loud, miou=0.8)}, printed)
    assert {c.verdict for c in found.comparisons} == {"match"}
    assert not found.passed
    assert "divide by the logarithm of the number of classes" in found.foreword()[1]


@pytest.mark.parametrize("value", [None, Value(math.nan)])
def test_what_is_not_there_is_missing(value):
    assert Comparison(ACCURACY, value, 100).verdict == "missing"


def test_print_agrees_with_itself():
    values = {n.quantity: Value(n.value, n.deviation) for n in PUBLISHED if n.network == "XC"}
    comparisons = compare(PUBLISHED, {"XC": Measured(values)})
    assert {c.published.network for c in comparisons} == {"XC"}
    assert len(comparisons) == len(PUBLISHED) // 2
    assert {c.verdict for c in comparisons} == {"match"}
    assert {c.segments for c in comparisons} == {45194}


SETTINGS = {"output_stride": 16, "scales": [1.0], "flip": False, "void": 255}


def hints_for(path, *, off=("D_in",), images=500, n_classes=19, failed=None, settings=SETTINGS):
    """Hints for a run of MobileNetV2 that is off in these quantities and as in print elsewhere."""
    run = make_run(path / "run", make_table(60, n_images=2), settings=settings)
    run.manifest.n_classes, run.manifest.failed = n_classes, failed or {}
    run.manifest.results["images"] = images
    values = {
        n.quantity: Value(n.value * (1.1 if str(n.quantity) in off else 1.0), n.deviation)
        for n in PUBLISHED
        if n.network == "MN"
    }
    compared = compare(PUBLISHED, {"MN": Measured(values)})
    missed = [c for c in compared if c.verdict == "off"]
    assert [str(c.published.quantity) for c in missed] == list(off)
    return list(explain(missed, run, PAPER_SETTINGS["MN"]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"convention": "paper"}, "convention: 'paper', in print 'reference'"),
        ({"flip": True}, "flip: True, in print False"),
        ({"output_stride": 8}, "output_stride: 8, in print 16"),
        ({"scales": [0.75, 1.0]}, "scales: [0.75, 1.0], in print [1.0]"),
        ({"connectivity": 4}, "connectivity: 4, in print 8"),
        ({"split": "train"}, "split: 'train', in print 'val'"),
        ({"void": 0}, "void: 0, in print 255"),
    ],
)
def test_settings_that_differ_are_named_first(changed, words, tmp_path):
    hints = hints_for(tmp_path, settings=SETTINGS | changed)
    assert hints[0].startswith(words)
    assert "in print" not in " ".join(hints[1:])


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"images": 3}, "images: 3, in print 500"),
        ({"n_classes": 21}, "classes: 21, in print 19"),
        ({"failed": {"a": "broken"}}, "1 image could not be measured"),
        ({"settings": {}}, "does not record void, output_stride, scales, flip"),
    ],
)
def test_what_else_may_be_the_cause(manifest, words, tmp_path):
    assert any(words in hint for hint in hints_for(tmp_path, **manifest))


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (("miou", "segments"), "the mIoU differs"),
        (("segments",), "the mIoU agrees and the counts do not"),
        (("D_in",), "the fingerprint agrees"),
    ],
)
def test_the_fingerprint_shows_where_to_look(off, words, tmp_path):
    hints = hints_for(tmp_path, off=off)
    assert len(hints) == 1
    assert words in hints[0]
