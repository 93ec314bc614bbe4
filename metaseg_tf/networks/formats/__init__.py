"""One door to networks that are not DeepLab's own, by the format of their file."""

from pathlib import Path

from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks.image_network import ImageNetwork
from metaseg_tf.networks.tiling import Tiled

__all__ = ["is_other_format", "open_network"]

_KERAS = (".keras", ".h5", ".hdf5")
_TFLITE = ".tflite"


def is_other_format(path: Path) -> bool:
    """Whether `open_network` is the door for ``path``: by its suffix, or a SavedModel folder."""
    path = Path(path)
    return path.suffix in (*_KERAS, _TFLITE) or (path / "saved_model.pb").is_file()


def open_network(
    path: Path,
    *,
    input_range: str | None = None,
    tile: int | tuple[int, int] | None = None,
    overlap: int = 0,
) -> ImageNetwork | Tiled:
    """Open a SavedModel folder, a ``.keras`` or ``.h5`` model, or a ``.tflite`` file.

    Parameters
    ----------
    path : Path
    input_range : str, optional
        The range of pixels that the network expects, as in `load_network`.
    tile : int or (int, int), optional
        Run the network over larger images in tiles of this height and width in pixels.
    overlap : int
        By how many pixels neighbouring tiles overlap at least.

    Returns
    -------
    ImageNetwork or Tiled
        With ``probabilities(image)``, ``logits(image)``, ``classes``, ``crop``, ``settings``.

    Raises
    ------
    DataFormatError
        If the file is missing, broken or of another format.
    NetworkError
        If it does not turn one image into scores.
    """
    network = _loader(Path(path))(Path(path), input_range=input_range)
    return network if tile is None else Tiled(network, tile, overlap)


def _loader(path: Path):
    """The reader of a format; imported on use, since each brings its own library."""
    if path.suffix == _TFLITE:
        from metaseg_tf.networks.formats.tflite import TFLiteNetwork

        return TFLiteNetwork
    if path.suffix in _KERAS:
        from metaseg_tf.networks.formats.keras_model import load_keras_model

        return load_keras_model
    if path.is_dir():
        from metaseg_tf.networks.formats.saved_model import load_saved_model

        return load_saved_model
    raise DataFormatError(
        f"{path}: expected a SavedModel folder, .keras, .h5 or .tflite, got another file or none; "
        "a frozen graph (.pb, .tar.gz) or checkpoint is opened by load_network"
    )
