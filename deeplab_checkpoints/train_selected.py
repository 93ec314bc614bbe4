"""Train a demo network further on selected segments, and see how much better it becomes.

    python deeplab_checkpoints/train_selected.py JUDGED --cityscapes SCENES --held-out OTHERS

JUDGED is a folder of ``metaseg-tf predict`` over the images of SCENES by demo_mobilenetv2. What
each order of the segments selects for equally many clicks is labelled, all else is void. Prints
pixel accuracy and mIoU on scenes of OTHERS, of the network as it is and for each order and seed.
The schedule is a small part of the network's own training.
"""

import argparse

import numpy as np
import tensorflow as tf
from train_demo import CROP, RECIPES, Scenes
from training import Schedule, Trainer, make_batches

from metaseg_tf import Run
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.classes import VOID
from metaseg_tf.meta.select import load_judged, rank_segments
from metaseg_tf.networks.checkpoints import bundled_path
from metaseg_tf.networks.deeplab.model import RebuiltNetwork
from metaseg_tf.networks.deeplab.weights import weights_from_graph_def
from metaseg_tf.networks.graph import load_graph_def
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.pictures import read_numbers

#: Share of all clicks that is spent.
BUDGET = 0.1
STEPS, PEAK, BATCH = 50, 0.0005, 4
VIEW, SCALES = (129, 257), (0.5, 1.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("judged")
    parser.add_argument("--cityscapes", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--scenes", type=int, default=40, help="number of scenes to measure on")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    run = Run(options.judged)
    table = rank_segments(load_judged(run)).merge(run.load(["image", "segment", "E"]))
    held_out = read(find_pairs(options.held_out, split="val", limit=options.scenes))
    pairs = {pair.name: pair for pair in find_pairs(options.cityscapes, split="val")}
    names = sorted(table["image"].unique())
    scenes = read(pairs[name.rpartition("__")[2]] for name in names)
    segments = [read_numbers(run.path / "labels" / f"{name}.png") for name in names]
    weights = weights_from_graph_def(load_graph_def(bundled_path("demo_mobilenetv2.pb")))
    print("as it is", *measure(weights, held_out))
    for seed in range(options.seeds):
        for order, worth in {
            "random": np.random.default_rng(seed).random(len(table)),
            "summed entropy per click": table["E"] * table["S"] / table["clicks"],
            "expected wrong pixels per click": table["expected_wrong"] / table["clicks"],
        }.items():
            ranked = table.iloc[np.argsort(-np.asarray(worth), kind="stable")]
            chosen = ranked[ranked["clicks"].cumsum() <= BUDGET * table["clicks"].sum()]
            parts = dict(list(chosen.groupby("image")["segment"]))
            kept = np.stack([
                np.isin(numbers, parts.get(name, ()))
                for name, numbers in zip(names, segments, strict=True)
            ])  # fmt: skip
            labels = np.where(kept, scenes.labels, np.uint8(VOID))
            trained = train_further(weights, Scenes(scenes.images, labels), seed)
            print(order, f"seed {seed}, labelled {kept.mean():.1%}:", *measure(trained, held_out))


def read(pairs) -> Scenes:
    """Images and labels of pairs of files."""
    samples = [pair.read() for pair in pairs]
    return Scenes(*(np.stack([getattr(s, part) for s in samples]) for part in ("image", "gt")))


def train_further(weights, scenes: Scenes, seed: int) -> dict[str, np.ndarray]:
    """The weights after a short training."""
    recipe = RECIPES["demo_mobilenetv2"]
    schedule = Schedule(STEPS, PEAK, warmup=10)
    trainer = Trainer(recipe.architecture, schedule, weights=weights)
    batches = make_batches(*scenes, crop=VIEW, scales=SCALES, batch=BATCH, seed=seed)
    equal = np.ones(recipe.architecture.n_classes, np.float32)
    for images, labels in batches.take(STEPS):
        trainer.step(images, labels, equal)
    return trainer.weights


def measure(weights, scenes: Scenes) -> list[str]:
    """Pixel accuracy and mIoU of a network on scenes, as text."""
    network = RebuiltNetwork(weights, NetworkOptions(16, (1.0,), crop=CROP))
    n = network.classes
    pairs = np.zeros(n * n, np.int64)
    for image, labels in zip(*scenes, strict=True):
        known = labels != VOID
        pred = network.probabilities(image).argmax(-1)[known]
        pairs += np.bincount(labels[known].astype(int) * n + pred, minlength=n * n)
    confusion = pairs.reshape(n, n)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    miou = np.mean(hits[union > 0] / union[union > 0])
    return [f"accuracy {hits.sum() / confusion.sum():.4f}", f"mIoU {miou:.4f}"]


if __name__ == "__main__":
    main()
