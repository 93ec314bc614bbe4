"""A small Cityscapes folder and networks that see through it, for tests of whole pipelines."""

import numpy as np
from PIL import Image
from scenes import make_scene

from metaseg_tf.networks.image_network import Network

__all__ = ["FakeNetwork", "write_pair", "write_street"]

_SCENE = {"height": 64, "width": 96, "n_classes": 19}


def write_street(root, n_images=6):
    """Images whose first pixel tells the seed of their scene, with its ground truth."""
    for seed in range(n_images):
        _save(root, "leftImg8bit", seed, np.full((64, 96, 3), seed, np.uint8))
        _save(root, "gtFine", seed, make_scene(**_SCENE, seed=seed)[1], "_labelTrainIds")
    return root


def _save(root, part, seed, content, kind=""):
    folder = root / part / "val" / "ulm"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(content).save(folder / f"ulm_{seed}_{part}{kind}.png")


def write_pair(root, name, *, split="val", city="ulm", labels=None, train_ids=False, seed=0):
    """One image of noise with its labels, which are returned; a valid pair of 8 x 10 pixels."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (8, 10, 3)).astype(np.uint8)
    labels = rng.integers(0, 34, (8, 10)).astype(np.uint8) if labels is None else labels
    kind = "labelTrainIds" if train_ids else "labelIds"
    for part, suffix, content in (
        ("leftImg8bit", "leftImg8bit", image),
        ("gtFine", f"gtFine_{kind}", labels),
    ):
        folder = root / part / split / city
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(folder / f"{name}_{suffix}.png")
    return image, labels


class FakeNetwork:
    """Gives the probabilities of the scene that an image stands for; notes its images."""

    classes = 19

    def __init__(self):
        self.seen = []

    passes, see = 1, Network.see

    def probabilities(self, image):
        seed = int(image[0, 0, 0])
        self.seen.append(seed)
        return make_scene(**_SCENE, seed=seed)[0]
