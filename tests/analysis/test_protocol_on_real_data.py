"""Tables 2 and 3 of a table measured on real softmax, against the slow transcription."""

import numpy as np
import pandas as pd
import pytest
from protocol_twin import standardise_slowly, transcribe

from metaseg_tf import segment_metrics
from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.evaluation import evaluate
from metaseg_tf.analysis.protocol import Protocol
from metaseg_tf.data.softmax import find_dumps, load_dump

PROTOCOL = Protocol(n_splits=2, C=(0.1, 0.4))
CROP = (256, 512)


@pytest.fixture(scope="module")
def table(real_data):
    """Segments of two images, cut into 32 crops so that there are enough of them."""
    crops = []
    for path in find_dumps(real_data / "softmax"):
        dump = load_dump(path)
        for top in range(0, dump.gt.shape[0], CROP[0]):
            for left in range(0, dump.gt.shape[1], CROP[1]):
                part = np.s_[top : top + CROP[0], left : left + CROP[1]]
                measured = segment_metrics(dump.probs[part], dump.gt[part])
                crops.append(measured.assign(image=f"{dump.name}_{top:04d}_{left:04d}"))
    return pd.concat(crops, ignore_index=True)


def test_rows_columns_and_splits(table):
    design = build_design(table)
    rows = table[table["S_in"] > 0]
    np.testing.assert_allclose(design.X, standardise_slowly(rows), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(design.y, rows["iou"] > 0)
    for run, mask in enumerate(PROTOCOL.draw_splits(design)):
        state = np.random.RandomState(run)
        np.testing.assert_array_equal(mask, state.rand(len(rows)) < 0.5)


@pytest.mark.filterwarnings("ignore::FutureWarning:sklearn")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores(table):
    keys = ["split", "target", "model", "score", "part"]
    ours = evaluate(table, PROTOCOL).tidy().set_index(keys)["value"]
    expected = pd.Series(transcribe(table, PROTOCOL)).rename_axis(keys)
    difference = (ours - expected.reindex(ours.index)).abs()
    by_solver = difference.index.get_level_values("model").isin(["penalized", "unpenalized"])
    assert difference[~by_solver].max() < 1e-9
    assert difference[by_solver].max() < 1e-3
