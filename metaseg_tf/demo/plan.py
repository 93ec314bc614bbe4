"""The embedded default: drawn street scenes and two small networks in the places of the paper's.

A meta model fitted on the stronger network is also tried on scenes that it has never seen.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.scores import auroc, r2
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.demo.golden import load_golden
from metaseg_tf.demo.streetscenes import VALIDATION, write_dataset
from metaseg_tf.meta import MetaModel, fit_meta_model, save_model
from metaseg_tf.networks.checkpoints import bundled_path
from metaseg_tf.networks.network import load_network
from metaseg_tf.paper.reproduction import NetworkPlan, Plan, measure
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.runs.storage import LocalFolder
from metaseg_tf.runs.work import ImageResult

__all__ = [
    "DEMO_IMAGES",
    "DEMO_NETWORKS",
    "DEMO_SEED",
    "FRESH_IMAGES",
    "FRESH_SEED",
    "Trial",
    "demo_plan",
    "draw_scenes",
    "fit_demo_model",
    "keep_softmax",
    "measure_fresh",
    "try_model",
]

#: Scenes of the demo, drawn under harder conditions than those the networks were trained on.
DEMO_IMAGES = 60
DEMO_SEED = 0
#: Scenes on which the demo's meta model is tried.
FRESH_IMAGES = 30
FRESH_SEED = DEMO_SEED + 1_000_000

DEMO_NETWORKS = (
    NetworkPlan("XC", "demo_xception", "demo_xception"),
    NetworkPlan("MN", "demo_mobilenetv2", "demo_mobilenetv2"),
)


def demo_plan(out: Path, *, images: int = DEMO_IMAGES) -> Plan:
    """The demo as a reproduction whose results are compared with its own golden numbers."""
    return Plan(
        DEMO_NETWORKS,
        out / "scenes",
        out,
        printed=load_golden(bundled_path("demo_golden.json")),
        limit=None if images == DEMO_IMAGES else images,
    )


def draw_scenes(
    root: Path, *, images: int = DEMO_IMAGES, seed: int = DEMO_SEED, city: str = "synthville"
) -> Iterator[Path]:
    """Draw the demo's scenes as a Cityscapes tree, split "val"; those that are there are kept."""
    return write_dataset(
        root, split="val", n_images=images, seed=seed, conditions=VALIDATION, city=city
    )


def keep_softmax(plan: Plan) -> Path:
    """Store the first network's softmax of the first image, which the walkthrough starts from."""
    pair = find_pairs(plan.cityscapes, split=plan.split, limit=1)[0]
    target = plan.out / "softmax" / f"{pair.name}.npz"
    if not target.exists():
        sample = pair.read()
        probs = load_network(plan.networks[0].source).probabilities(sample.image)
        with tempfile.TemporaryDirectory() as scratch:
            whole = Path(scratch, target.name)
            save_dump(whole, SoftmaxDump(probs, sample.gt, pair.name))
            LocalFolder(plan.out).write(f"softmax/{target.name}", whole.read_bytes())
    return target


class Trial(NamedTuple):
    """Scores of a meta model: on images held out of its own run, and on fresh scenes.

    The model sees the metrics of the fresh segments only; their labels serve to score it.
    """

    held_out_auroc: float
    fresh_auroc: float
    held_out_r2: float
    fresh_r2: float


def fit_demo_model(plan: Plan, path: Path) -> MetaModel:
    """Fit a model on the run of the plan's first network and store it."""
    run = Run(plan.run_folder(plan.networks[0]))
    model = fit_meta_model(load_run(run.path), manifest=run.manifest, name=run.name)
    save_model(model, path)
    return model


def measure_fresh(plan: Plan, *, images: int = FRESH_IMAGES) -> Iterator[ImageResult]:
    """Draw scenes of other seeds and measure them through the plan's first network."""
    fresh, network = _fresh(plan)
    for _ in draw_scenes(fresh.cityscapes, images=images, seed=FRESH_SEED, city="freshtown"):
        pass
    yield from measure(replace(fresh, limit=images), network)


def try_model(plan: Plan, model: MetaModel) -> Trial:
    """Score the model on the fresh scenes, over segments with interior."""
    fresh, network = _fresh(plan)
    table = load_run(fresh.run_folder(network))
    design = build_design(table)
    verdicts = model.score(table.iloc[design.rows])
    held_out = model.provenance["held_out"]
    return Trial(
        held_out["auroc"]["mean"],
        float(auroc(1 - verdicts["false_positive_probability"].to_numpy(), design.y)),
        held_out["r2"]["mean"],
        float(r2(verdicts["iou_adj_linear"].to_numpy(), design.iou_adj)),
    )


def _fresh(plan: Plan) -> tuple[Plan, NetworkPlan]:
    """The same network over another folder of scenes, with a run of its own."""
    network = replace(plan.networks[0], name=f"{plan.networks[0].name}_fresh")
    return replace(plan, cityscapes=plan.out / "fresh_scenes"), network
