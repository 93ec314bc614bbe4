"""Scenes written as a data set in the folder layout of Cityscapes."""

import os
import tempfile
from pathlib import Path

from PIL import Image

from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.streetscenes.conditions import TRAINING
from metaseg_tf.streetscenes.scene import draw_scene

__all__ = ["write_dataset"]


def write_dataset(
    root, *, split, n_images, seed, size=(256, 512), conditions=TRAINING, city="synthville"
):
    """Draw scenes into ``root/{leftImg8bit,gtFine}/split/city``, yielding each as it is there.

    Image i is the scene of ``seed + i``. Files that exist are kept, so an interrupted call can be
    repeated; each file appears under its name only when it is complete.

    Parameters
    ----------
    root : path
        Folder of the data set; made if missing.
    split : str
        Name of the part, such as "train" or "val".
    n_images : int
        Number of scenes, 1 to 1,000,000.
    seed : int
        Seed of the first scene.
    size, conditions
        As for ``draw_scene``.
    city : str
        Name of the folder below the split and first part of the file names.

    Yields
    ------
    Path
        The image of each scene.

    Raises
    ------
    InputError
        If the number of images is out of range.
    DataFormatError
        If a file cannot be written.
    """
    if not 0 < n_images <= 1_000_000:
        raise InputError(f"n_images: expected 1 to 1,000,000, got {n_images}; split the set")
    for index in range(n_images):
        name = f"{city}_{index:06d}_000019"
        image = Path(root, "leftImg8bit", split, city, f"{name}_leftImg8bit.png")
        labels = Path(root, "gtFine", split, city, f"{name}_gtFine_labelIds.png")
        if not (image.exists() and labels.exists()):
            scene = draw_scene(seed + index, size=size, conditions=conditions)
            _save(scene.labels, labels)
            _save(scene.image, image)
        yield image


def _save(array, path):
    """Write an array as PNG under a temporary name and move it into place."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            Image.fromarray(array).save(file, "PNG", compress_level=1)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise DataFormatError(
            f"cannot write {path}: {error.strerror or error}; check space and permissions"
        ) from error
