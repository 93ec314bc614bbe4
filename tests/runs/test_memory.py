import os
import platform
import subprocess
import sys

import pytest

#: Frees and asks for the memory of an image, of other sizes in another order, in two threads.
SCRIPT = """
import resource
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from metaseg_tf.runs.memory import keep_freed_memory

def work(seed):
    kept = [np.ones(size) for size in np.random.default_rng(seed).permutation([1, 5, 9, 17]) << 17]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(5):
    before = faults()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(4)))
print(faults() - before)
"""


def count_faults(way):
    # As Dask starts its workers.
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", SCRIPT, way]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this setting")
def test_what_was_freed_is_used_again():
    assert count_faults("keep") < count_faults("leave") / 4
