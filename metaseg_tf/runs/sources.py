"""Images seen through a network, as a source of probabilities to measure."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from metaseg_tf.data.cityscapes import PairSource, find_pairs
from metaseg_tf.data.classes import ClassTable
from metaseg_tf.data.masks import find_labelled, open_labelled
from metaseg_tf.data.photographs import find_photographs
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

__all__ = [
    "NetworkSource",
    "ProcessNetwork",
    "open_cityscapes",
    "open_folders",
    "open_photographs",
]


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
        self.source, self.options = source, options

    def __reduce__(self):
        options = self.options
        if "loaded" in vars(self):
            # What was assumed here need not be noted there.
            options = replace(options, input_range=self.loaded.settings.input_range)
        return _network_of_process, (absolute_source(self.source), options)

    @cached_property
    def loaded(self):
        """The network itself."""
        return load_network(self.source, self.options)

    def describe(self) -> dict[str, Any]:
        """All that its probabilities depend on; loads the network."""
        return describe_network(self.source, self.loaded, self.options)

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
    return _see(_share(network, options), PairSource(pairs, split=split))


def open_photographs(
    network: str,
    paths: Iterable[str | os.PathLike],
    options: NetworkOptions = DEFAULTS,
    *,
    classes: ClassTable | None = None,
    limit: int | None = None,
) -> NetworkSource:
    """Photographs, found by `find_photographs`, seen through a network by `load_network`."""
    photographs = find_photographs(paths)[:limit]
    images = Source(photographs, {"source": "photographs"}, classes=classes)
    return _see(_share(network, options), images)


def open_folders(
    network: str,
    images: str | os.PathLike,
    masks: str | os.PathLike,
    options: NetworkOptions = DEFAULTS,
    *,
    classes: ClassTable | None = None,
    limit: int | None = None,
    mask_suffix: str = "",
    **code,
) -> NetworkSource:
    """Images of a folder with their masks, seen through a network by `load_network`.

    ``classes`` names them and gives the colours of masks; ``limit`` is how many images to take at
    most. Images and masks are paired by `metaseg_tf.data.masks.find_labelled`, and further options
    are those of `metaseg_tf.data.masks.open_labelled`. Raises what these raise, and NetworkError if
    the network is not of these classes.
    """
    pairs, shared = find_labelled(images, masks, mask_suffix)[:limit], _share(network, options)
    source = open_labelled(pairs, shared.classes, classes, mask_suffix=mask_suffix, **code)
    return _see(shared, source)


def _share(network: str | ProcessNetwork, options: NetworkOptions) -> ProcessNetwork:
    if isinstance(network, ProcessNetwork):
        return network
    return ProcessNetwork(network, paper_options(network, options))


def _see(shared: ProcessNetwork, images: Source) -> NetworkSource:
    if images.classes is not None and len(images.classes) != shared.classes:
        raise NetworkError(
            f"{shared.source}: expected {len(images.classes)} classes, as the class table of the "
            f"images has, got {shared.classes}; take a network of these classes, or its own class "
            "table"
        )
    return NetworkSource(shared, images, shared.describe())
