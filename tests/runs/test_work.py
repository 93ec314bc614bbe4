"""The loop over images, with work that is none."""

import os
import platform
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass

import pytest
from late_cluster import LateCluster
from scenes import make_scene

from metaseg_tf import segment_metrics
from metaseg_tf.data.sample import Source
from metaseg_tf.errors import InputError
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.work import ImageResult, failed, work_through


@dataclass
class Number:
    """An image that is called by its number."""

    number: int
    load: object = None
    broken: bool = False

    @property
    def name(self):
        return str(self.number)

    @property
    def origin(self):
        return f"origin {self.number}"

    def read(self):
        if self.broken:
            raise InputError("expected a number")
        return self.number if self.load is None else self.load(self.number)


def numbers(count, load=None, broken=(), n_classes=5, **options):
    return Source([Number(i, load, i in broken) for i in range(count)], {}, n_classes, **options)


def work(job):
    try:
        return ImageResult(job.name, "done", segments=job.load())
    except InputError as error:
        return failed(job, error)


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {})


def go_through(source, run, work=work, **options):
    with run.continued():
        return list(work_through(source, run, work, **options))


def test_images_come_in_their_order(run):
    results = go_through(numbers(4), run)
    assert [(r.name, r.outcome, r.segments) for r in results] == [
        (str(i), "done", i) for i in range(4)
    ]


def test_images_that_are_not_worked_on_keep_their_place(run):
    run.write_segments("0", segment_metrics(*make_scene()))
    run.write_segments("2", segment_metrics(*make_scene()))
    source = numbers(5)
    source.items[3].number = 1
    results = go_through(source, run, skip_errors=True)
    assert [r.outcome for r in results] == ["kept", "done", "kept", "failed", "done"]
    assert [r.name for r in results] == ["0", "1", "2", "origin 1", "4"]


def test_few_images_are_held_at_once(run):
    """The one that is worked on, and the next."""

    class Image:
        pass

    held, counts = weakref.WeakSet(), []

    def load(number):
        image = Image()
        held.add(image)
        counts.append(len(held))
        return image

    def look(job):
        job.load()
        return ImageResult(job.name, "done")

    go_through(numbers(6, load), run, look)
    assert max(counts) == 2


def test_the_next_image_is_loaded_while_one_is_worked_on(run):
    """Each image waits, while it is worked on, for the loading of the next to have begun."""
    begun = [threading.Event() for _ in range(4)]

    def wait(job):
        number = job.load()
        assert begun[min(number + 1, 3)].wait(10)
        return ImageResult(job.name, "done")

    source = numbers(4, load=lambda number: begun[number].set() or number)
    assert len(go_through(source, run, wait)) == 4


def test_the_last_image_has_all_threads_since_none_is_loaded_beside_it(run):
    threads = []

    def note(job):
        threads.append(job.threads)
        return work(job)

    go_through(numbers(3, threads=1), run, note)
    assert threads == [1, 1, None]


@pytest.mark.parametrize(("n_classes", "under_way"), [(5, [3, 3, 2, 1]), (None, [1, 3, 2, 1])])
def test_the_first_goes_alone_where_it_tells_the_number_of_classes(run, n_classes, under_way):
    cluster = LateCluster()

    def measure(job):
        return ImageResult(job.name, "measured", n_classes=5)

    results = go_through(numbers(4, n_classes=n_classes), run, measure, cluster=cluster)
    assert [result.name for result in results] == list("0123")
    assert cluster.under_way == under_way
    assert run.manifest.n_classes == 5


def test_a_bad_image_stops_and_is_named(run):
    with run.continued():
        results = work_through(numbers(3, broken=[1]), run, work)
        assert next(results).name == "0"
        with pytest.raises(InputError, match="origin 1: expected a number"):
            next(results)


def test_bad_images_that_are_skipped_stand_in_the_manifest(run):
    results = go_through(numbers(3, broken=[1]), run, skip_errors=True)
    assert [r.outcome for r in results] == ["done", "failed", "done"]
    assert results[1].reason == run.manifest.failed["origin 1"] == "origin 1: expected a number"
    go_through(numbers(3), run)
    assert run.manifest.failed == {}


def test_only_the_first_jobs_keep_their_maps(run):
    marked = []

    def note(job):
        marked.append(job.keep_maps)
        return work(job)

    go_through(numbers(4), run, note, keep_maps=2)
    assert marked == [True, True, False, False]


#: Frees and asks for the memory of an image, of other sizes in another order, in two threads.
SCRIPT = """
import resource
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from metaseg_tf.runs.work import keep_freed_memory

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


def test_names_that_are_in_files_are_read_once_until_these_change(run, monkeypatch):
    monkeypatch.setattr("metaseg_tf.runs.work._NAMES_AT_ONCE", 3)
    read = []

    class Stored(Number):
        state = "1 2"

        @property
        def name(self):
            read.append(self.number)
            return f"image/{self.number}" if self.number == 3 else str(self.number)

    source = Source([Stored(i) for i in range(4)], {}, 5)
    for expected in ([0, 1, 2, 3], [3], [1, 3]):
        read.clear()
        results = go_through(source, run, skip_errors=True)
        assert [r.name for r in results] == ["0", "1", "2", "origin 3"]
        assert sorted({*read}) == expected
        source.items[1].state = "1 3" if expected == [3] else "1 2"
    for content in (b"[]", b"{", b'{"origin 1": 5}', b'{"origin 1": "1 3/../x"}'):
        run.write_bytes("names.json", content)
        assert len(go_through(source, run, skip_errors=True)) == 4
