"""Writes frozen graphs with the interface, names and tails of upstream's exports, tiny inside.

The body has what the structure is read from (strides, a dilated convolution by space-to-batch,
image pooling, a decoder, batch norm) and random weights. `scores` computes the same in eager mode.
"""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
GREY = 127.5


@dataclass(frozen=True)
class Export:
    """Which of upstream's exports to imitate."""

    crop: tuple = (65, 97)
    classes: int = 5
    scales: tuple = (1.0,)
    flip: bool = False
    decoder: bool = False
    label_dtype: tf.DType = tf.int64
    probabilities: bool = False  # the outputs that exports have since November 2019
    shapes: bool = True  # whether nodes carry _output_shapes
    static_crop: bool = True  # whether the size of the last resize is a constant
    upsample_logits: bool = True


def weights(seed=0, classes=5):
    """Random weights under upstream's names."""
    rng = np.random.default_rng(seed)
    shapes = {
        "MobilenetV2/Conv/weights": (3, 3, 3, 4),
        "MobilenetV2/expanded_conv/project/weights": (3, 3, 4, 32),
        "MobilenetV2/expanded_conv_1/depthwise/depthwise_weights": (3, 3, 32, 1),
        "image_pooling/weights": (1, 1, 32, 4),
        "aspp0/weights": (1, 1, 32, 4),
        "concat_projection/weights": (1, 1, 8, 6),
        "logits/semantic/weights": (1, 1, 6, classes),
        "logits/semantic/biases": (classes,),
    }
    drawn = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    for moment, low, high in (("gamma", 0.5, 2), ("beta", -1, 1), ("moving_variance", 0.5, 2)):
        drawn[f"aspp0/BatchNorm/{moment}"] = rng.uniform(low, high, 4)
    drawn["aspp0/BatchNorm/moving_mean"] = rng.normal(0, 0.1, 4)
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def scaled(size, factor):
    """Upstream's size of a dimension at another scale."""
    return int((size - 1.0) * factor + 1.0)


def bilinear(images, size, name=None):
    return v1.image.resize_bilinear(images, size, align_corners=True, name=name)


def network(images, read, stride, crop):
    """Logits at output stride 8 of images in 0..255; ``read`` gives the weights by name."""
    x = images * (2.0 / 255.0) - 1.0
    x = tf.nn.relu6(tf.nn.conv2d(x, read("MobilenetV2/Conv/weights"), 2, "SAME"))
    low = tf.nn.relu(tf.nn.conv2d(x, read("MobilenetV2/expanded_conv/project/weights"), 4, "SAME"))
    kernel = read("MobilenetV2/expanded_conv_1/depthwise/depthwise_weights")
    x = tf.nn.with_space_to_batch(
        low,
        dilation_rate=[2, 2],
        padding="SAME",
        op=lambda y, _, padding: tf.nn.depthwise_conv2d(y, kernel, [1, 1, 1, 1], padding),
        filter_shape=[3, 3],
        spatial_dims=[1, 2],
    )
    height, width = (scaled(side, 1 / 8) for side in crop)
    pool = tf.nn.avg_pool2d(x, [height, width], [height, width], "VALID")
    pool = tf.nn.relu(tf.nn.conv2d(pool, read("image_pooling/weights"), 1, "SAME"))
    pool = bilinear(pool, [height, width])
    branch = tf.nn.conv2d(x, read("aspp0/weights"), 1, "SAME")
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    moments = [read(f"aspp0/BatchNorm/{name}") for name in names]
    branch, *_ = v1.nn.fused_batch_norm(branch, *moments, epsilon=1e-3, is_training=False)
    x = tf.concat([pool, tf.nn.relu(branch)], 3)
    x = tf.nn.relu(tf.nn.conv2d(x, read("concat_projection/weights"), 1, "SAME"))
    if stride == 4:
        x = bilinear(x, [scaled(side, 1 / 4) for side in crop])
    x = tf.nn.conv2d(x, read("logits/semantic/weights"), 1, "SAME")
    return tf.nn.bias_add(x, read("logits/semantic/biases"))


def _passes(images, read, export):
    """Logits of each scale and mirroring, on the low grid."""
    stride = 4 if export.decoder else 8
    for scale in export.scales:
        crop = [scaled(side, scale) for side in export.crop]
        grid = [scaled(side, max(1.0, scale) / stride) for side in export.crop]
        for flip in (False, True) if export.flip else (False,):
            x = tf.reverse(images, [2]) if flip else images
            x = bilinear(x, crop) if scale != 1.0 else x
            x = bilinear(network(x, read, stride, crop), grid)
            yield tf.reverse(x, [2]) if flip else x


def is_multiscale(export):
    return export.scales != (1.0,)


def scores(image, export, seed=0):
    """What feeds ArgMax, by a direct computation, cut to the image's size."""
    height, width = image.shape[:2]
    padded = np.full((1, *export.crop, 3), GREY, np.float32)
    padded[0, :height, :width] = image
    drawn = weights(seed, export.classes)
    logits = [bilinear(x, export.crop) for x in _passes(padded, drawn.__getitem__, export)]
    if is_multiscale(export):
        total = sum(tf.nn.softmax(x) for x in logits) / len(logits)
        return total.numpy()[0, :height, :width]
    return logits[0].numpy()[0, :height, :width]


def _padded(image, export):
    """Upstream's padding with grey to at least the crop, assertions included."""
    x = v1.squeeze(image, axis=0)
    x = tf.cast(x, tf.float32)
    height, width = v1.shape(x)[0], v1.shape(x)[1]
    target_height = height + tf.maximum(export.crop[0] - height, 0)
    target_width = width + tf.maximum(export.crop[1] - width, 0)
    rank = v1.Assert(tf.logical_or(tf.equal(tf.rank(x), 3), tf.equal(tf.rank(x), 4)), ["rank"])
    with tf.control_dependencies([rank]):
        x = x - tf.reshape(tf.constant([GREY] * 3), [1, 1, 3])
    sizes = tf.unstack(v1.shape(tf.expand_dims(x, 0)), 4)
    enough = v1.Assert(tf.greater_equal(target_width, sizes[2]), ["target_width"])
    with tf.control_dependencies([enough]):
        right = target_width - 0 - sizes[2]
    paddings = tf.stack([[0, 0], [0, target_height - 0 - sizes[1]], [0, right], [0, 0]])
    x = v1.squeeze(tf.pad(tf.expand_dims(x, 0), paddings), axis=[0]) + tf.reshape(
        tf.constant([GREY] * 3), [1, 1, 3]
    )
    if export.static_crop:
        x.set_shape([*export.crop, 3])
    return tf.expand_dims(x, 0), (height, width)


def graph_def(export, seed=0, **changes):
    """A frozen graph as ``export`` describes it, with the named fields changed."""
    export = replace(export, **changes)
    drawn = weights(seed, export.classes)
    with tf.Graph().as_default() as graph:
        reads = {}

        def read(name):
            if name not in reads:
                constant = tf.constant(drawn[name], name=name)
                with tf.compat.v1.colocate_with(constant):
                    reads[name] = tf.identity(constant, f"{name}/read")
            return reads[name]

        _build(export, read)
    return graph.as_graph_def(add_shapes=export.shapes)


def _build(export, read):
    image = v1.placeholder(tf.uint8, [1, None, None, 3], "ImageTensor")
    padded, size = _padded(image, export)
    low = list(_passes(padded, read, export))
    crop = v1.shape(padded)[1:3]
    if is_multiscale(export):
        each = [tf.expand_dims(tf.nn.softmax(bilinear(x, crop)), 4) for x in low]
        values = probabilities = tf.reduce_mean(tf.concat(each, 4), axis=4)
    elif export.upsample_logits:
        values = bilinear(low[0], crop, "ResizeBilinear_2" if export.probabilities else None)
        probabilities = tf.nn.softmax(values)
    else:
        values = low[0]
        probabilities = bilinear(tf.nn.softmax(values), crop)
    labels = tf.argmax(values, 3, output_type=export.label_dtype, name="ArgMax")
    if not export.upsample_logits:
        labels = tf.expand_dims(labels, 3)
        labels = v1.image.resize_nearest_neighbor(tf.cast(labels, tf.int32), crop, True)
        labels = v1.squeeze(labels, [3])
    if not export.probabilities:
        tf.slice(labels, [0, 0, 0], [1, *size], name="SemanticPredictions")
        return
    raw = tf.identity(tf.cast(labels, tf.float32), "RawSemanticPredictions")
    kept = tf.identity(probabilities, "RawSemanticProbabilities")
    cut = tf.expand_dims(raw[:, : size[0], : size[1]], 3)
    cut = v1.image.resize_nearest_neighbor(cut, size, align_corners=True)
    tf.identity(v1.squeeze(tf.cast(cut, tf.int32), [3]), "SemanticPredictions")
    bilinear(kept[:, : size[0], : size[1]], size, "SemanticProbabilities")
