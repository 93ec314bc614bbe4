"""An image on its way from a data set to its segment table, and what a data set implements.

A reader of another data set is one file: a class of `Item`, and a function that returns a `Source`
of them. Its images are measured as they are if it reads probabilities, else seen through a network
(`metaseg_tf.runs.sources.NetworkSource`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from metaseg_tf.data.classes import ClassTable

__all__ = ["MAX_PIXELS", "Bands", "FileItem", "Item", "Sample", "Source"]

#: Upper bound of an image's pixels in files that may be hostile, 64 times those of Cityscapes.
MAX_PIXELS = 2**27


class Bands:
    """Class probabilities of an image that is not in memory as a whole.

    ``shape`` is [H, W, C]; iterating, which is done once, gives bands of rows, float [h, W, C],
    from the top, and has the next one made meanwhile.
    """

    def __init__(self, shape: tuple[int, int, int], bands: Iterator[np.ndarray]):
        self.shape, self._bands = shape, bands

    def __iter__(self) -> Iterator[np.ndarray]:
        with ThreadPoolExecutor(1, thread_name_prefix="band") as pool:
            ahead = pool.submit(next, self._bands, None)
            while (band := ahead.result()) is not None:
                ahead = pool.submit(next, self._bands, None)
                yield band


class Sample(NamedTuple):
    """An image with what is known of it; its name is unique in a data set and names its results.

    ``image`` is the photograph, uint8 [H, W, 3] in RGB; ``probs`` are class probabilities, float
    [H, W, C] or `Bands`, or of T passes [T, H, W, C], None until a network has seen the image;
    ``gt`` are true class ids, integers [H, W], 255 for void. ``disagreement``, float [H, W, 3], is
    that of the passes that ``probs`` [H, W, C] are the mean of, if there were several.
    """

    name: str
    image: np.ndarray | None = None
    probs: np.ndarray | Bands | None = None
    gt: np.ndarray | None = None
    disagreement: np.ndarray | None = None


class Item(Protocol):
    """An image of a data set before it is read; small, and can be sent to another process."""

    @property
    def name(self) -> str:
        """The sample's name, found without reading its arrays; a MetaSegError if it has none."""

    @property
    def origin(self) -> str:
        """The image's file or other origin, for messages."""

    def read(self) -> Sample:
        """The sample; a MetaSegError if it cannot be read."""


class FileItem:
    """Base of items whose attributes are paths: in another process these are absolute."""

    @property
    def origin(self) -> str:
        """The first of its paths."""
        return str(next(x for x in vars(self).values() if isinstance(x, Path)))

    def __getstate__(self) -> dict[str, Any]:
        found = vars(self).items()
        return {name: x.absolute() if isinstance(x, Path) else x for name, x in found}


@dataclass
class Source:
    """A data set: its images in order."""

    items: Sequence[Item]
    #: Everything that the samples depend on, for a run's manifest, in types that JSON knows;
    #: ``source`` names the kind of data set.
    settings: Mapping[str, Any]
    #: None if it is not known without reading an image.
    n_classes: int | None = None
    #: To measure a sample with while the next one is read; None for all there are.
    threads: int | None = None
    #: None if the data set does not name its classes.
    classes: ClassTable | None = None
    #: True if the samples come with several passes over an image, or their disagreement.
    passes: bool = False

    def __len__(self) -> int:
        return len(self.items)

    def reader(self, done: set[str]) -> Callable[[Item], Sample]:
        """A function that reads items here; a source may read ahead those that are not ``done``."""
        return methodcaller("read")
