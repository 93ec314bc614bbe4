"""Random softmax and ground truth to measure on, and slow, obvious twins of the kernels."""

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

EPSILON = float(np.finfo(np.float32).eps)


def make_probs(pred, n_classes, rng, sharpness=2.0):
    """Probabilities float32 [H, W, C] whose largest is at ``pred``."""
    scores = rng.normal(size=(*pred.shape, n_classes))
    np.put_along_axis(scores, pred[..., None].astype(int), scores.max() + sharpness, -1)
    probs = np.exp(scores)
    return (probs / probs.sum(-1, keepdims=True)).astype(np.float32)


def make_blobs(height, width, n_classes, seed, *, cell=8):
    """A class map of patches about ``cell`` pixels wide."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, n_classes, (-(-height // cell), -(-width // cell)))
    return np.kron(coarse, np.ones((cell, cell), int))[:height, :width].astype(np.uint8)


def make_scene(height=40, width=60, n_classes=5, seed=0, *, cell=8):
    """(probs, gt) in which prediction and truth mostly agree, with some void."""
    rng = np.random.default_rng(seed)
    gt = make_blobs(height, width, n_classes, seed, cell=cell)
    pred = np.where(rng.random(gt.shape) < 0.1, rng.integers(0, n_classes, gt.shape), gt)
    pred = np.where(
        make_blobs(height, width, 4, seed + 1, cell=cell) == 0, (gt + 1) % n_classes, pred
    )
    gt[make_blobs(height, width, 12, seed + 2, cell=cell) == 0] = 255
    return make_probs(pred, n_classes, rng), gt


@st.composite
def class_maps(draw, n_classes=3, void=True, max_side=9):
    """Maps uint8 [H, W] of few classes: 1x1, 1xN, one class everywhere, all void, and any other."""
    shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    ids = st.sampled_from([*range(n_classes), *([255] if void else [])])
    uniform = st.builds(lambda i: np.full(shape, i, np.uint8), ids)
    return draw(uniform | hnp.arrays(np.uint8, shape, elements=ids))


@st.composite
def pairs_of_maps(draw):
    """(pred, gt) of three classes, of which some pixels differ; both are void where gt is."""
    gt = draw(class_maps(max_side=12))
    flips = draw(st.sampled_from([0.0, 0.15, 0.5]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pred = np.where((rng.random(gt.shape) < flips) | (gt == 255), rng.integers(0, 3, gt.shape), gt)
    return pred.astype(np.uint8), gt


@st.composite
def probability_maps(draw, n_classes=3, max_side=6):
    """Probabilities float32 [H, W, C] with zeros, ones and ties."""
    shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    weights = draw(
        hnp.arrays(np.int64, (*shape, n_classes), elements=st.sampled_from([0, 1, 1, 2, 5, 100]))
    )
    weights[weights.sum(-1) == 0] = 1
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def slow_entropy(p, convention="reference"):
    """Eq. (2) of one pixel, in float64."""
    inside = EPSILON if convention == "reference" else 0.0
    total = -sum(float(v) * math.log(float(v) + inside) for v in p if v > 0)
    return min(max(total / math.log(len(p)), 0.0), 1.0)


def slow_difference(p):
    """Eq. (3) of one pixel, in float64."""
    first, second = sorted((float(v) for v in p), reverse=True)[:2]
    return min(max(1 - first + second, 0.0), 1.0)


def neighbours(pixel, shape, connectivity=8):
    """Neighbours of a pixel inside the image."""
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) == (0, 0) or (connectivity == 4 and dy and dx):
                continue
            y, x = pixel[0] + dy, pixel[1] + dx
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                yield y, x


def slow_components(classes, connectivity=8):
    """Sets of pixels of each component in raster order, by flood fill; void is no component."""
    seen, components = set(), []
    for start in np.ndindex(classes.shape):
        if start in seen or classes[start] == 255:
            continue
        component, stack = set(), [start]
        while stack:
            pixel = stack.pop()
            if pixel in component:
                continue
            component.add(pixel)
            stack += [
                n
                for n in neighbours(pixel, classes.shape, connectivity)
                if classes[n] == classes[pixel]
            ]
        seen |= component
        components.append(component)
    return components


def slow_interior(component, shape, convention):
    """Pixels of a component all of whose eight neighbours are in it."""
    return {
        pixel
        for pixel in component
        if all(n in component for n in neighbours(pixel, shape))
        and (convention == "reference" or len(list(neighbours(pixel, shape))) == 8)
    }


def slow_iou(pred, gt, k, convention):
    """(IoU, IoU_adj) of the component k by sets of pixels, as reference.md words them."""
    class_id = pred[next(iter(k))]
    shared = {p for p in k if gt[p] == class_id}
    if not shared:
        return 0.0, 0.0
    truth = [g for g in slow_components(np.where(gt == class_id, gt, 255)) if g]
    if convention == "paper":
        hit = [g for g in truth if g & k]
        whole = set().union(*hit)
        others = {p for p in whole if pred[p] == class_id}
        return len(shared) / len(k | whole), len(shared) / len(k | (whole - others))
    reach = k | {n for p in k for n in neighbours(p, gt.shape)}
    flooded = k.union(*(g for g in truth if g & reach))
    missed = np.where((gt == class_id) & (pred != class_id), gt, 255)
    adjusted = k.union(*(m for m in slow_components(missed) if m & reach))
    return len(shared) / len(flooded), len(shared) / len(adjusted)
