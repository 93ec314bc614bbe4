"""Scenes written as a data set in the folder layout of Cityscapes."""

import io

from PIL import Image

from metaseg_tf.demo.streetscenes.conditions import TRAINING
from metaseg_tf.demo.streetscenes.scene import draw_scene
from metaseg_tf.errors import InputError
from metaseg_tf.runs.storage import LocalFolder

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
    RunError
        If a file cannot be written.
    """
    if not 0 < n_images <= 1_000_000:
        raise InputError(f"n_images: expected 1 to 1,000,000, got {n_images}; split the set")
    folder = LocalFolder(root)
    for index in range(n_images):
        name = f"{city}_{index:06d}_000019"
        image = f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"
        labels = f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"
        if not (folder.exists(image) and folder.exists(labels)):
            scene = draw_scene(seed + index, size=size, conditions=conditions)
            folder.write(labels, _to_png(scene.labels))
            folder.write(image, _to_png(scene.image))
        yield folder.where(image)


def _to_png(array):
    content = io.BytesIO()
    Image.fromarray(array).save(content, "PNG", compress_level=1)
    return content.getvalue()
