"""The report on a graph, against counts made by hand from what the generator draws."""

import pytest
from upstream_graphs import Export, graph_def, scaled, weights

from metaseg_tf.networks.deeplab.frozen_graph import inspect_graph

SCALES = (0.75, 1.0, 1.25)
EXPORTS = [
    Export(),
    Export(shapes=False, static_crop=False),
    Export(scales=SCALES, flip=True, decoder=True, probabilities=True),
]


def multiply_adds(export):
    """By hand: pixels of the result * kernel * channels in * channels out, pass by pass."""
    total = 0
    for scale in export.scales:
        crop = [scaled(side, scale) for side in export.crop]
        half, eighth = ([-(-side // step) for side in crop] for step in (2, 8))
        quarter = [scaled(side, 1 / 4) for side in crop]
        logits = quarter if export.decoder else eighth
        grids = {
            "MobilenetV2/Conv/weights": half,
            "image_pooling/weights": (1, 1),
            "logits/semantic/weights": logits,
        }
        for name, array in weights(0, export.classes).items():
            if array.ndim == 4:
                height, width = grids.get(name, eighth)
                total += height * width * array.size
    return total * (2 if export.flip else 1)


@pytest.mark.parametrize("export", EXPORTS, ids=["single", "no shapes", "multi"])
def test_counts_and_findings(export):
    report = inspect_graph(graph_def(export))
    assert report.parameters == sum(array.size for array in weights().values())
    assert report.multiply_adds == multiply_adds(export)
    assert report.settings.scales == export.scales
    assert report.settings.output_stride == 8
    assert report.backbone == "MobilenetV2"
    assert report.classes == 5


def test_the_report_prints_itself():
    text = str(inspect_graph(graph_def(Export(scales=SCALES, flip=True))))
    for words in ("65 x 97", "Mean (probabilities)", "0.75, 1, 1.25", "flip          yes"):
        assert words in text


def test_the_feeding_node_is_named():
    report = inspect_graph(graph_def(Export()))
    assert (report.scores, report.kind) == ("ResizeBilinear_2", "logits")
