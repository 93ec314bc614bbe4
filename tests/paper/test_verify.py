import json
import math
from dataclasses import replace

import numpy as np
import pytest
from make_golden import golden_numbers, golden_text
from sklearn.metrics import r2_score, roc_auc_score

from metaseg_tf.errors import InputError
from metaseg_tf.paper.measured import Measured, Value
from metaseg_tf.paper.published import (
    PUBLISHED,
    PublishedNumber,
    find_published,
    load_numbers,
)
from metaseg_tf.paper.quantities import MIOU, Quantity
from metaseg_tf.paper.verify import (
    Comparison,
    compare,
    explain,
    format_number,
    standard_error,
    verify,
)
from metaseg_tf.runs.run import Manifest

ACCURACY = find_published("table 2", "XC", "iou_adj/penalized/acc/validation")
MEASURED_WITH = {"convention": "reference", "connectivity": 8, "split": "val"}
SETTINGS = {"output_stride": 16, "scales": [1.0], "flip": False, **MEASURED_WITH}
RESULTS = {"images": 500, "miou": 0.7071}


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
    assert [row[:3] for row in table.rows] == [
        (n.place, n.network, str(n.quantity)) for n in PUBLISHED
    ]


def test_a_single_number_that_is_off(runs, printed):
    index = next(i for i, n in enumerate(printed) if n.quantity == Quantity.correlation("D_in"))
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
    assert "MN: 5 images were measured, the paper's numbers are of 500" in hints


def judge(value, number=ACCURACY, segments=45194):
    return Comparison(number, Value(value), segments)


def test_a_match_is_half_a_last_digit_and_two_printed_deviations():
    edge = 0.00005 + 2 * 0.0013
    assert judge(0.8191).tolerance == pytest.approx(edge)
    assert judge(0.8191 + edge).verdict == "match"
    assert judge(0.8191 - edge - 1e-6).verdict == "near"


def test_off_is_beyond_what_another_sample_could_change():
    error = math.sqrt(0.8191 * 0.1809 / 22597)
    edge = 0.00005 + 2 * 0.0013 + 2 * error
    assert judge(0.8191 + edge - 1e-6).verdict == "near"
    assert judge(0.8191 + edge + 1e-6).verdict == "off"


def test_a_number_without_deviation_has_half_a_last_digit():
    miou = find_published("section 3", "MN", "miou")
    assert judge(0.70714, miou).verdict == "match"
    assert judge(0.70704, miou).verdict == "off"
    count = find_published("section 3", "XC", "segments")
    assert [judge(n, count).verdict for n in (45194, 45195, 45618, 45621)] == [
        "match",
        "near",
        "near",
        "off",
    ]


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


def sample_scores(rng, n):
    """Each score over n rows drawn anew, with the true values of the population."""
    latent = rng.normal(size=n)
    y = rng.random(n) < 1 / (1 + np.exp(-1.5 * latent))
    target = 0.6 * latent + 0.8 * rng.normal(size=n)
    half = slice(0, n // 2)
    return {
        "E": np.corrcoef(latent, target)[0, 1],
        "iou_adj/all/acc/train": np.mean((latent > 0)[half] == y[half]),
        "iou_adj/all/auroc/train": roc_auc_score(y[half], latent[half]),
        "iou_adj/all/sigma/train": np.sqrt(np.mean((target - 0.6 * latent)[half] ** 2)),
        "iou_adj/all/r2/train": r2_score(target[half], 0.6 * latent[half]),
        "false_positives": np.sum(rng.poisson(0.3, n)),
    }


def test_standard_errors_are_those_of_repeated_samples():
    rng, n = np.random.default_rng(0), 800
    samples = [sample_scores(rng, n) for _ in range(400)]
    for quantity in samples[0]:
        values = np.array([sample[quantity] for sample in samples])
        number = PublishedNumber("table 2", "XC", Quantity.parse(quantity), float(values.mean()), 4)
        ratio = standard_error(number, n) / values.std()
        # That of the AUROC is an upper bound, the others are the large-sample values.
        assert 0.85 < ratio < (1.7 if "auroc" in quantity else 1.2), quantity


def test_every_printed_number_has_an_error():
    for number in PUBLISHED:
        error = standard_error(number, 45194)
        assert math.isfinite(error)
        assert error > 0 or number.quantity == MIOU
        assert replace(number).as_per_cent == (number.decimals == 4)


def hints_for(*, off=("D_in",), settings=SETTINGS, **manifest):
    """Hints for a run of MobileNetV2 that is off in these quantities and as in print elsewhere."""
    values = {
        n.quantity: Value(n.value * (1.1 if str(n.quantity) in off else 1.0), n.deviation)
        for n in PUBLISHED
        if n.network == "MN"
    }
    made = Manifest(settings, **({"n_classes": 19, "results": RESULTS} | manifest))
    return explain(compare(PUBLISHED, {"MN": Measured(values)}), {"MN": made})


def test_a_hit_needs_no_explanation():
    assert hints_for(off=()) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"convention": "paper"}, "MN: convention is 'paper', in print 'reference'"),
        ({"flip": True}, "MN: flip is True, in print False"),
        ({"output_stride": 8}, "MN: output_stride is 8, in print 16"),
        ({"scales": [0.75, 1.0]}, "MN: scales is [0.75, 1.0], in print [1.0]"),
        ({"connectivity": 4}, "MN: connectivity is 4, in print 8"),
        ({"split": "train"}, "MN: split is 'train', in print 'val'"),
    ],
)
def test_settings_that_differ_are_named_first(changed, words):
    hints = hints_for(settings=SETTINGS | changed)
    assert hints[0].startswith(words)
    assert "in print" not in " ".join(hints[1:])


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"results": RESULTS | {"images": 3}}, "3 images were measured"),
        ({"n_classes": 21}, "21 classes"),
        ({"failed": {"a": "broken"}}, "1 image could not be measured"),
        ({"settings": MEASURED_WITH}, "does not record output_stride, scales, flip"),
    ],
)
def test_what_else_may_be_the_cause(manifest, words):
    assert any(words in hint for hint in hints_for(**manifest))


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (("miou", "segments"), "the mIoU differs"),
        (("segments",), "the mIoU agrees and the counts do not"),
        (("D_in",), "the fingerprint agrees"),
    ],
)
def test_the_fingerprint_shows_where_to_look(off, words):
    assert len(hints_for(off=off)) == 1
    assert words in hints_for(off=off)[0]
