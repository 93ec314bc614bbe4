"""Segment tables drawn at random with the paper's algebra, for tests of the analysis."""

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from metaseg_tf.segments import columns as schema

__all__ = ["make_table"]


def make_table(n, *, seed=0, n_images=20, n_classes=19, empty_interior=0.1):
    """A segment table of ``n`` rows whose columns hang together as measured ones do.

    One latent quality a segment drives size, dispersion, class probabilities and IoU, so that
    about a third are false positives and the metrics predict them with an AUROC near 0.87. All
    identities hold: S = S_in + S_bd, E = (S_in E_in + S_bd E_bd) / S, sum of cprobs = 1, ...
    """
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=n)
    class_id = rng.integers(n_classes, size=n)
    data = {
        **_places(rng, n, n_images),
        "class_id": class_id,
        **_sizes(rng, quality, empty_interior),
    }
    for name, shift in (("E", -1.4), ("D", -0.4)):
        data |= _dispersion(rng, name, quality, shift, data)
    data |= _class_probabilities(rng, quality, class_id, n_classes)
    data |= _ious(rng, quality, class_id)
    data |= _boxes(rng, n)
    paper = schema.columns(n_classes, metrics="paper")
    columns = {c.name: np.asarray(data[c.name]).astype(c.dtype) for c in paper}
    return pd.DataFrame({"image": data["image"]} | columns)


def _places(rng, n, n_images):
    image = np.sort(rng.integers(n_images, size=n))
    first = np.searchsorted(image, image)
    names = np.array([f"town_{i:06d}" for i in range(n_images)], dtype=object)
    return {"image": names[image], "segment": np.arange(n) - first + 1}


def _sizes(rng, quality, empty_interior):
    S_bd = 1 + np.floor(np.exp(rng.normal(4, 0.9, len(quality)) + 0.5 * quality))
    S_in = 1 + np.floor(S_bd ** (rng.normal(1.3, 0.2, len(quality)) + 0.15 * quality) / 6)
    S_in[rng.random(len(quality)) < empty_interior] = 0
    return {
        "S": S_in + S_bd,
        "S_in": S_in,
        "S_bd": S_bd,
        "S_rel": (S_in + S_bd) / S_bd,
        "S_rel_in": S_in / S_bd,
    }


def _dispersion(rng, name, quality, shift, sizes):
    noise = rng.normal(size=(3, len(quality)))
    inner = expit(shift - 1.1 * quality + 0.5 * noise[0] + 0.2 * noise[1])
    inner = np.where(sizes["S_in"] > 0, inner, 0.0)
    border = expit(shift + 0.9 - 0.5 * quality + 0.3 * noise[0] + 0.2 * noise[2])
    mean = (sizes["S_in"] * inner + sizes["S_bd"] * border) / sizes["S"]
    return {
        name: mean,
        f"{name}_in": inner,
        f"{name}_bd": border,
        f"{name}_rel": mean * sizes["S_rel"],
        f"{name}_rel_in": inner * sizes["S_rel_in"],
    }


def _class_probabilities(rng, quality, class_id, n_classes):
    logits = rng.normal(0, 1.2, (len(quality), n_classes))
    logits[np.arange(len(quality)), class_id] += 4 + 0.7 * quality
    probs = softmax(logits, axis=1)
    return dict(zip(schema.class_columns(n_classes), probs.T, strict=True))


def _ious(rng, quality, class_id):
    latent = quality + 0.5 * np.sin(class_id) + rng.normal(0, 0.7, len(quality))
    iou_adj = np.where(latent < -0.5, 0.0, expit(1.2 * latent + 0.4))
    return {"iou": iou_adj * (1 - 0.3 * rng.beta(1, 5, len(quality))), "iou_adj": iou_adj}


def _boxes(rng, n):
    top, left = rng.integers(0, 900, n), rng.integers(0, 1900, n)
    return {
        "top": top,
        "left": left,
        "bottom": top + rng.integers(3, 100, n),
        "right": left + rng.integers(3, 100, n),
    }
