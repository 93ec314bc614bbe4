"""A disk that is full, at any file, or cannot be written to: one line, and nothing is lost."""

import contextlib
import resource
import subprocess

import pytest
from killable import extract_into

from metaseg_tf.errors import RunError

IMAGES = 8


@contextlib.contextmanager
def limited_files(size):
    """Let no file grow past ``size`` bytes, as a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mount(*words):
    return subprocess.run(["mount", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory; gives its folder and a function that changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = mount("-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder))
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")

    def change(options):
        assert mount("-o", f"remount,{options}", str(folder)).returncode == 0

    try:
        yield folder, change
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def refuses_to_extract(dumps, out, reason):
    with pytest.raises(RunError, match=f"{reason}.*start again"):
        extract_into(dumps, out)


@pytest.mark.parametrize("size", [0, 100, 1000, 10_000])
def test_files_that_may_not_grow(dumps, assert_nothing_lost, tmp_path, size):
    with limited_files(size):
        refuses_to_extract(dumps, tmp_path / "run", "File too large")
    if size > 1000:
        assert_nothing_lost(tmp_path / "run")
    extract_into(dumps, tmp_path / "run")
    assert_nothing_lost(tmp_path / "run", IMAGES)


def test_a_full_disk_at_any_file(dumps, assert_nothing_lost, small_disk, torture):
    folder, change = small_disk
    outcomes = refusal = None
    for pages in range(4, 500, 1 if torture else 29):
        change(f"size={4 * pages}k")
        try:
            outcomes = extract_into(dumps, folder / "run")
            break
        except RunError as error:
            refusal = str(error)
        if (folder / "run" / "run.json").exists():
            assert_nothing_lost(folder / "run")
    assert outcomes is not None
    assert "No space left" in refusal
    assert_nothing_lost(folder / "run", IMAGES)


def test_packing_on_a_full_disk(dumps, assert_nothing_lost, small_disk):
    from metaseg_tf.runs.run import Run

    folder, change = small_disk
    change("size=10m")
    extract_into(dumps, folder / "run")
    free = 4 * int(subprocess.check_output(["stat", "-f", "-c", "%a", str(folder)]))
    change(f"size={10 * 1024 - free + 8}k")
    with pytest.raises(RunError, match="No space left"):
        Run(folder / "run").compact(4)
    assert_nothing_lost(folder / "run", IMAGES)
    change("size=10m")
    assert Run(folder / "run").compact(4) == IMAGES
    assert_nothing_lost(folder / "run", IMAGES)


def test_a_run_folder_that_cannot_be_written_to(dumps, assert_nothing_lost, small_disk):
    folder, change = small_disk
    change("size=10m")
    extract_into(dumps, folder / "run")
    change("ro")
    refuses_to_extract(dumps, folder / "run", "Read-only file system")
    refuses_to_extract(dumps, folder / "other", "Read-only file system")
    assert_nothing_lost(folder / "run", IMAGES)
