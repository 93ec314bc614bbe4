import numpy as np
import pandas as pd
import pytest
from tables import make_table

from metaseg_tf import fit_meta_model, rate_images
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.meta.images import SUMMARIES, compare_images


@pytest.fixture(scope="module")
def judged():
    table = make_table(1500, n_classes=5, n_images=30)
    model = fit_meta_model(table, protocol=Protocol(C=(0.1,)))
    return pd.concat([table, model.score(table)], axis=1)


def test_images_are_rated_as_by_hand(judged):
    rated = rate_images(judged)
    assert list(rated) == ["image", *SUMMARIES]
    assert rated["expected_quality"].is_monotonic_increasing
    for row in rated.itertuples():
        own = judged[judged["image"] == row.image]
        pixels = own["S"].sum()
        quality = sum(own["S"] * own["iou_adj_predicted"]) / pixels
        assert row.expected_quality == pytest.approx(quality)
        assert row.expected_false_positives == pytest.approx(
            own["false_positive_probability"].sum()
        )
        assert row.mean_entropy == pytest.approx(sum(own["S"] * own["E"]) / pixels)
        assert row.mean_difference == pytest.approx(sum(own["S"] * own["D"]) / pixels)
        assert row.segments == len(own)
    assert rate_images(judged.iloc[:0]).empty


def draw(n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    values = shift + rng.standard_t(5, (n, len(SUMMARIES)))
    return pd.DataFrame(values, columns=list(SUMMARIES))


def test_alarms_are_false_as_rarely_as_said():
    found = [compare_images(draw(15, seed=i), draw(25, seed=1000 + i)) for i in range(200)]
    false = np.mean([p <= 0.05 for p, _ in found])
    assert false <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    unlike = np.mean([unlike.mean() for _, unlike in found])
    assert unlike == pytest.approx(1 / 26, abs=0.012)


def test_other_images_are_told():
    found = [
        compare_images(draw(20, seed=i, shift=1.5), draw(25, seed=1000 + i))[0] <= 0.05
        for i in range(20)
    ]
    assert np.mean(found) > 0.9


def test_one_image_that_is_far_off_is_named():
    images = draw(10)
    images.iloc[4] += 50
    p, unlike = compare_images(images, draw(25, seed=1))
    assert unlike[4]
    assert unlike.sum() <= 2
    assert compare_images(images.iloc[:0], draw(5)) == (1.0, pytest.approx(np.zeros(0)))
    assert p > 0.05  # One in ten does not make them others.
