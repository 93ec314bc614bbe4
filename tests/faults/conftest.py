"""A data set to be disturbed on, a little in ``make test``, much in ``make torture``."""

import os

import pytest
from killable import extract_into
from scenes import make_scene

from metaseg_tf import load_run, load_truth
from metaseg_tf.data.softmax import SoftmaxDump, save_dump

TORTURE = "METASEG_TF_TORTURE"
IMAGES = 8


@pytest.fixture(scope="session")
def torture():
    """Whether the full size is asked for."""
    return bool(os.environ.get(TORTURE))


@pytest.fixture(scope="session")
def dumps(tmp_path_factory):
    """A folder with softmax dumps of small scenes."""
    folder = tmp_path_factory.mktemp("dumps")
    for i in range(IMAGES):
        save_dump(folder / f"{i}.npz", SoftmaxDump(*make_scene(seed=i), f"image{i}"))
    return folder


@pytest.fixture(scope="session")
def undisturbed(dumps, tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    extract_into(dumps, out)
    return out


@pytest.fixture(scope="session")
def assert_nothing_lost(undisturbed):
    """Check that every image that a run reports as done is whole, and how many there are."""
    expected = [read(undisturbed) for read in (load_run, load_truth)]

    def check(out, images=None):
        from pandas.testing import assert_frame_equal

        from metaseg_tf.runs.run import Run

        done = Run(out).done()
        assert images is None or len(done) == images
        for read, whole in zip((load_run, load_truth), expected, strict=True):
            wanted = whole[whole.image.isin(done)].reset_index(drop=True)
            if done:
                assert_frame_equal(read(out), wanted)

    return check
