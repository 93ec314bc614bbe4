"""kill -9 at any moment: what was reported done is whole, and the run goes on to the same end."""

import random
import time

import pytest
from killable import extract_into, kill_at_step, spawn

from metaseg_tf.runs.run import Run

IMAGES = 8
#: Three a file: the manifest when it is made, after the first image and at the end, and of each
#: image its maps and its table.
STEPS = 3 * (3 + 2 * IMAGES)


@pytest.fixture(scope="module")
def seconds(dumps, tmp_path_factory):
    """How long an undisturbed extraction takes in a process of its own, ready or not."""
    spawn(extract_into, dumps, tmp_path_factory.mktemp("runs") / "first").join()
    start = time.perf_counter()
    spawn(extract_into, dumps, tmp_path_factory.mktemp("runs") / "second").join()
    return time.perf_counter() - start


def leftovers(out):
    return [path.name for path in out.rglob(".*") if path.name != ".lock"]


def finish(dumps, out, **options):
    extract_into(dumps, out, **options)
    assert leftovers(out) == []


def test_killed_at_random_moments(
    dumps, undisturbed, assert_nothing_lost, tmp_path, seconds, torture
):
    moments = random.Random(0)
    for attempt in range(50 if torture else 4):
        out = tmp_path / str(attempt)
        for _ in range(2):
            process = spawn(extract_into, dumps, out)
            process.join(moments.uniform(0, seconds))
            process.kill()
            process.join()
            if (out / "run.json").exists():
                assert_nothing_lost(out)
        finish(dumps, out)
        assert_nothing_lost(out, IMAGES)
        assert (out / "run.json").read_text() == (undisturbed / "run.json").read_text()


def test_killed_at_each_step_of_writing(dumps, assert_nothing_lost, tmp_path, torture):
    for step in range(STEPS) if torture else (1, 4, 8, 11):
        out = tmp_path / str(step)
        process = spawn(kill_at_step, step, dumps, out)
        process.join()
        assert process.exitcode == -9
        if step > 2:
            assert_nothing_lost(out)
            assert len(leftovers(out)) == (step % 3 != 0)
        finish(dumps, out)
        assert_nothing_lost(out, IMAGES)


def test_killed_at_each_step_of_writing_packs(dumps, assert_nothing_lost, tmp_path, torture):
    """No more is lost than the images of one pack, whether it is continued in packs or without."""
    for step in range(3, 3 * (3 + IMAGES + 2 * 3)) if torture else (15, 17, 18, 19, 21):
        out = tmp_path / str(step)
        process = spawn(kill_at_step, step, dumps, out, 3)
        process.join()
        assert process.exitcode == -9
        assert_nothing_lost(out)
        # Their maps are written at once.
        assert len(Run(out).with_maps() - Run(out).done()) <= 3
        assert list((out / "segments").glob("*")) == []
        finish(dumps, out, pack=[None, 1, 2, 3][step % 4])
        assert_nothing_lost(out, IMAGES)
