"""Files of a run that were cut short or spoiled by hand: named at load, and made again."""

import pytest
from killable import extract_into

from metaseg_tf import load_run
from metaseg_tf.errors import DataFormatError
from metaseg_tf.run import Run

IMAGES = 8


@pytest.fixture
def out(dumps, tmp_path):
    extract_into(dumps, tmp_path / "run")
    return tmp_path / "run"


def cut(path, left):
    path.write_bytes(path.read_bytes()[:left])


@pytest.mark.parametrize("left", [0, 3, 100, -1])
def test_a_part_cut_short_is_named_and_made_again(dumps, out, assert_nothing_lost, left, caplog):
    cut(out / "segments" / "image3.parquet", left)
    with pytest.raises(DataFormatError, match=r"image3\.parquet: expected a whole .*extract again"):
        load_run(out)
    outcomes = extract_into(dumps, out)
    assert [outcomes.count(o) for o in ("measured", "kept")] == [1, IMAGES - 1]
    assert "image3.parquet was cut short" in caplog.text
    assert_nothing_lost(out, IMAGES)


def test_a_pack_cut_short_is_named_and_its_images_are_made_again(dumps, out, assert_nothing_lost):
    Run(out).compact(3)
    cut(out / "packs" / "000002.parquet", 500)
    with pytest.raises(DataFormatError, match=r"000002\.parquet: expected a whole segment table"):
        load_run(out)
    outcomes = extract_into(dumps, out)
    assert [outcomes.count(o) for o in ("measured", "kept")] == [3, IMAGES - 3]
    assert_nothing_lost(out, IMAGES)
    Run(out).compact(3)
    assert_nothing_lost(out, IMAGES)


def test_packing_never_packs_what_is_broken(dumps, out, assert_nothing_lost):
    cut(out / "segments" / "image3.parquet", 100)
    assert Run(out).compact(3) == IMAGES - 1
    extract_into(dumps, out)
    assert_nothing_lost(out, IMAGES)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_packing_that_was_stopped_between_files(dumps, out, assert_nothing_lost, step, monkeypatch):
    """Where an image lies in a pack and beside it, it counts once; the next packing clears up."""
    from metaseg_tf.storage import LocalFolder

    removed = []

    def stop(self, relative):
        if len(removed) == step:
            raise KeyboardInterrupt
        removed.append(relative)
        (self.path / relative).unlink()

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "remove", stop)
        with pytest.raises(KeyboardInterrupt):
            Run(out).compact(5)
    assert_nothing_lost(out, IMAGES)
    assert Run(out).compact(5) == 0
    assert_nothing_lost(out, IMAGES)
    assert not list((out / "segments").iterdir())
