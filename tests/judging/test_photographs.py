import numpy as np
import pytest
from PIL import Image

from metaseg_tf.errors import DataFormatError
from metaseg_tf.judging.photographs import PhotographSource, find_photographs, read_photograph


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("b_leftImg8bit.png", "a.jpg", "c.JPEG"):
        Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).save(tmp_path / name, "PNG")
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_folders_and_files_are_taken_once_and_in_order(folder):
    found = find_photographs([folder / "c.JPEG", folder])
    assert [path.name for path in found] == ["c.JPEG", "a.jpg", "b_leftImg8bit.png"]


def test_a_job_gives_the_image_with_what_the_network_sees_in_it(folder):
    class Network:
        def probabilities(self, image):
            return image / image.sum(-1, keepdims=True)

    source = PhotographSource(Network(), find_photographs([folder]), {"network": "test"})
    jobs = list(source.jobs(set()))
    assert len(source) == len(jobs) == 3
    assert [job.name() for job in jobs] == ["a", "b", "c"]
    dump = jobs[1].load()
    assert np.array_equal(dump.image, read_photograph(folder / "b_leftImg8bit.png"))
    assert dump.probs.shape == dump.image.shape
    assert dump.gt is None


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_grey_palette_and_transparent_images_become_rgb(folder, mode):
    Image.open(folder / "a.jpg").convert(mode).save(folder / "d.png")
    assert read_photograph(folder / "d.png").shape == (6, 8, 3)


@pytest.mark.parametrize("what", ["missing", "empty folder"])
def test_no_images_are_refused(tmp_path, what):
    with pytest.raises(DataFormatError, match="expected"):
        find_photographs([tmp_path / "nowhere" if what == "missing" else tmp_path])


@pytest.mark.parametrize("what", ["truncated", "text", "16 bit"])
def test_what_cannot_be_read_is_refused(folder, what):
    path = folder / "b_leftImg8bit.png"
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:60])
    elif what == "text":
        path.write_text("no image")
    else:
        Image.fromarray(np.zeros((4, 4), np.uint16)).save(path)
    with pytest.raises(DataFormatError, match="b_leftImg8bit"):
        read_photograph(path)
