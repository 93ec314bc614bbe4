"""One way to every network, wherever it comes from and whatever its format."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from metaseg_tf.networks import checkpoints
from metaseg_tf.networks.formats import open_network
from metaseg_tf.networks.image_network import Network
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions
from metaseg_tf.networks.tiling import Tiled

__all__ = ["absolute_source", "describe_network", "load_network", "paper_options"]


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
        ``scales``, ``flip``, ``crop``, ``input_range``, ``tile``, ``overlap``.

    Raises
    ------
    DataFormatError
        If a file is missing or truncated.
    NetworkError
        If it holds no network for semantic segmentation; UnsafeGraphError if it could do harm.
    InputError
        If an option is outside of what can be built, or the name is not in the catalogue.
    """
    options = paper_options(source, replace(options, **keywords))
    network = open_network(_find_path(source), options)
    return network if options.tile is None else Tiled(network, options.tile, options.overlap or 0)


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
    known = {
        "network": Path(source).name,
        "network_sha256": checkpoints.hash_files([*files, *network.files]),
    }
    return known | settings.to_json()


def paper_options(source: str | Path, options: NetworkOptions) -> NetworkOptions:
    """The options, completed by the paper's for a name in the catalogue.

    Asking for ``flip=False`` alone therefore leaves the paper's scales in force.
    """
    if not _is_catalogue_name(source):
        return options
    return options.completed(checkpoints.find(source).settings)


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
