"""The scores against scikit-learn's, one model at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from metaseg_tf.analysis.scores import accuracy, auroc, r2, sigma
from metaseg_tf.errors import InputError, ShapeError

# Few distinct values, so that ties are the rule.
LOGITS = hnp.arrays(np.float64, (3, 20), elements=st.integers(-3, 3))
OUTCOMES = hnp.arrays(bool, 20).filter(lambda y: y.any() and not y.all())
VALUES = hnp.arrays(np.float64, 20, elements=st.floats(0, 1, width=16))


@given(LOGITS, OUTCOMES)
def test_classification_scores(logits, y):
    expected = [metrics.roc_auc_score(y, row) for row in logits]
    np.testing.assert_allclose(auroc(logits, y), expected, rtol=0, atol=1e-12)
    expected = [metrics.accuracy_score(y, row > 0) for row in logits]
    np.testing.assert_allclose(accuracy(logits, y), expected, rtol=0, atol=1e-12)


@given(LOGITS, VALUES.filter(lambda v: np.ptp(v) > 0))
def test_regression_scores(predicted, true):
    expected = [metrics.root_mean_squared_error(true, row) for row in predicted]
    np.testing.assert_allclose(sigma(predicted, true), expected, rtol=1e-12)
    expected = [metrics.r2_score(true, row) for row in predicted]
    np.testing.assert_allclose(r2(predicted, true), expected, rtol=1e-9, atol=1e-9)


def test_a_constant_score_has_an_area_of_half():
    assert auroc(np.zeros(4), np.array([True, False, False, False])) == 0.5


def test_scores_that_are_not_defined():
    with pytest.raises(InputError, match="both outcomes"):
        auroc(np.zeros(3), np.ones(3, bool))
    with pytest.raises(InputError, match="target that varies"):
        r2(np.zeros(3), np.ones(3))
    with pytest.raises(ShapeError, match="one model per row"):
        accuracy(np.zeros((3, 1)), np.ones(3, bool))
