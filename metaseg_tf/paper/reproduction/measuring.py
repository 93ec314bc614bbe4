"""The slow half of a reproduction: fetching networks and measuring every image."""

from collections.abc import Iterator
from pathlib import Path

from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.networks.checkpoints import Checkpoint, find
from metaseg_tf.paper.published import CATALOGUE_NAMES
from metaseg_tf.paper.reproduction.plan import NetworkPlan, Plan
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.sources import open_cityscapes
from metaseg_tf.runs.work import ImageResult

__all__ = ["checkpoints_of", "count_images", "is_measured", "measure"]


def checkpoints_of(plan: Plan) -> list[Checkpoint]:
    """The catalogue's entries that the plan needs."""
    return [find(n.source) for n in plan.networks if n.source in CATALOGUE_NAMES]


def count_images(plan: Plan) -> int:
    """Number of images of the plan; errors as `metaseg_tf.data.cityscapes.find_pairs`."""
    return len(_image_names(plan))


def is_measured(plan: Plan, network: NetworkPlan) -> bool:
    """Whether a run is finished, so that its network need not be loaded again."""
    folder = plan.run_folder(network)
    if not (folder / "run.json").exists():
        return False
    run = Run(folder)
    return (
        run.manifest.settings.get("network") == Path(network.source).name
        and "miou" in run.manifest.results
        and run.done() == _image_names(plan)
    )


def measure(plan: Plan, network: NetworkPlan) -> Iterator[ImageResult]:
    """Measure all images that the network's run does not hold yet.

    Yields
    ------
    ImageResult

    Raises
    ------
    MetaSegError
        As `metaseg_tf.runs.sources.open_cityscapes`, `metaseg_tf.runs.extraction.open_run` and
        `extract`.
    """
    settings = MeasureSettings()
    source = open_cityscapes(network.source, plan.cityscapes, split=plan.split, limit=plan.limit)
    run = open_run(plan.run_folder(network), source, settings)
    yield from extract(source, run, settings)


def _image_names(plan: Plan) -> set[str]:
    pairs = find_pairs(plan.cityscapes, split=plan.split, limit=plan.limit)
    return {pair.name for pair in pairs}
