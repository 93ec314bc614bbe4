"""The embedded default: drawn street scenes and two small networks in the places of the paper's.

The networks and scenes are the same everywhere, so their golden numbers, stored once, play the part
that the printed numbers play for Cityscapes. A meta model fitted on the stronger network is tried
on scenes that it has never seen.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.scores import auroc, r2
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.demo.streetscenes import VALIDATION, write_dataset
from metaseg_tf.errors import DataFormatError
from metaseg_tf.meta import MetaModel, fit_meta_model, save_model
from metaseg_tf.networks.checkpoints import bundled_path
from metaseg_tf.networks.network import load_network
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import PUBLISHED, PublishedNumber
from metaseg_tf.paper.quantities import MIOU
from metaseg_tf.paper.reproduction import NetworkPlan, Plan, measure
from metaseg_tf.paper.verify import compare
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.runs.storage import LocalFolder
from metaseg_tf.runs.work import ImageResult

__all__ = [
    "DEMO_IMAGES", "DEMO_NETWORKS", "FRESH_IMAGES", "Trial", "demo_plan", "draw_scenes",
    "fit_demo_model", "golden_numbers", "golden_text", "keep_softmax", "load_golden",
    "measure_fresh", "try_model",
]  # fmt: skip

#: Scenes of the demo, drawn under harder conditions than those the networks were trained on.
DEMO_IMAGES = 60
#: Scenes on which the demo's meta model is tried, and the first of their seeds; the demo's own
#: begin at 0.
FRESH_IMAGES = 30
_FRESH_SEED = 1_000_000

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
    root: Path, *, images: int = DEMO_IMAGES, seed: int = 0, city: str = "synthville"
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


def golden_numbers(runs: Mapping[str, Run]) -> list[PublishedNumber]:
    """The runs' own value of each number that the paper prints, by role.

    They have as many decimals as in print, except the mIoU; deviations are our own, over splits.
    """
    measured = {role: collect(run) for role, run in runs.items()}
    numbers = []
    for published, value in ((c.published, c.value) for c in compare(PUBLISHED, measured)):
        if value is not None:
            # Fewer for the mIoU, which another version of TensorFlow moves.
            decimals = 3 if published.quantity == MIOU else published.decimals
            mean = round(float(value.mean), decimals)
            std = None if value.std is None else round(value.std, decimals)
            numbers.append(replace(published, value=mean, decimals=decimals, deviation=std))
    return numbers


def golden_text(runs: Mapping[str, Run]) -> str:
    """Content of a golden file: JSON, one number per line."""
    lines = (json.dumps(number.to_json()) for number in golden_numbers(runs))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def load_golden(path: str | os.PathLike) -> tuple[PublishedNumber, ...]:
    """The numbers of a golden file; DataFormatError if it is missing or has other contents."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return tuple(PublishedNumber.from_json(entry) for entry in content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataFormatError(
            f"{path}: expected a file of golden numbers, got something else ({error}); "
            "restore it from the repository"
        ) from error


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
    for _ in draw_scenes(fresh.cityscapes, images=images, seed=_FRESH_SEED, city="freshtown"):
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
