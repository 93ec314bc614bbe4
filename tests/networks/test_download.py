"""Downloads from a server on this machine: whole, broken off, refused, changed, without any."""

import hashlib
import json
import socket

import pytest
from archive_server import archive, serving

from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks import catalogue
from metaseg_tf.networks.catalogue import MOBILENETV2, checkpoint_path
from metaseg_tf.networks.download import CHECKSUMS, download


@pytest.fixture
def serve(monkeypatch):
    def at(server):
        monkeypatch.setattr(catalogue, "_ZOO", server.address)
        return server

    return at


class Bar:
    """What pooch asks of a progress bar, counting."""

    def __init__(self):
        self.total, self.seen, self.closed = 0, 0, False

    def update(self, count):
        self.seen += count

    def reset(self):
        self.seen = 0

    def close(self):
        self.closed = True


def only_what_is_whole(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_unpacks_and_records_once(tmp_path, serve):
    content, bar = archive(), Bar()
    with serving(content) as server:
        serve(server)
        first = download(MOBILENETV2, tmp_path, progress=bar)
        second = download(MOBILENETV2, tmp_path)
    assert first == second == tmp_path / MOBILENETV2.folder
    assert server.requests == 1
    assert checkpoint_path(MOBILENETV2, tmp_path) == first / "train/model.ckpt"
    record = json.loads((tmp_path / CHECKSUMS).read_text())
    assert record == {MOBILENETV2.file: hashlib.sha256(content).hexdigest()}
    assert (bar.total, bar.seen, bar.closed) == (len(content), len(content), True)


def test_an_interrupted_download_leaves_nothing_and_can_be_started_again(tmp_path, serve):
    with serving(archive(), break_off=True) as server:
        serve(server)
        with pytest.raises(DataFormatError, match=r"broke off.*start again") as caught:
            download(MOBILENETV2, tmp_path)
    assert "\n" not in str(caught.value)
    assert only_what_is_whole(tmp_path) == []
    with serving(archive()) as server:
        serve(server)
        assert download(MOBILENETV2, tmp_path).is_dir()


def test_no_connection_gives_one_line(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(catalogue, "_ZOO", f"http://127.0.0.1:{closed.getsockname()[1]}/")
        with pytest.raises(DataFormatError, match=r"no connection.*by hand") as caught:
            download(MOBILENETV2, tmp_path)
    assert "\n" not in str(caught.value)
    assert only_what_is_whole(tmp_path) == []


def test_a_file_that_the_server_lacks(tmp_path, serve):
    with serving(b"", status=404) as server:
        serve(server)
        with pytest.raises(DataFormatError, match="the server answers 404"):
            download(MOBILENETV2, tmp_path)


@pytest.mark.parametrize("content", [b"<html>log in first</html>", archive()[:-40]])
def test_what_is_no_archive_is_thrown_away(tmp_path, serve, content):
    with serving(content) as server:
        serve(server)
        with pytest.raises(DataFormatError, match="broken"):
            download(MOBILENETV2, tmp_path)
    assert only_what_is_whole(tmp_path) == []


def test_an_archive_put_there_by_hand_is_checked_and_unpacked(tmp_path):
    (tmp_path / MOBILENETV2.file).write_bytes(archive())
    assert download(MOBILENETV2, tmp_path).is_dir()
    assert MOBILENETV2.file in json.loads((tmp_path / CHECKSUMS).read_text())


def test_a_broken_archive_put_there_by_hand_is_kept(tmp_path):
    (tmp_path / MOBILENETV2.file).write_bytes(archive()[:-40])
    with pytest.raises(DataFormatError, match="broken"):
        download(MOBILENETV2, tmp_path)
    assert only_what_is_whole(tmp_path) == [MOBILENETV2.file]


def test_an_archive_that_changed_is_refused(tmp_path):
    path = tmp_path / MOBILENETV2.file
    path.write_bytes(archive())
    download(MOBILENETV2, tmp_path)
    path.write_bytes(archive(["train/other.index"]))
    with pytest.raises(DataFormatError, match=r"expected SHA-256 .* delete it and download"):
        download(MOBILENETV2, tmp_path)


def test_without_the_archive_the_unpacked_checkpoint_is_enough(tmp_path):
    (tmp_path / MOBILENETV2.folder).mkdir()
    assert download(MOBILENETV2, tmp_path) == tmp_path / MOBILENETV2.folder


def test_a_broken_record_is_an_error(tmp_path):
    (tmp_path / MOBILENETV2.file).write_bytes(archive())
    for text in ("{", "[1]"):
        (tmp_path / CHECKSUMS).write_text(text)
        with pytest.raises(DataFormatError, match="expected JSON of file names"):
            download(MOBILENETV2, tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataFormatError, match="--dir"):
        download(MOBILENETV2, tmp_path / "file" / "folder")


def test_archives_that_leave_their_folder_are_refused(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / MOBILENETV2.file).write_bytes(archive(["../../evil.txt"]))
    with pytest.raises(DataFormatError, match="do not unpack"):
        download(MOBILENETV2, tmp_path / "home")
    assert only_what_is_whole(tmp_path) == ["home"]
