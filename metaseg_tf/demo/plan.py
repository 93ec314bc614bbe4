"""The embedded default: drawn street scenes and two small networks in the places of the paper's.

They are the same everywhere, so golden numbers, stored once, play the part of the printed ones. A
meta model fitted on the stronger network is tried on scenes that it has never seen.
"""

import tempfile
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.scores import auroc
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.demo.streetscenes import VALIDATION, write_dataset
from metaseg_tf.errors import InputError
from metaseg_tf.meta import MetaModel, calibrate, fit_meta_model, save_model
from metaseg_tf.meta.ablate import ablate
from metaseg_tf.meta.promise import count_needed
from metaseg_tf.meta.review import ERRORS, FIRST, LEAST, measure_labels, plant_errors, review_labels
from metaseg_tf.networks.checkpoints import bundled_path
from metaseg_tf.paper.layout import PrintedTable
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.misses import store_misses
from metaseg_tf.paper.published import Quantity, load_numbers
from metaseg_tf.paper.reproduction import NetworkPlan, Plan, is_measured, measure
from metaseg_tf.paper.scores import lay_out_ablation, store_ablation
from metaseg_tf.report.review import write_queue
from metaseg_tf.runs.run import Run, load_run
from metaseg_tf.runs.storage import LocalFolder

if TYPE_CHECKING:
    # Drawing and picturing need no TensorFlow.
    from metaseg_tf.runs.sources import ProcessNetwork
    from metaseg_tf.runs.work import ImageResult

__all__ = [
    "DEMO_IMAGES", "DEMO_NETWORKS", "demo_plan", "describe_misses", "describe_success", "draw_all",
    "draw_from_end", "draw_scenes", "fit_demo_model", "keep_softmax", "measure_fresh",
    "other_plan", "review_planted",
]  # fmt: skip

#: Scenes of the demo, drawn under harder conditions than those the networks were trained on.
DEMO_IMAGES = 60
#: Of an image's false positives, the share that the demo promises not to exceed among trusted ones.
_SHARE = 0.1
#: First seed and city of the demo's scenes, of those on which its meta model is tried, and of those
#: on which metrics and estimators are compared, by their folders.
_SCENES = {
    "scenes": (0, "synthville"),
    "fresh_scenes": (1_000_000, "freshtown"),
    "more_scenes": (2_000_000, "elsewhere"),
}

DEMO_NETWORKS = (
    NetworkPlan("XC", "demo_xception", "demo_xception"),
    NetworkPlan("MN", "demo_mobilenetv2", "demo_mobilenetv2"),
)


def demo_plan(out: Path, *, images: int = DEMO_IMAGES) -> Plan:
    """The demo as a reproduction; only the whole one has golden numbers and PDF files."""
    whole = images == DEMO_IMAGES
    return Plan(
        DEMO_NETWORKS,
        out / "scenes",
        out,
        printed=load_numbers(bundled_path("demo_golden.json")) if whole else (),
        limit=None if whole else images,
        formats=("png", "pdf") if whole else ("png",),
    )


def other_plan(plan: Plan, kind: str, images: int, networks: Iterable[NetworkPlan]) -> Plan:
    """Some of the plan's networks over other scenes, "fresh" or "more", with runs of their own."""
    networks = tuple(replace(network, name=f"{network.name}_{kind}") for network in networks)
    return replace(plan, networks=networks, cityscapes=plan.out / f"{kind}_scenes", limit=images)


def draw_scenes(
    root: Path, *, images: int = DEMO_IMAGES, kind: str = "scenes", step: int = 1
) -> Iterator[Path]:
    """Draw the demo's scenes as a Cityscapes tree, split "val"; those that are there are kept."""
    seed, city = _SCENES[kind]
    about = {"split": "val", "seed": seed, "conditions": VALIDATION, "city": city}
    return write_dataset(root, n_images=images, step=step, **about)


def draw_all(*plans: Plan, step: int = 1) -> Iterator[Path]:
    """Draw the scenes of plans, each below a folder of its own; from the end if ``step`` is -1."""
    for plan in plans[::step]:
        images, folder = plan.limit or DEMO_IMAGES, plan.cityscapes
        yield from draw_scenes(folder, images=images, kind=folder.name, step=step)


def draw_from_end(*plans: Plan) -> None:
    """Draw scenes of plans, as a helper does, until it meets the process that began in front."""
    deque(draw_all(*plans, step=-1), maxlen=0)


def ablate_run(folder: Path) -> list[PrintedTable]:
    """Compare metrics and estimators on a run; stores the results and returns their tables."""
    table = load_run(folder)
    about = ablate(table), Run(folder), table["image"].nunique()
    store_ablation(*about)
    return lay_out_ablation(*about)


def measure_fresh(plan: Plan, fresh: Plan, network: "ProcessNetwork") -> "Iterator[ImageResult]":
    """Measure the fresh scenes through the plan's first network, and keep one of its softmaxes."""
    if not is_measured(fresh, fresh.networks[0]):
        yield from measure(fresh, fresh.networks[0], network)
    keep_softmax(plan, network)


def keep_softmax(plan: Plan, network: "ProcessNetwork") -> Path:
    """Store a network's softmax of the first image, which the walkthrough starts from."""
    pair = find_pairs(plan.cityscapes, split=plan.split, limit=1)[0]
    target = plan.out / "softmax" / f"{pair.name}.npz"
    if not target.exists():
        sample = pair.read()
        probs, _ = network.see(sample.image)
        with tempfile.TemporaryDirectory() as scratch:
            whole = Path(scratch, target.name)
            save_dump(whole, SoftmaxDump(probs, sample.gt, pair.name, sample.image))
            LocalFolder(plan.out).write(f"softmax/{target.name}", whole.read_bytes())
    return target


def fit_demo_model(plan: Plan, path: Path) -> MetaModel:
    """Fit a model on the run of the plan's first network and store it."""
    run = Run(plan.run_folder(plan.networks[0]))
    model = fit_meta_model(load_run(run.path), manifest=run.manifest, name=run.name)
    save_model(model, path)
    return model


def review_planted(plan: Plan) -> str:
    """Plant errors into the first run's labels, stored in ``review/``; how many a review finds."""
    run, home, planted = Run(plan.run_folder(plan.networks[0])), plan.out / "review", {}
    wrong = Run.create(home / "run", {"labels": f"those of {run.name} with errors"})
    wrong.name_classes(run.classes)
    for number, name in enumerate(sorted(run.with_maps())):
        maps, rng = run.load_maps(name), np.random.default_rng([1, number])
        given, planted[name] = plant_errors(maps.gt, ERRORS, rng)
        wrong.write_maps(name, replace(maps, gt=given))
    try:
        found = review_labels([*measure_labels(wrong)], wrong.classes)
    except InputError as error:  # of too few scenes
        return str(error)
    write_queue(found, wrong, home / "queue", shown=50)
    met = []
    for row in found.queue.itertuples():
        inside = planted[row.image][row.top : row.bottom, row.left : row.right]
        size = np.bincount(inside.ravel())[1:]
        met.append((row.image, size.argmax()) if size.max(initial=0) >= row.size / 2 else None)
    sizes = {name: np.bincount(numbers.ravel())[1:] for name, numbers in planted.items()}
    errors = {(name, k) for name, size in sizes.items() for k in np.flatnonzero(size >= LEAST)}
    first = met[: FIRST[0]]
    return (
        f"errors planted into labels: {len(errors.intersection(met)) / max(len(errors), 1):.0%} of "
        f"{len(errors)} are in the queue of {len(met)} regions, and make "
        f"{len(first) - first.count(None)} of its first {len(first)}"
    )


def describe_misses(folder: Path, formats: Collection[str]) -> str:
    """What a run missed, in words; tables and a picture go into its ``misses/``."""
    run = Run(folder)
    row = store_misses(run, formats)[0].set_index("of").loc["things"]
    share = row["overlooked"] / max(row["components"], 1)
    return f"things that {run.name} overlooks: {share:.0%} of {row['components']}"


def describe_success(plan: Plan, fresh: Plan, model: MetaModel) -> Iterator[str]:
    """How well the plan's first run is judged, and fresh scenes, whose labels only score it."""
    values = collect(Run(plan.run_folder(plan.networks[0]))).values
    for score, fit, words in (
        ("auroc", "penalized", "AUROC of false positives"),
        ("r2", "all", "R2 of predicted IoU_adj"),
    ):
        ours, alone = (
            values.get(Quantity("iou_adj", name, score, "validation")) for name in (fit, "entropy")
        )
        if ours and alone:
            yield f"{words}: {ours.mean:.2f} (entropy alone {alone.mean:.2f})"
    table = load_run(fresh.run_folder(fresh.networks[0]))
    design = build_design(table)
    doubt = model.score(table.iloc[design.rows])["false_positive_probability"].to_numpy()
    found = auroc(1 - doubt, design.y)
    yield f"AUROC on {fresh.limit} scenes that the meta model has never seen: {found:.2f}"
    names = table["image"].unique()
    half, others = len(names) // 2, len(names) - len(names) // 2
    if half >= count_needed(_SHARE):
        aside = table["image"].isin(names[:half])
        keeping = calibrate(model, table[aside], promise={"false-positives": _SHARE})
        false = table[~aside & (table["iou_adj"] == 0)]
        trusted = keeping.score(false)["trusted"].groupby(false["image"]).mean()
        yield (
            f"promise, set on {half} of them: at most {_SHARE:.0%} of an image's false positives "
            f"are trusted; on the {others} others: {trusted.sum() / others:.1%}"
        )
