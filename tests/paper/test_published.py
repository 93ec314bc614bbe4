import pytest

from metaseg_tf.networks.checkpoints import MOBILENETV2
from metaseg_tf.paper.published import NETWORKS, PUBLISHED, Quantity, find_published, paper_network
from metaseg_tf.runs.run import Manifest
from metaseg_tf.segments.columns import METRIC_COLUMNS


def value(place, network, quantity):
    return find_published(place, network, quantity).value


def test_every_place_is_complete():
    counts = {}
    for number in PUBLISHED:
        counts[number.place] = counts.get(number.place, 0) + 1
    assert counts == {"section 3": 10, "table 1": 30, "table 2": 40, "table 3": 32}
    keys = [(n.place, n.network, n.quantity) for n in PUBLISHED]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("network", NETWORKS)
def test_identities_among_the_printed_numbers(network):
    assert value("section 3", network, "detected") + value(
        "section 3", network, "undetected"
    ) == value("section 3", network, "false_positives")
    assert value("table 1", network, "S_rel") == value("table 1", network, "S_rel_in")
    assert {n.quantity for n in PUBLISHED if n.place == "table 1"} == {
        Quantity.correlation(name) for name in METRIC_COLUMNS
    }


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("model", ["all", "entropy"])
def test_table_3_repeats_table_2_and_r2_agrees_with_sigma(network, part, model):
    for score in ("sigma", "r2"):
        quantity = f"iou_adj/{model}/{score}/{part}"
        assert value("table 2", network, quantity) == value("table 3", network, quantity)
    # sigma and R2 of two models on the same rows have the same total variance.
    total = [
        value("table 2", network, f"iou_adj/{m}/sigma/{part}") ** 2
        / (1 - value("table 2", network, f"iou_adj/{m}/r2/{part}"))
        for m in ("all", "entropy")
    ]
    assert total[0] == pytest.approx(total[1], rel=0.02)


def test_the_numbers_that_the_abstract_quotes():
    assert value("table 2", "XC", "iou_adj/penalized/acc/validation") == 0.8191
    assert value("table 2", "XC", "iou_adj/penalized/auroc/validation") == 0.8771
    assert value("table 2", "MN", "iou_adj/all/r2/validation") == 0.8148
    assert value("table 2", "MN", "iou_adj/all/sigma/validation") == 0.130


def test_what_is_not_printed_is_not_found():
    with pytest.raises(KeyError, match="prints no 'C'"):
        find_published("table 1", "XC", "C")


PAPERS = {"source": "cityscapes", "split": "val", "network": "xception65"}


@pytest.mark.parametrize(
    ("settings", "images", "expected"),
    [
        ({}, 500, "XC"),
        ({"network": "mobilenetv2"}, 500, "MN"),
        ({"network": MOBILENETV2.file}, 500, "MN"),
        ({"output_stride": 16, "flip": False}, 500, "XC"),
        ({}, 499, None),
        ({"split": "train"}, 500, None),
        ({"source": "softmax"}, 500, None),
        ({"network": "demo_xception"}, 500, None),
        ({"network": "XC"}, 500, None),
        ({"network": ["xception65"]}, 500, None),
        ({"network": None}, 500, None),
    ],
)
def test_a_run_is_the_papers_by_data_and_network(settings, images, expected):
    assert paper_network(Manifest(PAPERS | settings, results={"images": images})) == expected


def test_an_unfinished_run_is_not_the_papers():
    assert paper_network(Manifest(PAPERS)) is None
