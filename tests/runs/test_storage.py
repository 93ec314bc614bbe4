"""Local and remote folders keep the same promises."""

import errno
import os
import pickle
import signal

import pytest

from metaseg_tf.errors import InputError, MissingDependencyError, RunError
from metaseg_tf.runs import storage
from metaseg_tf.runs.storage import LocalFolder, RemoteFolder, open_folder


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    """A folder that does not exist yet."""
    if request.param == "local":
        return open_folder(tmp_path / "runs" / "XC")
    pytest.importorskip("fsspec")
    return open_folder(f"memory://{tmp_path.name}/runs/XC")


def test_a_file_comes_back(folder):
    assert folder.is_empty()
    assert not folder.exists()
    folder.write("a/b.txt", b"first")
    folder.write("a/b.txt", b"second")
    assert folder.read("a/b.txt") == b"second"
    assert folder.exists("a/b.txt")
    assert not folder.is_empty()
    assert folder.name == "XC"
    assert str(folder.where("a/b.txt")).endswith("runs/XC/a/b.txt")


def test_names_are_sorted_and_leave_out_others(folder):
    for name in ("b.x", "a-b.x", "a.x", "other.y", ".hidden.x"):
        folder.write(f"files/{name}", b"")
    assert folder.names("files", ".x") == ["a", "a-b", "b"]
    assert folder.names("nothing", ".x") == []


def test_tails(folder):
    folder.write("long", b"0123456789")
    folder.write("short", b"01")
    assert folder.tails(["long", "short"], 4) == [b"6789", b"01"]
    assert folder.tails([], 4) == []


def test_what_is_gone_is_removed_again_without_complaint(folder):
    folder.write("file", b"")
    folder.remove("file")
    folder.remove("file")
    assert not folder.exists("file")


def test_the_state_changes_with_the_content(folder):
    folder.write("file", b"one")
    before = folder.state("file")
    assert folder.state("file") == before
    folder.write("file", b"others")
    assert folder.state("file") != before


def test_it_can_be_sent_to_another_process(folder):
    folder.write("file", b"content")
    assert pickle.loads(pickle.dumps(folder)).read("file") == b"content"


def test_a_local_folder_is_sent_by_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(LocalFolder("run"))
    monkeypatch.chdir("/")
    assert pickle.loads(sent).path == tmp_path / "run"


def test_only_one_holds_a_local_folder(tmp_path):
    first, second = LocalFolder(tmp_path), LocalFolder(tmp_path)
    with first.locked(), pytest.raises(RunError, match="another process"), second.locked():
        pass
    with second.locked():
        assert second.is_empty()


def test_a_lock_is_given_back_though_forked_processes_live_on(tmp_path):
    local, children = LocalFolder(tmp_path), []

    def fork_and_fail():
        with local.locked():
            children.append(os.fork())
            if children == [0]:
                signal.pause()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fork_and_fail()
    try:
        with local.locked():
            pass
    finally:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)


def test_without_locks_in_the_file_system_one_is_warned(tmp_path, monkeypatch, caplog):
    def unsupported(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(storage.fcntl, "flock", unsupported)
    with LocalFolder(tmp_path).locked():
        assert "has no locks" in caplog.text


def test_what_a_killed_process_wrote_aside_is_cleared_away(tmp_path):
    folder = LocalFolder(tmp_path)
    (tmp_path / "a").mkdir()
    mine = ["a/mine.tmp", ".mine", ".mine.tmp", ".mine.parquet.1234.tmp", ".m.0123abcg.tmp"]
    for name in (".x.parquet.0123abcd.tmp", "a/.x.parquet.0123abcd.tmp", *mine):
        (tmp_path / name).touch()
    folder.tidy()
    left = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(left) == sorted(mine)


def test_what_is_set_aside_replaces_nothing(folder):
    for content in (b"first", b"second", b"third"):
        folder.write("a/b.x", content)
        folder.set_aside("a/b.x")
    assert not folder.exists("a/b.x")
    kept = [folder.read(f"a/b.x.broken{number}") for number in ("", "1", "2")]
    assert kept == [b"first", b"second", b"third"]
    assert folder.names("a", ".x") == []


@pytest.fixture
def others(tmp_path):
    """A folder of the user's with files of all names and contents that a run might delete."""
    folder = tmp_path / "others"
    folder.mkdir()
    for name in ("notes.txt", "x.parquet", ".x.parquet.0123abcd.tmp", "run.json"):
        (folder / name).write_text(f"mine: {name}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    yield folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def local(tmp_path):
    (tmp_path / "run").mkdir()
    return LocalFolder(tmp_path / "run")


@pytest.mark.parametrize("below", ["a", "a/b"])
@pytest.mark.parametrize(
    "change",
    [
        lambda folder, file: folder.write(file, b"new"),
        lambda folder, file: folder.remove(file),
        lambda folder, file: folder.set_aside(file),
    ],
)
def test_nothing_is_changed_through_a_linked_folder(local, others, below, change):
    (local.path / below).parent.mkdir(exist_ok=True)
    (local.path / below).symlink_to(others)
    for file in ("notes.txt", "c/d.txt"):
        with pytest.raises(RunError, match=f"{below}: expected the run's own, got a link"):
            change(local, f"{below}/{file}")
    local.tidy()


def test_nothing_is_changed_through_a_linked_file(local, others):
    for name in ("x.parquet", ".x.parquet.0123abcd.tmp"):
        (local.path / name).symlink_to(others / name)
    local.tidy()
    local.set_aside("x.parquet")
    local.write("x.parquet", b"new")
    assert local.read("x.parquet") == b"new"
    (local.path / "y").symlink_to(others / "notes.txt")
    local.remove("y")
    assert not local.exists("y")


def test_a_lock_that_is_a_link_is_refused(local, others):
    (local.path / ".lock").symlink_to(others / "notes.txt")
    with pytest.raises(RunError, match=r"got a link.*delete it"), local.locked():
        pass
    (local.path / ".lock").unlink()
    with local.locked():
        pass


def test_a_lock_that_bears_another_name_too_or_is_another_s_is_not_written_to(local, others):
    (local.path / ".lock").hardlink_to(others / "notes.txt")
    with local.locked():
        pass
    (local.path / ".lock").unlink()
    (local.path / ".lock").write_text("mine")
    with local.locked(), pytest.raises(RunError, match=r"writing here \(mine\)"), local.locked():
        pass
    assert (local.path / ".lock").read_text() == "mine"


def test_a_pipe_is_no_file(local):
    for name in (".lock", "run.json", "a.x"):
        os.mkfifo(local.path / name)
    assert local.names("", ".x") == []
    assert not local.exists("run.json")
    with local.locked():
        pass


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "runs").symlink_to("data")
    folder = LocalFolder(tmp_path / "runs" / "XC")
    with folder.locked():
        folder.write("a/b.x", b"content")
        folder.flush("a")
    (tmp_path / "XC").symlink_to(folder.path)
    linked = LocalFolder(tmp_path / "XC")
    with linked.locked():
        linked.write("a/b.x", b"other")
        linked.flush("")
        linked.remove("a/b.x")
    assert list((tmp_path / "data" / "XC" / "a").iterdir()) == []


def test_a_folder_that_cannot_be_flushed_is_an_error_unless_it_needs_no_flush(local, monkeypatch):
    def refuse(number):
        def fsync(descriptor):
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(storage.os, "fsync", refuse(errno.EINVAL))
    local.flush("")
    monkeypatch.setattr(storage.os, "fsync", refuse(errno.EIO))
    with pytest.raises(RunError, match="Input/output error"):
        local.flush("")


def test_what_a_store_says_becomes_one_line(monkeypatch):
    pytest.importorskip("fsspec")
    folder = open_folder("memory://bucket/run")

    def refuse(*args):
        raise RuntimeError("AccessDenied:\nno credentials")

    monkeypatch.setattr(type(folder._files.fs), "pipe_file", refuse)
    with pytest.raises(RunError, match=r"memory:/.*/run/x: cannot be written \(AccessDenied: no"):
        folder.write("x", b"")
    monkeypatch.setattr(type(folder._files.fs), "exists", refuse)
    with pytest.raises(RunError, match="cannot be reached"):
        open_folder("memory://bucket/run")


def test_files_that_other_processes_wrote_are_seen_at_once(tmp_path):
    """Drivers of object stores keep what they have listed, and would not look again."""
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    class Listing(MemoryFileSystem):
        protocol = "listing"
        find = fsspec.AbstractFileSystem.find

        def ls(self, path, detail=True, **options):
            if path in self.dircache:
                return self.dircache[path]
            self.dircache[path] = found = super().ls(path, detail=detail)
            return found

    fsspec.register_implementation("listing", Listing, clobber=True)
    folder = open_folder(f"listing://{tmp_path.name}")
    folder.write("files/a.x", b"")
    assert folder.names("files", ".x") == ["a"]
    MemoryFileSystem().pipe_file(f"{folder._files.path}/files/b.x", b"")
    assert folder.names("files", ".x") == ["a", "b"]


def test_addresses(tmp_path):
    assert open_folder(f"file://{tmp_path}").path == tmp_path
    pytest.importorskip("fsspec")
    assert isinstance(open_folder("memory://x"), RemoteFolder)
    with pytest.raises(InputError, match="nothing://x"):
        open_folder("nothing://x")


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(MissingDependencyError, match="s3fs"):
        open_folder("s3://bucket/run")
