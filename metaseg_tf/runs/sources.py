"""Where images to measure come from: softmax dumps, or Cityscapes through a network."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import tensorflow as tf

from metaseg_tf.data.cityscapes import (
    ImageWithLabels,
    Pair,
    find_pairs,
    read_pair,
    read_pairs,
)
from metaseg_tf.data.classes import CITYSCAPES, MAX_CLASSES, ClassTable
from metaseg_tf.data.softmax import (
    SoftmaxDump,
    check_keys,
    find_dumps,
    load_dump,
    read_classes,
    read_name,
)
from metaseg_tf.errors import DataFormatError, NetworkError
from metaseg_tf.networks.network import (
    absolute_source,
    describe_network,
    load_network,
    paper_options,
)
from metaseg_tf.runs.work import ImageJob
from metaseg_tf.segments.dispersion import count_threads

__all__ = [
    "CityscapesSource",
    "DumpSource",
    "ProcessNetwork",
    "open_cityscapes",
    "open_dumps",
    "threads_beside_network",
]


class DumpSource:
    """Softmax dumps of a folder, the first ``limit``, as a source of images to measure.

    Dumps do not name their ``classes``. Further options are those of
    `metaseg_tf.data.softmax.load_dump`.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        limit: int | None = None,
        classes: ClassTable | None = None,
        **options,
    ):
        self.classes = classes
        self._paths, self._options = find_dumps(folder)[:limit], options
        self._keys = check_keys(options.get("keys"))
        given = {name: value for name, value in options.items() if value}
        self.settings: Mapping[str, Any] = {"source": "softmax", **given}

    @property
    def n_classes(self) -> int | None:
        """Number of classes that the first dump declares; None where it cannot be read."""
        if not self._paths:
            return None
        try:
            first = self._options.get("channels_first", False)
            declared = read_classes(self._paths[0], self._keys, channels_first=first)
        except DataFormatError:
            return None
        return declared if 2 <= declared <= MAX_CLASSES else None

    def __len__(self) -> int:
        return len(self._paths)

    def jobs(self, done: set[str], *, apart: bool = False) -> Iterator[ImageJob]:
        """One job for each dump; those that are ``done`` are told by the name they hold.

        Those ``apart`` can be sent to another process, on a machine that sees the same files.
        """
        for path in self._paths:
            there = path.absolute() if apart else path
            name = partial(read_name, path, self._keys)
            yield ImageJob(name, str(path), partial(load_dump, there, **self._options))


class CityscapesSource:
    """Cityscapes images seen through a network, as a source of images to measure.

    Parameters
    ----------
    network : object
        With ``probabilities(image)`` and ``classes``, as `metaseg_tf.load_network` gives it.
    pairs : sequence of Pair
    settings : mapping
        What the probabilities depend on; it goes into the manifest of a run.
    """

    classes = CITYSCAPES

    def __init__(self, network, pairs: Sequence[Pair], settings: Mapping[str, Any]):
        self._network, self._pairs = network, pairs
        self.settings = {"source": "cityscapes", **settings}

    @property
    def n_classes(self) -> int:
        """Number of classes of the network."""
        return self._network.classes

    def __len__(self) -> int:
        return len(self._pairs)

    def jobs(self, done: set[str], *, apart: bool = False) -> Iterator[ImageJob]:
        """One job for each image; those that are ``done`` are not read.

        Those ``apart`` can be sent to another process, as `DumpSource.jobs`, if the network can;
        the others share one chain that reads ahead, and are loaded one after the other.
        """
        pending = [pair for pair in self._pairs if pair.name not in done]
        read = read_pair if apart else read_pairs(pending).take
        threads = None if apart else threads_beside_network()
        for pair in self._pairs:
            load = partial(_predict, self._network, _absolute(pair) if apart else pair, read)
            yield ImageJob(partial(str, pair.name), str(pair.image), load, threads)


class ProcessNetwork:
    """A network that is loaded when it is first used, and once by a process it is sent to.

    Parameters
    ----------
    source : str
        As in `metaseg_tf.load_network`, which takes ``options``.
    """

    def __init__(self, source: str, **options):
        self._source, self._options = source, options

    def __reduce__(self):
        options = dict(self._options)
        if "loaded" in vars(self):
            # What was assumed here need not be noted there.
            options["input_range"] = self.loaded.settings.input_range
        return _network_of_process, (absolute_source(self._source), tuple(options.items()))

    @cached_property
    def loaded(self):
        """The network itself."""
        return load_network(self._source, **self._options)

    @property
    def classes(self) -> int:
        """Number of classes; loads the network."""
        return self.loaded.classes

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel, float32 [H, W, C], of an image uint8 [H, W, 3]."""
        return self.loaded.probabilities(image)


@lru_cache(maxsize=1)
def _network_of_process(source: str, options: tuple) -> ProcessNetwork:
    return ProcessNetwork(source, **dict(options))


def threads_beside_network() -> int | None:
    """How many threads to measure an image with while the network works on the next one.

    Half of them where it works on the processor, too: with all, each takes the caches and the
    cores from the other, and both wait. None, for all, where it works on a GPU.
    """
    return None if tf.config.list_physical_devices("GPU") else max(1, count_threads() // 2)


def _absolute(pair: Pair) -> Pair:
    return replace(pair, image=pair.image.absolute(), labels=pair.labels.absolute())


def _predict(network, pair: Pair, read: Callable[[Pair], ImageWithLabels]) -> SoftmaxDump:
    image, gt = read(pair)
    return SoftmaxDump(network.probabilities(image), gt, pair.name, image)


def open_dumps(folder: str | os.PathLike, **options) -> DumpSource:
    """The dumps of a folder, as `DumpSource`; errors as `metaseg_tf.data.softmax.find_dumps`."""
    return DumpSource(folder, **options)


def open_cityscapes(
    network: str,
    root: str | os.PathLike,
    *,
    split: str = "val",
    city: str | None = None,
    limit: int | None = None,
    **options,
) -> CityscapesSource:
    """Cityscapes images seen through a network.

    Parameters
    ----------
    network : str
        As in `metaseg_tf.load_network`, which takes ``options``.
    root : path
    split, city, limit
        As in `metaseg_tf.data.cityscapes.find_pairs`.
    """
    pairs = find_pairs(root, split=split, city=city, limit=limit)
    options = paper_options(network, options)
    shared = ProcessNetwork(network, **options)
    if shared.classes != len(CITYSCAPES):
        raise NetworkError(
            f"{network}: expected {len(CITYSCAPES)} classes as in Cityscapes, got "
            f"{shared.classes}; use a network trained on Cityscapes"
        )
    described = describe_network(network, shared.loaded, **options)
    return CityscapesSource(shared, pairs, {"split": split, **described})
