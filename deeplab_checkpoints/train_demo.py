"""Train the demo's two networks on drawn street scenes; writes a frozen graph and a card of each.

    python deeplab_checkpoints/train_demo.py demo_xception demo_mobilenetv2

A seed gives the same networks wherever TensorFlow rounds the same. DEMO.md in this folder explains
the choices.
"""

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from export import export_frozen_graph
from rich.progress import MofNCompleteColumn, Progress, track
from training import (
    Schedule,
    Trainer,
    balance_classes,
    count_multiply_adds,
    make_batches,
    scaled,
)

from metaseg_tf.data.cityscapes import LABEL_IDS_TO_TRAIN_IDS
from metaseg_tf.data.classes import VOID
from metaseg_tf.demo.streetscenes import TRAINING, VALIDATION, draw_scene
from metaseg_tf.networks.deeplab.backbones import (
    MOBILENETV2,
    XCEPTION65,
    Architecture,
    Decoder,
    Xception,
)
from metaseg_tf.networks.deeplab.model import RebuiltNetwork, variable_shapes
from metaseg_tf.networks.options import NetworkOptions

#: Smallest crop of the form k * 16 + 1 that holds a scene of 256x512.
CROP = (257, 513)
#: Held-out scenes on which the networks are evaluated: conditions and first seed.
HELD_OUT = {"training": (TRAINING, 900_000), "validation": (VALIDATION, 910_000)}
N_HELD_OUT = 40
#: First seed of the scenes to train on; those of the demo's validation split begin at 0.
FIRST_SEED = 100_000


class Stage(NamedTuple):
    """A part of a training: the number of steps, their batches, and the weight of rare classes.

    ``scales`` as in `make_batches`, ``balance`` is the strength in `balance_classes`.
    """

    steps: int
    crop: tuple[int, int]
    scales: tuple[float, float]
    balance: float
    batch: int = 4


@dataclass(frozen=True)
class Recipe:
    """A network, how it is trained, and the scales that its exported graph averages over."""

    architecture: Architecture
    stages: tuple[Stage, ...]
    scales: tuple[float, ...] = (1.0,)
    peak: float = 0.015

    @property
    def steps(self) -> int:
        """Number of steps of all stages."""
        return sum(stage.steps for stage in self.stages)


#: Stands in for Xception65. Its early layers keep more of their depth than its late ones, since
#: scenes are a quarter of the size of Cityscapes images, and so are the things in them.
STRONGER = replace(
    XCEPTION65,
    backbone=Xception(
        stem=(16, 32), entry=(48, 96, 160), middle_units=4, exit=((160, 192, 192), (192, 192, 240))
    ),
    head_depth=64,
    decoder=Decoder(low_level_depth=16, depth=64),
)
#: Stands in for MobileNetV2, which the paper runs without decoder, too.
WEAKER = replace(MOBILENETV2, backbone=scaled(MOBILENETV2.backbone, 0.5), head_depth=64)
#: First many cheap steps that favour rare classes, then fewer on whole scenes as they are.
RECIPES = {
    "demo_xception": Recipe(
        STRONGER,
        (
            Stage(3600, (129, 257), (0.5, 1.2), balance=0.5),
            Stage(600, CROP, (0.9, 1.4), balance=0.0),
        ),
        scales=(0.5, 0.75, 1.0),
    ),
    "demo_mobilenetv2": Recipe(
        WEAKER,
        (
            Stage(2800, (129, 257), (0.5, 1.2), balance=0.5),
            Stage(500, CROP, (0.9, 1.4), balance=0.0),
        ),
    ),
}


class Scenes(NamedTuple):
    """``images`` uint8 [n, H, W, 3] and ``labels`` uint8 [n, H, W], train ids or void."""

    images: np.ndarray
    labels: np.ndarray


def draw_scenes(n_scenes, first_seed, conditions, text) -> Scenes:
    """Draw scenes in parallel processes, in the order of their seeds."""
    seeds = range(first_seed, first_seed + n_scenes)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        drawn = pool.map(partial(draw_scene, conditions=conditions), seeds, chunksize=4)
        images, labels = zip(*track(drawn, text, n_scenes), strict=True)
    return Scenes(np.stack(images), LABEL_IDS_TO_TRAIN_IDS[np.stack(labels)])


def train(name: str, recipe: Recipe, scenes: Scenes, seed: int) -> tuple[dict, list[str]]:
    """Train under a progress bar; returns the weights and the log of about twenty lines."""
    trainer = Trainer(recipe.architecture, Schedule(recipe.steps, recipe.peak), seed=seed)
    lines, losses, started = [], [], time.monotonic()
    every = max(1, recipe.steps // 20)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as progress:
        for batch in progress.track(
            draw_batches(recipe, scenes, seed), recipe.steps, description=name
        ):
            losses.append(trainer.step(*batch))
            if len(losses) % every == 0:
                seconds = time.monotonic() - started
                mean = np.mean(losses[-every:])
                lines.append(f"step {len(losses):5d}  loss {mean:.4f}  {seconds:6.0f} s")
                progress.console.print(lines[-1])
    return trainer.weights, lines


def draw_batches(recipe: Recipe, scenes: Scenes, seed: int) -> Iterator[tuple]:
    """Images, labels and class weights of each step, stage after stage."""
    n_classes = recipe.architecture.n_classes
    for number, stage in enumerate(recipe.stages):
        weights = balance_classes(scenes.labels, n_classes, stage.balance)
        batches = make_batches(
            *scenes, crop=stage.crop, scales=stage.scales, batch=stage.batch, seed=seed + number
        )
        yield from ((images, labels, weights) for images, labels in batches.take(stage.steps))


def compute_ious(network: RebuiltNetwork, scenes: Scenes) -> np.ndarray:
    """IoU of each class over all scenes, in [0, 1]; NaN if a class does not occur."""
    n_classes = network.classes
    pairs = np.zeros(n_classes**2, np.int64)
    for image, labels in zip(*scenes, strict=True):
        known = labels != VOID
        pred = network.probabilities(image).argmax(-1)[known]
        pairs += np.bincount(labels[known].astype(int) * n_classes + pred, minlength=pairs.size)
    confusion = pairs.reshape(n_classes, n_classes)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return np.divide(hits, union, out=np.full(n_classes, np.nan), where=union > 0)


def write_card(path: Path, facts: Mapping[str, str], ious: Mapping[str, np.ndarray], lines):
    """Write a card in Markdown: the network, its training, and how well it does."""
    facts = {f"**{path.stem}**": "", "---": "---", **facts}
    for part, values in ious.items():
        facts[f"mIoU on {N_HELD_OUT} held-out scenes, {part} conditions"] = (
            f"{np.nanmean(values):.3f}"
        )
    table = [f"| {key} | {value} |" for key, value in facts.items()]
    text = [*table, "", "Last lines of the log:", "", "```", *lines[-5:], "```", ""]
    path.write_text("\n".join(text), encoding="utf-8")


def describe(recipe: Recipe, n_scenes: int, seed: int, seconds: float) -> dict[str, str]:
    """Facts of a training for its card."""
    stages = (
        f"{s.steps} of {s.batch} views of {s.crop[0]}x{s.crop[1]}, scales {s.scales}, "
        f"class balance {s.balance}"
        for s in recipe.stages
    )
    multiply_adds = count_multiply_adds(recipe.architecture, CROP, 16, recipe.scales)
    return {
        "output stride, scales": f"16, {recipe.scales}",
        "parameters": f"{sum(map(math.prod, variable_shapes(recipe.architecture).values())):,}",
        "multiply-adds of a scene": f"{multiply_adds / 1e9:.2f} G",
        "scenes to train on": f"{n_scenes} of training conditions, seeds from {FIRST_SEED:,}",
        "steps": "; then ".join(stages),
        "optimiser": f"AdamW, peak rate {recipe.peak}, polynomial decay",
        "seed": str(seed),
        "wall time": f"{seconds / 60:.0f} minutes",
        "TensorFlow": tf.__version__,
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=list(RECIPES), metavar="name")
    parser.add_argument("--scenes", type=int, default=800, help="number of scenes to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    tf.config.experimental.enable_op_determinism()
    scenes = draw_scenes(arguments.scenes, FIRST_SEED, TRAINING, "scenes to train on")
    held_out = {
        name: draw_scenes(N_HELD_OUT, first, conditions, f"held-out scenes, {name}")
        for name, (conditions, first) in HELD_OUT.items()
    }
    for name in arguments.names:
        recipe, started = RECIPES[name], time.monotonic()
        weights, lines = train(name, recipe, scenes, arguments.seed)
        seconds = time.monotonic() - started
        network = RebuiltNetwork(weights, NetworkOptions(16, recipe.scales, crop=CROP))
        export_frozen_graph(network, arguments.folder / f"{name}.pb")
        ious = {part: compute_ious(network, drawn) for part, drawn in held_out.items()}
        facts = describe(recipe, arguments.scenes, arguments.seed, seconds)
        write_card(arguments.folder / f"{name}.md", facts, ious, lines)
        print(name, *(f"mIoU {part} {np.nanmean(values):.3f}" for part, values in ious.items()))


if __name__ == "__main__":
    main()
