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
from metaseg_tf.networks.network import absolute_source, describe_network, load_network
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.segments.dispersion import count_threads

__all__ = ["NetworkSource", "ProcessNetwork", "open_cityscapes", "open_folders", "open_photographs"]


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
        several = network.passes > 1
        super().__init__(seen, settings, network.classes, threads, images.classes, several)
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
        probs, disagreement = self.network.see(sample.image)
        return sample._replace(probs=probs, disagreement=disagreement)


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

    @property
    def passes(self) -> int:
        """Number of passes over an image; loads the network."""
        return self.loaded.passes

    def see(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """As `metaseg_tf.networks.image_network.Network.see`."""
        return self.loaded.see(image)


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
    return _see(network, options, PairSource(pairs, split=split))


def open_photographs(
    network: str | ProcessNetwork,
    paths: Iterable[str | os.PathLike],
    options: NetworkOptions = DEFAULTS,
) -> NetworkSource:
    """Photographs, found by `find_photographs`, seen through a network by `load_network`."""
    return _see(network, options, Source(find_photographs(paths), {"source": "photographs"}))


def open_folders(
    network: str | ProcessNetwork,
    images: str | os.PathLike,
    masks: str | os.PathLike | None = None,
    options: NetworkOptions = DEFAULTS,
    *,
    classes: ClassTable | None = None,
    limit: int | None = None,
    mask_suffix: str = "",
    **code,
) -> NetworkSource:
    """Images of a folder, at most ``limit``, seen through a network; with ``masks`` their truth.

    Masks are found by `find_labelled`; ``classes`` names the classes; further options are those of
    `open_labelled`. Raises what these and `load_network` raise, and NetworkError if the network is
    not of these classes.
    """
    if masks is None:
        found = find_photographs([images])[:limit]
        return _see(network, options, Source(found, {"source": "photographs"}, classes=classes))
    pairs, network = find_labelled(images, masks, mask_suffix)[:limit], _share(network, options)
    labelled = open_labelled(pairs, network.classes, classes, mask_suffix=mask_suffix, **code)
    return _see(network, options, labelled)


def _share(network: str | ProcessNetwork, options: NetworkOptions) -> ProcessNetwork:
    return network if isinstance(network, ProcessNetwork) else ProcessNetwork(network, options)


def _see(network: str | ProcessNetwork, options: NetworkOptions, images: Source) -> NetworkSource:
    network = _share(network, options)
    settings = network.describe()
    if images.classes is not None and len(images.classes) != network.classes:
        raise NetworkError(
            f"{settings['network']}: expected {len(images.classes)} classes, as the images' class "
            f"table has, got {network.classes}; take a network of these classes, or its own table"
        )
    return NetworkSource(network, images, settings)
