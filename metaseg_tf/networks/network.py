"""One way to every network, wherever it comes from, whatever its format, and tile by tile."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from metaseg_tf.data.sample import Bands
from metaseg_tf.errors import InputError
from metaseg_tf.networks import checkpoints
from metaseg_tf.networks.formats import open_network
from metaseg_tf.networks.image_network import Network, check_image, pad_image
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.networks.scores import Ending
from metaseg_tf.segments.disagreement import MEASURES, compare_passes

__all__ = ["Mirrored", "Tiled", "absolute_source", "describe_network", "load_network"]


def load_network(source: str | Path, options: NetworkOptions = DEFAULTS, **keywords) -> Network:
    """Load a network; any option of DeepLab's, or a checkpoint, rebuilds it from its weights.

    Parameters
    ----------
    source : str or Path
        A name in the catalogue (``mobilenetv2``, ``xception65``) or of the demo
        (``demo_xception``, ``demo_mobilenetv2``), or a file or folder of one of
        `metaseg_tf.networks.formats.FORMATS`. Without any option a frozen graph runs as it is; a
        network of the catalogue has the paper's wherever nothing else is asked for.
    options : NetworkOptions, optional
    keywords
        Fields of `NetworkOptions`, in place of those in ``options``: ``output_stride``,
        ``scales``, ``flip``, ``crop``, ``input_range``, ``tile``, ``overlap``, ``dropout``.

    Raises
    ------
    DataFormatError
        If a file is missing or truncated.
    NetworkError
        If it holds no network for semantic segmentation; UnsafeGraphError if it could do harm.
    InputError
        If an option is outside of what can be built, or the name is not in the catalogue.
    """
    options = replace(options, **keywords)
    if _is_catalogue_name(source):
        # Asking for flip=False alone leaves the paper's scales in force.
        options = options.completed(checkpoints.find(source).settings)
    network = open_network(_find_path(source), options)
    if options.tile is not None:
        network = Tiled(network, options.tile, options.overlap or 0)
    # DeepLab has been rebuilt to mirror the image at every scale.
    return Mirrored(network) if options.flip and not network.settings.flip else network


def describe_network(
    source: str | Path, network: Network, options: NetworkOptions
) -> dict[str, Any]:
    """Everything that the probabilities of a network depend on, for the manifest of a run.

    ``source`` and ``options`` are as given to `load_network`, which returned ``network``.
    """
    path = _find_path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
    else:
        files = [path] if path.is_file() else sorted(path.parent.glob(f"{path.name}.*"))
    settings = replace(network.settings, tile=options.tile, overlap=options.overlap)
    digest = checkpoints.hash_files([*files, *network.files])
    return {"network": Path(source).name, "network_sha256": digest, **asdict(settings)}


def absolute_source(source: str | Path) -> str:
    """A source by which a process in another folder finds the same network."""
    is_name = source in checkpoints.BUNDLED or _is_catalogue_name(source)
    return source if is_name else str(Path(source).absolute())


def _find_path(source):
    if source in checkpoints.BUNDLED:
        return checkpoints.bundled_path(f"{source}.pb")
    if _is_catalogue_name(source):
        return checkpoints.checkpoint_path(checkpoints.find(source))
    return Path(source)


def _is_catalogue_name(source):
    # A word: paths have a dot or a separator, or lead somewhere.
    if not isinstance(source, str) or source in checkpoints.BUNDLED or not source.isidentifier():
        return False
    is_path = Path(source).exists() or Path(f"{source}.index").exists()
    return not is_path or any(entry.name == source for entry in checkpoints.CATALOGUE)


class Tiled(Network):
    """Class probabilities of images larger than a network takes.

    ``tile`` is the height and width of a tile in pixels, to which smaller images are padded;
    neighbours overlap by at least ``overlap`` pixels, 0 <= overlap < tile. There the scores are
    averaged, with weights that fall towards the edge of a tile, where a network sees least; the
    softmax comes after. Raises InputError if the tile is not one that the network takes.
    """

    def __init__(self, network: Network, tile: int | tuple[int, int], overlap: int = 0):
        self._tile = (tile, tile) if np.ndim(tile) == 0 else tuple(tile)
        if len(self._tile) != 2 or min(self._tile) < 1 or not 0 <= overlap < min(self._tile):
            raise InputError(
                f"tile, overlap: expected 0 <= overlap < tile, got tile {tile} and overlap "
                f"{overlap}; a fifth of the tile is a good overlap"
            )
        fixed = getattr(network, "fixed_size", None) or self._tile
        if self._tile != fixed:
            given, expected = ("x".join(map(str, size)) for size in (self._tile, fixed))
            raise InputError(
                f"tile: expected {expected}, the one size that the network takes, got {given}; "
                f"give --tile {expected}"
            )
        self.ending, self.crop, self.files = network.ending, None, network.files
        self.passes, self.settings = network.passes, replace(network.settings, crop=None)
        self._network, self._overlap = network, overlap
        # Along one side of a tile weights are in (0, 1] and rise over the overlap.
        sides = [np.minimum(np.arange(side), np.arange(side)[::-1]) + 1 for side in self._tile]
        rising = [np.minimum(side / (overlap + 1), 1).astype(np.float32) for side in sides]
        self._weights = np.outer(*rising)[..., np.newaxis]

    def scores(self, image: np.ndarray) -> np.ndarray:
        """Scores, blended where tiles overlap; as in `Network.scores`."""
        return self._blend(image, self._network.scores, self.ending.channels)

    def see(self, image: np.ndarray) -> tuple[np.ndarray | Bands, np.ndarray | None]:
        """As in `Network.see`; bands of one pass, else the disagreement blended like scores."""
        if self.passes == 1:
            check_image(image, None)
            bands = self._bands(image, self._network.scores, self.ending.channels)
            shape = (*image.shape[:2], self.classes)
            return Bands(shape, map(self.ending.probabilities, bands)), None
        whole = self._blend(
            image, lambda tile: np.dstack(self._network.see(tile)), self.classes + len(MEASURES)
        )
        scores, disagreement = np.split(whole, [self.classes], axis=-1)
        return self.ending.probabilities(scores), disagreement

    def _blend(self, image: np.ndarray, run: Callable, channels: int) -> np.ndarray:
        """What ``run`` gives for each tile, float32 [H, W, channels]."""
        check_image(image, None)
        return np.concatenate(list(self._bands(image, run, channels)))

    def _bands(self, image: np.ndarray, run: Callable, channels: int) -> Iterator[np.ndarray]:
        """The same in bands of rows from the top, each as soon as no further tile reaches it."""
        height, width = image.shape[:2]
        image, (rows, columns) = pad_image(image, self._tile), self._tile
        total = np.zeros((rows, image.shape[1], channels), np.float32)
        weight = np.zeros((rows, image.shape[1], 1), np.float32)
        tops = self._starts(image.shape[0], rows)
        for top, below in zip(tops, [*tops[1:], image.shape[0]], strict=True):
            for left in self._starts(image.shape[1], columns):
                place = np.s_[:, left : left + columns]
                total[place] += self._weights * run(image[top : top + rows][place])
                weight[place] += self._weights
            done = below - top
            yield (total[:done] / weight[:done])[: height - top, :width]
            for blended in (total, weight):
                blended[: rows - done] = blended[done:]
                blended[rows - done :] = 0

    def _starts(self, side: int, tile: int) -> list[int]:
        """First pixels of the fewest tiles that cover ``side``, evenly spread."""
        steps = -(-(side - tile) // (tile - self._overlap))
        return np.linspace(0, side - tile, steps + 1).round().astype(int).tolist()


class Mirrored(Network):
    """The mean of a network's probabilities of an image and of its mirror image, mirrored back."""

    passes = 2

    def __init__(self, network: Network):
        self.ending, self.crop = Ending("probabilities", network.classes), network.crop
        self.files, self.settings = network.files, replace(network.settings, flip=True)
        self._network = network

    def see(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """As in `Network.see`."""
        plain = self._network.probabilities(image)
        mirrored = self._network.probabilities(np.ascontiguousarray(image[:, ::-1]))
        mirrored = np.ascontiguousarray(mirrored[:, ::-1])
        mean = plain + mirrored
        mean /= 2
        return mean, compare_passes(mean, (plain, mirrored))

    def scores(self, image: np.ndarray) -> np.ndarray:
        """The mean of the probabilities; as in `Network.scores`."""
        return self.see(image)[0]

    probabilities = scores
