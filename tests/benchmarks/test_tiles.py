"""`make bench`: memory and time of one large image through a network in tiles."""

import subprocess
import sys

import pytest

#: Measures an image of the side in pixels that is the argument, through a network that is a table.
PROGRAM = """
import resource, sys, tempfile, time
import numpy as np
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.networks.network import Tiled
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.networks.scores import Ending
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
from metaseg_tf.runs.sources import NetworkSource
from metaseg_tf.runs.work import keep_freed_memory

side, rng = int(sys.argv[1]), np.random.default_rng(0)
logits = 3 * rng.normal(size=(256, 19)).astype(np.float32)

class Network:
    classes, files, passes = 19, (), 1
    settings, ending = NetworkOptions(crop=(512, 512)), Ending("logits", 19)

    def scores(self, image):
        return logits[image[..., 0]] + image[..., 1:2].astype(np.float32) / 255

class Item:
    name = origin = "large"

    def read(self):
        small = rng.integers(0, 256, (side // 50, side // 50, 3)).astype(np.uint8)
        image = small.repeat(50, 0).repeat(50, 1)
        return Sample("large", image, None, image[..., 0] % 19)

keep_freed_memory()
source = NetworkSource(Tiled(Network(), 512, 64), Source([Item()], {"source": "drawn"}), {})
settings, start = MeasureSettings(), time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    run = open_run(folder + "/run", source, settings)
    [result] = extract(source, run, settings, keep_maps=0)
assert result.outcome == "measured", result
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


@pytest.mark.parametrize(("side", "most"), [(4000, 2.5), (10_000, 6.0)])
def test_memory_goes_by_pixels_and_not_by_classes(side, most, note):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(side)], capture_output=True, text=True, check=True
    )
    seconds, peak = map(float, done.stdout.split()[-2:])
    note(f"{side}x{side}x19 in tiles, seconds", seconds)
    note(f"{side}x{side}x19 in tiles, peak memory in GB", peak)
    assert peak <= most
