"""Every tail that upstream's exports have, against the same network computed directly."""

import numpy as np
import pytest
import tensorflow as tf
import upstream_graphs
from upstream_graphs import Export, graph_def, is_multiscale, scaled, scores, weights

from metaseg_tf.errors import InputError, NetworkError, ShapeError, UnsafeGraphError
from metaseg_tf.networks.deeplab.frozen_graph import FrozenGraph, GraphReport
from metaseg_tf.networks.options import NetworkOptions

SCALES = (0.75, 1.0, 1.25)
EXPORTS = {
    "february 2018": Export(),
    "int32 labels": Export(label_dtype=tf.int32),
    "november 2019": Export(label_dtype=tf.int32, probabilities=True),
    "decoder": Export(decoder=True),
    "size not constant": Export(static_crop=False, shapes=False),
    "without shapes": Export(shapes=False),
    "three scales": Export(scales=SCALES),
    "three scales and flip": Export(scales=SCALES, flip=True, decoder=True, shapes=False),
    "three scales, november 2019": Export(scales=SCALES, probabilities=True, static_crop=False),
    "one smaller scale": Export(scales=(0.5,), crop=(33, 33), classes=3),
}


@pytest.fixture(scope="module", params=EXPORTS, ids=lambda name: name.replace(" ", "-"))
def export(request):
    return EXPORTS[request.param]


@pytest.fixture(scope="module")
def network(export):
    return FrozenGraph(graph_def(export))


@pytest.fixture(scope="module")
def single():
    return FrozenGraph(graph_def(Export()))


def draw(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def softmax(logits):
    e = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("size", [(1, 1), (33, 20), (20, 33)])
def test_probabilities_are_those_of_the_direct_computation(network, export, size):
    image = draw(*size)
    expected = scores(image, export)
    expected = expected if is_multiscale(export) else softmax(expected)
    probs = network.probabilities(image)
    assert probs.dtype == np.float32
    assert probs.shape == (*size, export.classes)
    np.testing.assert_allclose(probs, expected, atol=2e-5)


def test_an_image_of_the_crop_is_taken_whole(network, export):
    image = draw(*export.crop)
    expected = scores(image, export)
    expected = expected if is_multiscale(export) else softmax(expected)
    np.testing.assert_allclose(network.probabilities(image), expected, atol=2e-5)


def test_logits_are_there_at_a_single_scale_only(network, export):
    image = draw(30, 33)
    if is_multiscale(export):
        with pytest.raises(NetworkError, match="no logits"):
            network.logits(image)
    else:
        np.testing.assert_allclose(
            network.logits(image), scores(image, export), rtol=1e-4, atol=1e-4
        )


def test_settings_are_read_from_the_structure(network, export):
    expected = NetworkOptions(8, export.scales, export.flip, export.crop)
    assert network.settings == expected
    assert (network.crop, network.classes) == (export.crop, export.classes)


@pytest.mark.parametrize("name", ["february 2018", "november 2019", "three scales and flip"])
def test_names_of_nodes_do_not_matter(name):
    export = EXPORTS[name]
    graph = graph_def(export)
    names = {node.name: f"n{i}" for i, node in enumerate(graph.node)}
    for node in graph.node:
        node.name = names[node.name]
        node.ClearField("experimental_debug_info")
        renamed = [_renamed(tensor, names) for tensor in node.input]
        del node.input[:]
        node.input.extend(renamed)
    image = draw(20, 33)
    expected = FrozenGraph(graph_def(export)).probabilities(image)
    np.testing.assert_array_equal(FrozenGraph(graph).probabilities(image), expected)


def _renamed(tensor, names):
    control = "^" if tensor.startswith("^") else ""
    name, _, output = tensor.lstrip("^").partition(":")
    return f"{control}{names[name]}{':' if output else ''}{output}"


@pytest.mark.parametrize("size", [(66, 97), (65, 98), (200, 300), (10, 98)])
def test_images_larger_than_the_crop_never_reach_the_network(single, size, monkeypatch):
    monkeypatch.setattr(single, "_run", lambda image: pytest.fail("the network saw the image"))
    with pytest.raises(ShapeError, match=f"at most 65x97.*got {size[0]}x{size[1]}"):
        single.probabilities(draw(*size))


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (draw(5, 6)[np.newaxis], ShapeError, "without a batch axis"),
        (np.moveaxis(draw(5, 6), 2, 0), ShapeError, "channels last"),
        (draw(5, 6)[..., 0], ShapeError, r"expected \[H, W, 3\]"),
        (np.zeros((5, 6, 4), np.uint8), ShapeError, "alpha"),
        (np.zeros((0, 6, 3), np.uint8), ShapeError, "non-empty"),
        (draw(5, 6) / 255.0, InputError, "expected uint8 .* got float64"),
        (draw(5, 6).astype(np.int32), InputError, "got int32"),
        (draw(5, 6).tolist(), InputError, "got None"),
    ],
)
def test_other_arrays_are_refused(single, image, error, words):
    with pytest.raises(error, match=words) as caught:
        single.probabilities(image)
    assert "\n" not in str(caught.value)


def small_graph(build):
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.uint8, [1, None, None, 3])
        build(image)
    return graph.as_graph_def()


def resized(image, size):
    return upstream_graphs.bilinear(tf.cast(image, tf.float32), size)


def no_labels(image):
    tf.nn.softmax(resized(image, [9, 9]))


def two_labels(image):
    tf.argmax(resized(image, [9, 9]), 3)
    tf.argmax(resized(image, [9, 9]), 3)


def two_inputs(image):
    tf.argmax(resized(image, [9, 9]) * tf.compat.v1.placeholder(tf.float32, []), 3)


def float_input(_):
    tf.argmax(resized(tf.compat.v1.placeholder(tf.float32, [1, None, None, 3]), [9, 9]), 3)


def not_resized(image):
    tf.argmax(tf.nn.relu(tf.cast(image, tf.float32)), 3)


def follows_the_image(image):
    tf.argmax(resized(image, tf.shape(image)[1:3]), 3)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (no_labels, "got 0"),
        (two_labels, "got 2"),
        (two_inputs, "one input, the image, got 2"),
        (float_input, "expected a uint8 image"),
        (not_resized, "prediction_with_upsampled_logits"),
        (follows_the_image, "fixed crop"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_graphs_of_another_structure_are_refused(build, words):
    with pytest.raises(NetworkError, match=words):
        FrozenGraph(small_graph(build))


def ends(end):
    """A graph of another maker: probabilities or what not, resized to the crop, and ArgMax."""

    def build(image):
        logits = tf.cast(image, tf.float32) / 64 @ tf.constant(KERNEL)
        tf.slice(tf.argmax(resized(end(logits), [9, 11]), 3), [0, 0, 0], [-1, 9, 11])

    return FrozenGraph(small_graph(build))


KERNEL = np.random.default_rng(0).normal(0, 1, (3, 4)).astype(np.float32)


def by_hand(x):
    return tf.exp(x) / tf.reduce_sum(tf.exp(x), -1, keepdims=True)


@pytest.mark.parametrize("end", [tf.nn.softmax, by_hand, lambda x: x])
def test_probabilities_that_are_resized_go_through_no_other_softmax(end):
    image = draw(9, 11)
    expected = tf.nn.softmax(image.astype(np.float32) / 64 @ KERNEL)
    np.testing.assert_allclose(ends(end).probabilities(image), expected, atol=1e-5)


def test_sigmoid_channels_have_no_probabilities():
    with pytest.raises(NetworkError, match="got 4 sigmoid channels"):
        ends(tf.sigmoid)


def test_scores_on_the_low_grid_are_refused():
    with pytest.raises(NetworkError, match="prediction_with_upsampled_logits"):
        FrozenGraph(graph_def(Export(upsample_logits=False)))


def test_labels_that_are_resized_on_the_way_are_noticed():
    def build(image):
        labels = tf.expand_dims(tf.argmax(resized(image, [9, 9]), 3, output_type=tf.int32), 3)
        labels = tf.compat.v1.image.resize_nearest_neighbor(labels, tf.shape(image)[1:3])
        tf.squeeze(labels, [3])

    network = FrozenGraph(small_graph(build))
    with pytest.raises(NetworkError, match="not the ArgMax of its scores"):
        network.probabilities(draw(4, 5))


def test_a_graph_that_cannot_be_read_gives_one_line():
    graph = graph_def(Export())
    next(node for node in graph.node if node.op == "Conv2D").attr["strides"].list.i[:] = [1]
    with pytest.raises(NetworkError, match="cannot be read") as caught:
        FrozenGraph(graph)
    assert "\n" not in str(caught.value)


def test_a_loop_is_refused():
    graph = graph_def(Export())
    pad = next(node for node in graph.node if node.op == "Pad")
    pad.input[0] = pad.name
    with pytest.raises(NetworkError, match="no loops"):
        FrozenGraph(graph)


def test_missing_nodes_are_named():
    graph = graph_def(Export())
    (place,) = (i for i, node in enumerate(graph.node) if node.op == "Pad")
    del graph.node[place]
    with pytest.raises(NetworkError, match="none named 'Pad'"):
        FrozenGraph(graph)


def test_ops_are_checked_here_too():
    graph = graph_def(Export())
    graph.node.add(name="spy", op="ReadFile")
    with pytest.raises(UnsafeGraphError, match="'spy'"):
        FrozenGraph(graph)


def without(op, change):
    graph = graph_def(Export())
    for node in graph.node:
        if node.op == op:
            change(node)
    return graph


@pytest.mark.parametrize(
    "graph",
    [
        without("ArgMax", lambda node: node.ClearField("input")),
        without("ResizeBilinear", lambda node: node.input.pop()),
        without("Placeholder", lambda node: node.attr.clear()),
        without("ArgMax", lambda node: node.input.__setitem__(0, f"{node.input[0]}:7")),
        without("Conv2D", lambda node: node.input.__setitem__(0, f"^{node.input[0]}")),
    ],
    ids=["no input", "one input", "no attributes", "no such output", "control edge"],
)
def test_nodes_that_are_not_whole_are_refused_in_one_line(graph):
    with pytest.raises(NetworkError) as caught:
        FrozenGraph(graph)
    assert "\n" not in str(caught.value)


INSPECTED = [
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


@pytest.mark.parametrize("export", INSPECTED, ids=["single", "no shapes", "multi"])
def test_counts_and_findings(export):
    report = GraphReport(graph_def(export))
    assert report.parameters == sum(array.size for array in weights().values())
    assert report.multiply_adds == multiply_adds(export)
    assert report.settings.scales == export.scales
    assert report.settings.output_stride == 8
    assert report.backbone == "MobilenetV2"
    assert report.classes == 5


def test_the_report_in_words():
    rows = GraphReport(graph_def(Export(scales=SCALES, flip=True))).rows()
    assert rows["crop"] == "65 x 97 pixels"
    assert rows["feeds ArgMax"] == "Mean (probabilities)"
    assert (rows["scales"], rows["flip"]) == ("0.75, 1, 1.25", "yes")


def test_the_feeding_node_is_named():
    report = GraphReport(graph_def(Export()))
    assert (report.scores, report.kind) == ("ResizeBilinear_2", "logits")
