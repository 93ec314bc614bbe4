"""A small Cityscapes folder and networks that see through it, for tests of whole pipelines."""

import numpy as np
from PIL import Image
from scenes import make_scene

__all__ = ["FakeNetwork", "write_street"]

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


class FakeNetwork:
    """Gives the probabilities of the scene that an image stands for; notes its images."""

    classes = 19

    def __init__(self):
        self.seen = []

    def probabilities(self, image):
        seed = int(image[0, 0, 0])
        self.seen.append(seed)
        return make_scene(**_SCENE, seed=seed)[0]
