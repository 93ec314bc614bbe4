"""Local and remote folders keep the same promises."""

import pickle

import pytest

from metaseg_tf import storage
from metaseg_tf.errors import InputError, MissingDependencyError, RunError
from metaseg_tf.storage import LocalFolder, RemoteFolder, open_folder


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


def test_without_locks_in_the_file_system_one_is_warned(tmp_path, monkeypatch, caplog):
    def unsupported(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(storage.fcntl, "flock", unsupported)
    with LocalFolder(tmp_path).locked():
        assert "has no locks" in caplog.text


def test_what_a_killed_process_wrote_aside_is_cleared_away(tmp_path):
    folder = LocalFolder(tmp_path)
    (tmp_path / "a").mkdir()
    for name in (".x.parquet.1234.tmp", "a/.x.parquet.1234.tmp", "a/mine.tmp", ".mine"):
        (tmp_path / name).touch()
    folder.tidy()
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".mine", "a", "mine.tmp"]


def test_what_a_store_says_becomes_one_line(monkeypatch):
    pytest.importorskip("fsspec")
    folder = open_folder("memory://bucket/run")

    def refuse(*args):
        raise RuntimeError("AccessDenied:\nno credentials")

    monkeypatch.setattr(type(folder._filesystem), "pipe_file", refuse)
    with pytest.raises(RunError, match=r"memory:/.*/run/x: cannot be written \(AccessDenied: no"):
        folder.write("x", b"")
    monkeypatch.setattr(type(folder._filesystem), "exists", refuse)
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
    MemoryFileSystem().pipe_file(f"{folder._root}/files/b.x", b"")
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
