"""A meta model fitted on the demo's stronger network, tried on scenes that it has never seen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.scores import auroc, r2
from metaseg_tf.demo.plan import DEMO_SEED, draw_scenes
from metaseg_tf.meta import MetaModel, fit_meta_model, save_model
from metaseg_tf.paper.reproduction import NetworkPlan, Plan, measure
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.runs.work import ImageResult

__all__ = ["FRESH_IMAGES", "FRESH_SEED", "Trial", "fit_demo_model", "measure_fresh", "try_model"]

FRESH_IMAGES = 30
FRESH_SEED = DEMO_SEED + 1_000_000


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
