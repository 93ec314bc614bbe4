import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from metaseg_tf.paper.comparison import Comparison, compare, standard_error
from metaseg_tf.paper.measured import Measured, Value
from metaseg_tf.paper.published import PUBLISHED, PublishedNumber, find_published

ACCURACY = find_published("table 2", "XC", "iou_adj/penalized/acc/validation")


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
        number = PublishedNumber("table 2", "XC", quantity, float(values.mean()), 4)
        ratio = standard_error(number, n) / values.std()
        # That of the AUROC is an upper bound, the others are the large-sample values.
        assert 0.85 < ratio < (1.7 if "auroc" in quantity else 1.2), quantity


def test_every_printed_number_has_an_error():
    for number in PUBLISHED:
        error = standard_error(number, 45194)
        assert math.isfinite(error)
        assert error > 0 or number.quantity == "miou"
        assert replace(number).as_per_cent == (number.decimals == 4)
