"""What is to be reproduced: networks, data, and the numbers to compare with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metaseg_tf.errors import InputError, suggest
from metaseg_tf.paper.published import CATALOGUE_NAMES, PUBLISHED, PublishedNumber
from metaseg_tf.runs.run import Run

__all__ = ["PAPER_NETWORKS", "NetworkPlan", "Plan", "choose_networks"]


@dataclass(frozen=True)
class NetworkPlan:
    """A network and its part.

    Attributes
    ----------
    role : str
        The network of the paper that it is, or stands in for: "XC" or "MN".
    name : str
        Name of its run folder.
    source : str
        What `metaseg_tf.load_network` takes: a name in the catalogue or a file.
    """

    role: str
    name: str
    source: str


#: The two networks of section 3, in the order of print.
PAPER_NETWORKS = tuple(NetworkPlan(role, name, name) for name, role in CATALOGUE_NAMES.items())


@dataclass(frozen=True)
class Plan:
    """A reproduction.

    Attributes
    ----------
    networks : tuple of NetworkPlan
    cityscapes : Path
        Folder with ``leftImg8bit`` and ``gtFine``.
    out : Path
        Folder for the runs, one a network.
    printed : sequence of PublishedNumber
        What the results are compared with: the paper's numbers, or golden ones.
    split : str
    limit : int or None
        Only the first images; the numbers are then not expected to agree.
    """

    networks: tuple[NetworkPlan, ...]
    cityscapes: Path
    out: Path
    printed: Sequence[PublishedNumber] = PUBLISHED
    split: str = "val"
    limit: int | None = None

    def run_folder(self, network: NetworkPlan) -> Path:
        """Where the run of a network lies."""
        return self.out / network.name

    def open_runs(self) -> dict[str, Run]:
        """Role -> run of every network; errors as `Run`."""
        return {network.role: Run(self.run_folder(network)) for network in self.networks}


def choose_networks(names: str) -> tuple[NetworkPlan, ...]:
    """The paper's networks of those names, separated by commas, in the order of print.

    Raises
    ------
    InputError
        If a name is not one of them, or there is none.
    """
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    known = {network.name for network in PAPER_NETWORKS}
    if not wanted or not wanted <= known:
        unknown = min(wanted - known, default="")
        raise InputError(
            f"networks: expected some of {', '.join(sorted(known))}, got {names!r}; "
            + suggest(unknown, known, "separate names by commas")
        )
    return tuple(network for network in PAPER_NETWORKS if network.name in wanted)
