import numpy as np
import pandas as pd
import pytest
from tables import make_table

from metaseg_tf import fit_meta_model, rate_images
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.meta.images import (
    LEVELS,
    SUMMARIES,
    compare_images,
    name_summaries,
    summarise_images,
)


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
    summaries = summarise_images(judged, 5)
    assert list(summaries) == ["image", *name_summaries(5)]
    pd.testing.assert_frame_equal(summaries[list(rated)], rated)
    for row in summaries.itertuples():
        own = judged[judged["image"] == row.image]
        assert [getattr(row, f"segments_{i}") for i in range(5)] == [
            (own["class_id"] == i).sum() for i in range(5)
        ]


def draw(n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    names = name_summaries(3)
    values = shift + rng.standard_t(5, (n, len(names)))
    return pd.DataFrame(values, columns=names).assign(image=range(n))


def test_alarms_are_false_as_rarely_as_said():
    found = [compare_images(draw(15, seed=i), draw(25, seed=1000 + i)) for i in range(200)]
    false = np.mean([np.any(np.array(p) <= LEVELS) for p, _ in found])
    assert false <= 0.04 + 2 * np.sqrt(0.04 * 0.96 / 200)
    unlike = np.mean([unlike.mean() for _, unlike in found])
    assert unlike == pytest.approx(1 / 26, abs=0.012)


def test_other_images_are_told():
    found = [
        compare_images(draw(20, seed=i, shift=1.5), draw(25, seed=1000 + i))[0][0] <= LEVELS[0]
        for i in range(20)
    ]
    assert np.mean(found) > 0.9


def test_other_classes_are_told():
    images, others = draw(20), draw(25, seed=1)
    assert compare_images(images.assign(segments_2=5.0), others)[0][0] <= LEVELS[0]


def test_one_image_that_is_far_off_is_named():
    images = draw(10)
    images.iloc[4] += 50
    images["image"] = range(10)
    (p, single), unlike = compare_images(images, draw(25, seed=1))
    assert unlike[4]
    assert unlike.sum() <= 2
    assert compare_images(images.iloc[:0], draw(5)) == ((1.0, 1.0), pytest.approx(np.zeros(0)))
    assert min(p, single) > 0.05  # One in ten does not make them others.


def test_some_images_that_are_far_off_raise_an_alarm():
    images = draw(20)
    images.iloc[:5] += 50
    (_, single), unlike = compare_images(images, draw(25, seed=1))
    assert unlike[:5].all()
    k = unlike.sum()
    chance = np.prod([(20 - i) / (45 - i) for i in range(k)])
    assert single == pytest.approx(chance)
    assert single <= 0.05
