"""Files of a run that were cut short or spoiled by hand: named at load, and made again."""

import os
import shutil
from functools import partial

import pytest
from killable import compact_until, extract_into, spawn

from metaseg_tf import load_run
from metaseg_tf.errors import DataFormatError, RunError
from metaseg_tf.runs.run import Run

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


def test_truth_cut_short_is_made_again(dumps, out, assert_nothing_lost):
    cut(out / "truth" / "image3.parquet", 100)
    assert extract_into(dumps, out).count("measured") == 1
    assert_nothing_lost(out, IMAGES)
    Run(out).compact(3)
    cut(out / "truth_packs" / "000002.parquet", 500)
    with pytest.raises(DataFormatError, match=r"000002\.parquet: expected a whole"):
        Run(out).load_truth()
    assert extract_into(dumps, out).count("measured") == 3
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


def test_parts_are_on_disk_before_what_they_replace_is_deleted(out, monkeypatch):
    """A power cut keeps what was flushed: the packs, and the folders that name them."""
    steps = []

    def recorded(function, note):
        def call(*args, **kwargs):
            result = function(*args, **kwargs)
            steps.append(note(*args))
            return result

        return call

    def name_of(descriptor):
        return ("flushed", os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", recorded(os.fsync, name_of))
    monkeypatch.setattr(os, "replace", recorded(os.replace, lambda _, to: ("named", str(to))))
    unlink = recorded(type(out).unlink, lambda path, **_: ("deleted", str(path)))
    monkeypatch.setattr(type(out), "unlink", unlink)
    Run(out).compact(5)
    packs = [str(out / "packs" / f"{number:06d}.parquet") for number in (1, 2)]
    deleted = [place for place, (_, path) in enumerate(steps) if "segments/" in path]
    named = [steps.index(("named", pack)) for pack in packs]
    assert len(deleted) == IMAGES
    assert all(steps[place][0] == "deleted" for place in deleted)
    for pack, place in zip(packs, named, strict=True):
        what, aside = steps[place - 1]
        assert what == "flushed"
        assert aside.startswith(pack.replace("packs/", "packs/."))
    for folder in (out / "packs", out):
        assert named[-1] < steps.index(("flushed", str(folder))) < deleted[0]


@pytest.mark.parametrize("step", range(3 * 2 + 2 + IMAGES))
def test_packing_killed_at_each_step(out, assert_nothing_lost, step):
    process = spawn(compact_until, step, out)
    process.join()
    assert process.exitcode == -9
    assert_nothing_lost(out, IMAGES)
    Run(out).compact(5)
    assert_nothing_lost(out, IMAGES)
    assert list((out / "segments").iterdir()) == []


@pytest.mark.parametrize("folder", ["segments", "maps", "packs"])
def test_a_linked_folder_of_the_user_s_is_left_alone(dumps, out, tmp_path, folder):
    """Its files look like tables cut short, or like what a killed process left."""
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("x.parquet", ".x.parquet.0123abcd.tmp", "image1.npz"):
        (mine / name).write_text("mine")
    if (out / folder).exists():
        shutil.rmtree(out / folder)
    (out / folder).symlink_to(mine)
    work = partial(extract_into, dumps) if folder == "maps" else lambda run: Run(run).compact(5)
    with pytest.raises(RunError, match="got a link"):
        work(out)
    assert {path.read_text() for path in mine.iterdir()} == {"mine"}
    assert len(list(mine.iterdir())) == 3


@pytest.mark.parametrize("step", [0, 1, 2])
def test_packing_that_was_stopped_between_files(dumps, out, assert_nothing_lost, step, monkeypatch):
    """Where an image lies in a pack and beside it, it counts once; the next packing clears up."""
    from metaseg_tf.runs.storage import LocalFolder

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
