"""From a data set and networks to every table and figure, in steps that can be resumed.

Networks are fetched and images measured first. The results that are made of the finished runs are
noted in ``OUT/steps.json`` with a fingerprint of the runs; a step is skipped if its runs and its
files are still as they were.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from metaseg_tf import __version__
from metaseg_tf.analysis.evaluation import evaluate_run, load_segments
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.errors import InputError, MetaSegError, suggest
from metaseg_tf.networks.checkpoints import Checkpoint, find
from metaseg_tf.paper import figures
from metaseg_tf.paper.published import CATALOGUE_NAMES, PUBLISHED, PublishedNumber
from metaseg_tf.paper.tables import TABLES, make_table, store_table
from metaseg_tf.runs.helper import beside, fetch
from metaseg_tf.runs.run import Run, parse_json, write_json

if TYPE_CHECKING:
    from metaseg_tf.runs.sources import ProcessNetwork
    from metaseg_tf.runs.work import ImageResult

__all__ = [
    "PAPER_NETWORKS", "NetworkPlan", "Plan", "StepResult", "begin_results", "checkpoints_of",
    "choose_networks", "is_measured", "list_images", "make_results", "measure",
]  # fmt: skip

_RECORD = "steps.json"


@dataclass(frozen=True)
class NetworkPlan:
    """A network and its role."""

    role: str  #: The network of the paper that it is or replaces: "XC" or "MN".
    name: str  #: Of its run folder.
    source: str  #: As for `metaseg_tf.load_network`: a name in the catalogue or a file.


#: The two networks of section 3, in the order of print.
PAPER_NETWORKS = tuple(NetworkPlan(role, name, name) for name, role in CATALOGUE_NAMES.items())


@dataclass(frozen=True)
class Plan:
    """A reproduction."""

    networks: tuple[NetworkPlan, ...]
    cityscapes: Path  #: Folder with ``leftImg8bit`` and ``gtFine``.
    out: Path  #: Folder for the runs, one per network.
    printed: Sequence[PublishedNumber] = PUBLISHED  #: To be compared: print, golden numbers, none.
    split: str = "val"
    limit: int | None = None  #: Only the first images; numbers are then not expected to agree.
    formats: tuple[str, ...] = ("png", "pdf")  #: Files of each picture.

    def run_folder(self, network: NetworkPlan) -> Path:
        """The folder of a network's run."""
        return self.out / network.name

    def open_runs(self) -> dict[str, Run]:
        """Role -> run of every network; errors as `Run`."""
        return {network.role: Run(self.run_folder(network)) for network in self.networks}


def choose_networks(names: str) -> tuple[NetworkPlan, ...]:
    """The networks of names with commas between them, in print's order; InputError for others."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    known = {network.name for network in PAPER_NETWORKS}
    if not wanted or not wanted <= known:
        unknown = min(wanted - known, default="")
        raise InputError(
            f"networks: expected some of {', '.join(sorted(known))}, got {names!r}; "
            + suggest(unknown, known, "separate names by commas")
        )
    return tuple(network for network in PAPER_NETWORKS if network.name in wanted)


def checkpoints_of(plan: Plan) -> list[Checkpoint]:
    """The catalogue's entries that the plan needs."""
    return [find(n.source) for n in plan.networks if n.source in CATALOGUE_NAMES]


def list_images(plan: Plan) -> set[str]:
    """Names of the images of the plan; errors as `metaseg_tf.data.cityscapes.find_pairs`."""
    pairs = find_pairs(plan.cityscapes, split=plan.split, limit=plan.limit)
    return {pair.name for pair in pairs}


def is_measured(plan: Plan, network: NetworkPlan) -> bool:
    """True if a run is finished, so that its network need not be loaded again."""
    folder = plan.run_folder(network)
    if not (folder / "run.json").exists():
        return False
    run = Run(folder)
    return (
        run.manifest.settings.get("network") == Path(network.source).name
        and "miou" in run.manifest.results
        and run.done() == list_images(plan)
    )


def measure(
    plan: Plan, network: NetworkPlan, loaded: "ProcessNetwork | None" = None
) -> "Iterator[ImageResult]":
    """Measure all images that the network's run does not hold yet; ``loaded`` is the network."""
    # Only measuring needs TensorFlow.
    from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
    from metaseg_tf.runs.sources import open_cityscapes

    settings, selection = MeasureSettings(), {"split": plan.split, "limit": plan.limit}
    source = open_cityscapes(loaded or network.source, plan.cityscapes, **selection)
    run = open_run(plan.run_folder(network), source, settings)
    yield from extract(source, run, settings)


class StepResult(NamedTuple):
    """Outcome of a step: "made", "kept" from before, or "failed" for a reason; others go on."""

    name: str
    outcome: str
    paths: tuple[Path, ...] = ()
    reason: str = ""


def begin_results(
    helper: Executor | None, plan: Plan, network: NetworkPlan, skip: Collection[str] = ()
) -> dict[str, Callable]:
    """Have a helper begin with what needs one run only, finished by then; for `make_results`."""
    folder, role = plan.run_folder(network), network.role
    begun: dict[str, Callable] = {f"fits {role}": beside(helper, _fit, folder)}
    if "diagnostics" not in skip:
        begun[f"diagnostics {role}"] = beside(helper, _diagnose, folder, plan.formats)
    return begun


def _fit(folder: Path) -> None:
    """Make the fits that tables and figures read; they are kept in the run's folder."""
    with suppress(MetaSegError):  # which the tables raise again
        evaluate_run(Run(folder)).tidy()


def make_results(
    runs: Mapping[str, Run],
    out: Path,
    *,
    skip: Collection[str] = (),
    formats: Collection[str] = ("png", "pdf"),
    helper: Executor | None = None,
    begun: Mapping[str, Callable] = MappingProxyType({}),
) -> Iterator[StepResult]:
    """Make all tables, figures and diagnostics of finished runs, by their roles.

    Files of several runs together go to the first; ``out`` gets the record of what was made.
    ``skip`` may name "figures" and "diagnostics", ``formats`` are those of `make_figure`; a
    ``helper`` of `open_helper` takes part, which has ``begun`` with some by `begin_results`.
    """
    for name in begun:
        if name.startswith("fits"):
            begun[name]()
    record = _read_record(out)
    states = [(role, run.fingerprint()) for role, run in runs.items()]
    state = hashlib.sha256(repr((__version__, states)).encode()).hexdigest()
    opened = list(runs.values())
    steps: dict[str, Callable[[], list[Path]]] = {
        f"table {n}": partial(_tabulate, n, opened) for n in TABLES
    }
    draw = partial(figures.make_figure, formats=formats)
    steps |= {f"figure {n}": partial(draw, n, opened) for n in figures.FIGURES}
    steps |= {
        f"diagnostics {role}": partial(_diagnose, run.path, formats) for role, run in runs.items()
    }
    todo = {}
    for name, make in steps.items():
        noted = record.get(name, {})
        if any(kind.startswith(name.split()[0]) for kind in skip):
            continue
        if noted.get("state") == state and all((out / path).exists() for path in noted["paths"]):
            yield StepResult(name, "kept", tuple(out / path for path in noted["paths"]))
        else:
            todo[name] = make
    for name, make in _share(todo, helper, begun):
        try:
            paths = make()
        except MetaSegError as error:
            yield StepResult(name, "failed", reason=str(error))
            continue
        # The helper knows a run by its absolute path.
        relative = [str(path.resolve().relative_to(out.resolve())) for path in paths]
        record[name] = {"state": state, "paths": relative}
        write_json(out / _RECORD, record)
        yield StepResult(name, "made", tuple(out / path for path in relative))


def _share(
    steps: Mapping[str, Callable], helper: Executor | None, begun: Mapping[str, Callable]
) -> Iterator[tuple]:
    """Names of steps and their results as functions; the helper begins with the first figures."""
    # Tables come first, and keep the fits that others read.
    own = [name for name in steps if helper is None or name.startswith("table")]
    yield from ((name, begun.get(name, steps[name])) for name in own)
    rest = [name for name in steps if name not in {*own, *begun}]
    # The longest one, which both would wait for at the end.
    rest.sort(key=lambda name: name != "figure 4")
    # The pool itself would take two steps more than it works on, and not give them back.
    feeder = ThreadPoolExecutor(1)
    try:
        given = {
            name: feeder.submit(lambda n=name: helper.submit(steps[n]).result()) for name in rest
        }
        for name in reversed(rest):
            if given[name].cancel():
                yield name, steps[name]
        for name, future in given.items():
            if not future.cancelled():
                yield name, partial(fetch, future, steps[name])
    finally:
        feeder.shutdown(wait=False, cancel_futures=True)
    yield from ((name, begun[name]) for name in steps if name in begun and name not in own)


def _tabulate(number: int, runs: Sequence[Run]) -> list[Path]:
    return store_table(number, make_table(number, runs), runs)


def _diagnose(folder: Path, formats: Collection[str]) -> list[Path]:
    # Loading statsmodels takes a second, which other steps need not wait for.
    from metaseg_tf.analysis.diagnostics import diagnose

    run = Run(folder)
    found = diagnose(load_segments(run), classes=run.classes)
    return figures.store_diagnostics(found, run, formats)


def _read_record(out: Path) -> dict[str, Any]:
    # If the record cannot be read, everything is made anew.
    try:
        record = parse_json((out / _RECORD).read_bytes())
        paths = [path for noted in record.values() for path in noted["paths"]]
        return record if all(isinstance(path, str) for path in paths) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
