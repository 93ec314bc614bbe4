import pytest

from metaseg_tf.paper.comparison import compare
from metaseg_tf.paper.hints import explain
from metaseg_tf.paper.measured import Measured, Value
from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.runs.run import Manifest

MEASURED_WITH = {"convention": "reference", "connectivity": 8, "split": "val"}
SETTINGS = {"output_stride": 16, "scales": [1.0], "flip": False, **MEASURED_WITH}
RESULTS = {"images": 500, "miou": 0.7071}


def hints_for(*, off=("D_in",), settings=SETTINGS, **manifest):
    """Hints for a run of MobileNetV2 that is off in these quantities and as in print elsewhere."""
    values = {
        n.quantity: Value(n.value * (1.1 if n.quantity in off else 1.0), n.deviation)
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
        ({"failed": {"a": "broken"}}, "1 images could not be measured"),
        ({"settings": MEASURED_WITH}, "does not tell output_stride, scales, flip"),
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
def test_the_fingerprint_tells_where_to_look(off, words):
    assert len(hints_for(off=off)) == 1
    assert words in hints_for(off=off)[0]
