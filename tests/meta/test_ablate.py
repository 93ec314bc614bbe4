import numpy as np
import pytest
from tables import make_table

from metaseg_tf import ablate, fit_meta_model
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.errors import InputError
from metaseg_tf.segments.columns import columns

FAST = Protocol(C=(0.01, 0.1, 1.0))


@pytest.fixture(scope="module")
def table():
    return make_table(600, n_classes=4, n_images=12)


@pytest.fixture(scope="module")
def found(table):
    return ablate(table, meta=("linear", "unpenalised"), protocol=FAST, draws=100)


def test_every_estimator_is_scored_on_every_set_of_metrics(found):
    steps = list(dict.fromkeys(zip(found["metrics"], found["meta"], strict=True)))
    assert steps[:2] == [("paper", "linear"), ("paper", "unpenalised")]
    assert ("paper + predicted class", "linear") in steps
    assert len(found) == len(steps) * found["score"].nunique()


def test_a_difference_is_that_of_the_values(found):
    first = found[:1].merge(found, on=["metrics", "meta"], suffixes=("_x", ""))
    assert (first[["difference", "difference_low", "difference_high"]].dropna() == 0).all(axis=None)
    own = first.set_index("score")["value"]
    np.testing.assert_allclose(
        found["difference"], found["value"] - found["score"].map(own).to_numpy(), atol=1e-12
    )


def test_the_linear_model_is_the_one_that_fit_keeps(table, found):
    held_out = fit_meta_model(table, protocol=FAST).provenance["held_out"]
    last = found[found["meta"] == "linear"].groupby("score").last()
    for score in ("auroc", "r2", "ece"):
        assert last.loc[score, "value"] == pytest.approx(held_out[score]["value"], abs=1e-9)


def test_constant_columns_add_nothing_and_a_telling_one_does(table):
    constant = {c.name: 0.5 for c in columns(4, metrics="geometry")[-6:]} | {"at_edge": np.int8(0)}
    telling = constant | {"fill": table["iou_adj"]}
    before, after = (
        ablate(table.assign(**added), meta=("linear",), protocol=FAST, draws=200)
        for added in (constant, telling)
    )
    row = before[(before["metrics"] == "paper + geometry") & (before["score"] == "auroc")]
    assert np.allclose(row[["difference", "difference_low", "difference_high"]], 0, atol=1e-6)
    row = after[(after["metrics"] == "paper + geometry") & (after["score"] == "r2")]
    assert row["value"].item() > 0.99
    assert row["difference_low"].item() > 0


def test_an_unknown_estimator_is_refused(table):
    with pytest.raises(InputError, match="meta: expected"):
        ablate(table, meta=("forest",))


def test_one_image_is_refused(table):
    with pytest.raises(InputError, match="at least 2 images"):
        ablate(table[table["image"] == table["image"].iloc[0]], meta=("linear",), protocol=FAST)
