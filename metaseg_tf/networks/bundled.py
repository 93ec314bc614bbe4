"""The demo's networks and golden numbers, which come with the package."""

from pathlib import Path

from metaseg_tf.errors import DataFormatError

__all__ = ["BUNDLED", "bundled_path"]

#: Names that `metaseg_tf.load_network` takes: stand-ins for XC and MN on drawn street scenes.
BUNDLED = ("demo_xception", "demo_mobilenetv2")

_PACKAGE = Path(__file__).parents[1]
# In a checkout the folder lies beside the package, in an installed package inside it.
_FOLDERS = (_PACKAGE.parent / "deeplab_checkpoints", _PACKAGE / "deeplab_checkpoints")


def bundled_path(file: str) -> Path:
    """Where a file of ``deeplab_checkpoints/`` lies, such as ``demo_xception.pb``.

    Raises
    ------
    DataFormatError
        If the installation lacks it.
    """
    for folder in _FOLDERS:
        if (folder / file).is_file():
            return folder / file
    raise DataFormatError(
        f"{file}: expected it in deeplab_checkpoints, which comes with metaseg_tf, found none; "
        "install the package again"
    )
