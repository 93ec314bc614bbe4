"""The queue of three real images, into whose labels other people have put errors."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metaseg_tf import load_network
from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.classes import CITYSCAPES
from metaseg_tf.meta import review
from metaseg_tf.runs.image_maps import ImageMaps
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.dispersion import compute_heat_maps
from metaseg_tf.segments.table import measure_image

SCRIPT = Path(__file__).parents[2] / "docs" / "make_review.py"


@pytest.mark.long
def test_the_first_ten_of_an_image_hold_half_of_the_larger_errors(real_data, tmp_path):
    errors = real_data / "label_errors"
    (network,) = (real_data / "network").glob("*.tflite")
    network, true = load_network(network, tile=513, overlap=128), {}
    run = Run.create(tmp_path / "run", {})
    run.name_classes(CITYSCAPES)
    scenes = real_data / "cityscapes"
    for pair in (*find_pairs(scenes, split="train"), *find_pairs(scenes, split="val")):
        sample = pair.read()
        wrong, given = errors / f"{sample.name}_gtFine_labelTrainIds.png", sample.gt
        if wrong.exists():
            given, true[sample.name] = np.asarray(Image.open(wrong)), sample.gt
        probs = network.probabilities(sample.image)
        measured = measure_image(probs, given, metrics="paper")
        pred, *heat = measured.heat[:3]
        maps = ImageMaps(
            pred, measured.segments, *heat, given, runner_up=compute_heat_maps(probs).runner_up
        )
        run.write_maps(sample.name, maps)
    queue = review.review_labels(list(review.measure_labels(run)), CITYSCAPES).queue
    place_errors, reached, seen = runpy.run_path(str(SCRIPT))["place_errors"], 0, 0
    assert len(true) == 3
    for name, labels in true.items():
        own = place_errors(run.load_maps(name), labels, queue[queue["image"] == name])
        # Lines of a pixel along the image's edge are void now: nobody judges there.
        own = own[own["seen"] & ~own["void"]]
        assert (own["place"] <= 10).sum() >= len(own) / 2
        reached, seen = reached + own["place"].count(), seen + len(own)
    assert seen >= 10
    assert reached >= 0.85 * seen
