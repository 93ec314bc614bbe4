"""The slow twin: DeepLabv3+ in plain numpy and float64, one line a layer, rates written out.

Weights are a dict by upstream's names, arrays are [H, W, C].
"""

import numpy as np

#: (stride, rate) of the depthwise convolution of expanded_conv, expanded_conv_1 ... _16.
MOBILENET_STEPS = {
    16: [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (2, 1)] + [(1, 1)] * 7 + [(1, 2)] * 3,
    8: [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 1)] + [(1, 2)] * 7 + [(1, 4)] * 3,
}
#: (stride, rate) of entry_flow/block3, the middle flow, and the two blocks of the exit flow.
XCEPTION_STEPS = {
    16: [(2, 1), (1, 1), (1, 1), (1, 2)],
    8: [(1, 1), (1, 2), (1, 2), (1, 4)],
}
ASPP_RATES = {16: (6, 12, 18), 8: (12, 24, 36)}


def relu(x):
    return np.maximum(x, 0)


def relu6(x):
    return np.clip(x, 0, 6)


def identity(x):
    return x


def pad_same(x, stride, rate):
    """Zeros that SAME puts around for a 3x3 kernel, the odd one on the far side."""
    pads = []
    for side in x.shape[:2]:
        outputs = -(-side // stride)
        total = max((outputs - 1) * stride + 2 * rate + 1 - side, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [*pads, (0, 0)])


def pad_explicit(x):
    return np.pad(x, [(1, 1), (1, 1), (0, 0)])


def slide(padded, kernel, stride, rate, combine):
    """A VALID convolution as the sum over the kernel's taps."""
    size = kernel.shape[0]
    height, width = (side - (size - 1) * rate for side in padded.shape[:2])
    return sum(
        combine(padded[dy * rate :, dx * rate :][:height:stride, :width:stride], kernel[dy, dx])
        for dy in range(size)
        for dx in range(size)
    )


def batch_norm(x, w, scope, epsilon):
    gamma, beta, mean, variance = (
        w[f"{scope}/BatchNorm/{part}"].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def conv(x, w, scope, stride=1, *, pad=identity, epsilon=1e-3, act=identity):
    kernel = w[f"{scope}/weights"].astype(np.float64)
    y = slide(pad(x), kernel, stride, 1, lambda patch, tap: patch @ tap)
    return act(batch_norm(y, w, scope, epsilon))


def depthwise(x, w, scope, stride=1, rate=1, *, explicit=False, epsilon=1e-3, act=identity):
    kernel = w[f"{scope}/depthwise_weights"].astype(np.float64)
    padded = pad_explicit(x) if explicit else pad_same(x, stride, rate)
    y = slide(padded, kernel[..., 0], stride, rate, np.multiply)
    return act(batch_norm(y, w, scope, epsilon))


def mobilenet(x, w, output_stride):
    net = "MobilenetV2"
    x = conv(x, w, f"{net}/Conv", 2, pad=lambda x: pad_same(x, 2, 1), act=relu6)
    for number, (stride, rate) in enumerate(MOBILENET_STEPS[output_stride]):
        scope = f"{net}/expanded_conv_{number}" if number else f"{net}/expanded_conv"
        y = conv(x, w, f"{scope}/expand", act=relu6) if number else x
        y = depthwise(y, w, f"{scope}/depthwise", stride, rate, act=relu6)
        y = conv(y, w, f"{scope}/project")
        x = x + y if stride == 1 and x.shape == y.shape else y
    return x


def _module(x, w, scope, stride, rate, skip):
    inside = relu if skip == "none" else identity
    before = identity if skip == "none" else relu
    y = x
    outputs = []
    for number in (1, 2, 3):
        step = stride if number == 3 else 1
        name = f"{scope}/separable_conv{number}"
        y = depthwise(before(y), w, f"{name}_depthwise", step, rate, explicit=step > 1, act=inside)
        y = conv(y, w, f"{name}_pointwise", act=inside)
        outputs.append(y)
    if skip == "conv":
        y = y + conv(x, w, f"{scope}/shortcut", stride)
    return (y + x if skip == "sum" else y), outputs[1]


def xception(x, w, output_stride, middle_units):
    def unit(x, name, stride, rate, skip):
        return _module(x, w, f"xception_65/{name}/xception_module", stride, rate, skip)

    block3, middle, exit1, exit2 = XCEPTION_STEPS[output_stride]
    x = conv(x, w, "xception_65/entry_flow/conv1_1", 2, pad=pad_explicit, act=relu)
    x = conv(x, w, "xception_65/entry_flow/conv1_2", pad=pad_explicit, act=relu)
    x, _ = unit(x, "entry_flow/block1/unit_1", 2, 1, "conv")
    x, low_level = unit(x, "entry_flow/block2/unit_1", 2, 1, "conv")
    x, _ = unit(x, "entry_flow/block3/unit_1", *block3, "conv")
    for number in range(1, middle_units + 1):
        x, _ = unit(x, f"middle_flow/block1/unit_{number}", *middle, "sum")
    x, _ = unit(x, "exit_flow/block1/unit_1", *exit1, "conv")
    x, _ = unit(x, "exit_flow/block2/unit_1", *exit2, "none")
    return x, low_level


def head_conv(x, w, scope):
    return conv(x, w, scope, epsilon=1.001e-5, act=relu)


def head_separable(x, w, scope, rate):
    x = depthwise(x, w, f"{scope}_depthwise", 1, rate, epsilon=1.001e-5, act=relu)
    return head_conv(x, w, f"{scope}_pointwise")


def aspp(x, w, rates):
    pooled = head_conv(x.mean((0, 1), keepdims=True), w, "image_pooling")
    branches = [np.broadcast_to(pooled, (*x.shape[:2], pooled.shape[2])), head_conv(x, w, "aspp0")]
    branches += [head_separable(x, w, f"aspp{n}", rate) for n, rate in enumerate(rates, 1)]
    return head_conv(np.concatenate(branches, 2), w, "concat_projection")


def logits_of_mobilenet(x, w, output_stride):
    """[H, W, 3] in [-1, 1] -> logits at the output stride."""
    return _classify(aspp(mobilenet(x, w, output_stride), w, ()), w)


def logits_of_xception(x, w, output_stride, middle_units):
    """[H, W, 3] in [-1, 1] -> logits at stride 4."""
    size = [int((side - 1) / 4 + 1) for side in x.shape[:2]]
    x, low_level = xception(x, w, output_stride, middle_units)
    x = aspp(x, w, ASPP_RATES[output_stride])
    low_level = head_conv(low_level, w, "decoder/feature_projection0")
    x = np.concatenate([bilinear(x, size), bilinear(low_level, size)], 2)
    x = head_separable(x, w, "decoder/decoder_conv0", 1)
    return _classify(head_separable(x, w, "decoder/decoder_conv1", 1), w)


def _classify(x, w):
    return x @ w["logits/semantic/weights"][0, 0].astype(np.float64) + w["logits/semantic/biases"]


def bilinear(x, size):
    """Bilinear with aligned corners; sample coordinates in float32, as TensorFlow has them."""
    for axis, new in enumerate(size):
        old = x.shape[axis]
        step = np.float32(old - 1) / np.float32(new - 1) if new > 1 else np.float32(0)
        at = np.arange(new, dtype=np.float32) * step
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, old - 1)
        share = (at - low).astype(np.float64).reshape([-1 if i == axis else 1 for i in range(3)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def truncated(side, scale):
    return int((side - 1) * scale + 1)


def multi_scale(network, image, crop, stride, scales, flips):
    """uint8 [h, w, 3] -> probabilities [h, w, C]; the published algorithm line by line."""
    height, width = crop
    padded = np.full((height, width, 3), 127.5)
    padded[: image.shape[0], : image.shape[1]] = image
    probs = []
    for scale in scales:
        for flip in flips:
            x = padded[:, ::-1] if flip else padded
            if scale != 1:
                x = bilinear(x, [truncated(height, scale), truncated(width, scale)])
            logits = network(x * 2 / 255 - 1)
            grid = max(1, scale) / stride
            logits = bilinear(logits, [truncated(height, grid), truncated(width, grid)])
            logits = logits[:, ::-1] if flip else logits
            probs.append(softmax(bilinear(logits, crop)))
    return np.mean(probs, 0)[: image.shape[0], : image.shape[1]]
