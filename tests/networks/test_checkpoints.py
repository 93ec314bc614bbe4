"""The catalogue says what the paper and upstream's zoo say."""

import hashlib
import json
import socket

import pytest
from archive_server import archive, serving

from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.networks import checkpoints
from metaseg_tf.networks.checkpoints import (
    CATALOGUE,
    CHECKSUMS,
    MOBILENETV2,
    XCEPTION65,
    checkpoint_path,
    download,
    find,
)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_the_settings_are_those_of_the_zoo_row_with_the_paper_s_miou(entry):
    (row,) = (row for row in entry.zoo if row.miou == entry.paper_miou)
    settings = entry.settings
    assert (settings.output_stride, settings.scales, settings.flip) == (
        row.output_stride,
        row.scales,
        row.flip,
    )


def test_figures_of_section_3():
    assert (MOBILENETV2.paper_miou, XCEPTION65.paper_miou) == (0.7071, 0.8042)
    assert (MOBILENETV2.settings.output_stride, XCEPTION65.settings.output_stride) == (16, 8)
    assert XCEPTION65.settings.scales == (0.75, 1.0, 1.25)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("mobilenet", "mobilenetv2"), ("Xception_65", "xception65"), ("xception", "xception65")],
)
def test_near_names_are_suggested(typed, meant):
    with pytest.raises(InputError, match=f"did you mean {meant}"):
        find(typed)


def test_names_far_from_any_get_all():
    with pytest.raises(InputError, match="mobilenetv2, xception65, got"):
        find("resnet")
    assert find("xception65") is XCEPTION65


def test_the_folder_is_the_given_one_then_the_variable_s_then_the_repository_s(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(checkpoints.FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert checkpoints.checkpoint_folder(tmp_path / "given") == tmp_path / "given"
    assert checkpoints.checkpoint_folder() == tmp_path / "variable"
    monkeypatch.delenv(checkpoints.FOLDER_VARIABLE)
    assert (checkpoints.checkpoint_folder() / "README.md").is_file()


def test_outside_of_a_repository_the_folder_is_the_user_s_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(checkpoints.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(checkpoints, "_BUNDLED_FOLDERS", (tmp_path / "site/deeplab_checkpoints",))
    assert checkpoints.checkpoint_folder().name == "metaseg_tf"


def test_the_prefix_of_an_unpacked_checkpoint_is_found(tmp_path):
    inner = tmp_path / MOBILENETV2.folder / "deeplabv3_mnv2_cityscapes_train"
    with pytest.raises(DataFormatError, match="checkpoints download mobilenetv2"):
        checkpoints.checkpoint_path(MOBILENETV2, tmp_path)
    inner.mkdir(parents=True)
    (inner / "model.ckpt.index").touch()
    assert checkpoints.checkpoint_path(MOBILENETV2, tmp_path) == inner / "model.ckpt"


@pytest.fixture
def serve(monkeypatch):
    def at(server):
        monkeypatch.setattr(checkpoints, "_ZOO", server.address)
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
        monkeypatch.setattr(checkpoints, "_ZOO", f"http://127.0.0.1:{closed.getsockname()[1]}/")
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
        with pytest.raises(DataFormatError, match=r"whole \.tar\.gz .*download it again"):
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
