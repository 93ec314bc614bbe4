"""Images seen through a network, as a source of probabilities to measure."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from metaseg_tf.data.cityscapes import PairSource, find_pairs
from metaseg_tf.data.photographs import Photograph, find_photographs
from metaseg_tf.data.sample import Item, Sample, Source
from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.network import (
    absolute_source,
    describe_network,
    load_network,
    paper_options,
)
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.segments.dispersion import count_threads

__all__ = ["NetworkSource", "ProcessNetwork", "open_cityscapes", "open_photographs"]


class NetworkSource(Source):
    """The samples of another source, ``images``, with what a network sees in them.

    ``settings`` are all that the probabilities depend on, besides those of ``images``.
    """

    def __init__(self, network, images: Source, settings: Mapping[str, Any]):
        # A network on the processor is left half of the cores while an image is measured: with more
        # threads each takes caches and cores from the other, and both wait.
        threads = None if tf.config.list_physical_devices("GPU") else max(1, count_threads() // 2)
        seen = [_Seen(item, network) for item in images.items]
        settings = {**images.settings, **settings}
        super().__init__(seen, settings, network.classes, threads, images.classes)
        self._images = images

    def reader(self, done: set[str]) -> Callable[["_Seen"], Sample]:
        """The images' own reader, whose samples the network completes."""
        read = self._images.reader(done)
        return lambda seen: seen.complete(read(seen.item))


@dataclass(frozen=True)
class _Seen:
    """An image that its network completes once it is read."""

    item: Item
    network: Any

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def origin(self) -> str:
        return self.item.origin

    def read(self) -> Sample:
        return self.complete(self.item.read())

    def complete(self, sample: Sample) -> Sample:
        return sample._replace(probs=self.network.probabilities(sample.image))


class ProcessNetwork:
    """A network that `load_network` loads at its first use, once in each process it is sent to."""

    def __init__(self, source: str, options: NetworkOptions = DEFAULTS):
        self._source, self._options = source, options

    def __reduce__(self):
        options = self._options
        if "loaded" in vars(self):
            # What was assumed here need not be noted there.
            options = replace(options, input_range=self.loaded.settings.input_range)
        return _network_of_process, (absolute_source(self._source), options)

    @cached_property
    def loaded(self):
        """The network itself."""
        return load_network(self._source, self._options)

    def describe(self) -> dict[str, Any]:
        """All that its probabilities depend on; loads the network."""
        return describe_network(self._source, self.loaded, self._options)

    @property
    def classes(self) -> int:
        """Number of classes; loads the network."""
        return self.loaded.classes

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities of each pixel, float32 [H, W, C], of an image uint8 [H, W, 3]."""
        return self.loaded.probabilities(image)


@lru_cache(maxsize=1)
def _network_of_process(source: str, options: NetworkOptions) -> ProcessNetwork:
    return ProcessNetwork(source, options)


def open_cityscapes(
    network: str | ProcessNetwork,
    root: str | os.PathLike,
    options: NetworkOptions = DEFAULTS,
    *,
    split: str = "val",
    **selection,
) -> NetworkSource:
    """Images of Cityscapes, chosen by `find_pairs`, seen through a network by `load_network`."""
    pairs = find_pairs(root, split=split, **selection)
    source = _see(network, PairSource(pairs, split=split), options)
    if source.n_classes != len(source.classes):
        raise NetworkError(
            f"{source.settings['network']}: expected {len(source.classes)} classes as in "
            f"Cityscapes, got {source.n_classes}; use a network trained on Cityscapes"
        )
    return source


def open_photographs(
    network: str, paths: Iterable[str | os.PathLike], options: NetworkOptions = DEFAULTS
) -> NetworkSource:
    """Photographs, found by `find_photographs`, seen through a network by `load_network`."""
    photographs = [Photograph(path) for path in find_photographs(paths)]
    return _see(network, Source(photographs, {"source": "photographs"}), options)


def _see(network: str | ProcessNetwork, images: Source, options: NetworkOptions) -> NetworkSource:
    if not isinstance(network, ProcessNetwork):
        network = ProcessNetwork(network, paper_options(network, options))
    return NetworkSource(network, images, network.describe())
