"""Archives that leave their folder, hold links or never end are refused; good ones come whole."""

import gzip
import io
import tarfile

import pytest

from metaseg_tf.errors import DataFormatError
from metaseg_tf.untrusted import archives
from metaseg_tf.untrusted.archives import read_members, unpack


def archive_of(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def member_of(name, size=3, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = size if kind == tarfile.REGTYPE else 0
    return member


BAD = {
    "parent": member_of("../evil"),
    "inner parent": member_of("a/../../evil"),
    "absolute": member_of("/tmp/evil"),
    "drive": member_of("C:\\evil"),
    "windows parent": member_of("..\\evil"),
    "symbolic link": member_of("a", kind=tarfile.SYMTYPE, link="/etc"),
    "hard link": member_of("a", kind=tarfile.LNKTYPE, link="b"),
    "device": member_of("a", kind=tarfile.CHRTYPE),
    "line": member_of("a\nb"),
    "long": member_of("a/" * 600),
    "pipe": member_of("a", kind=tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_members_are_refused_and_nothing_is_left(tmp_path, bad):
    path = archive_of(tmp_path / "bad.tar.gz", member_of("good"), bad)
    with pytest.raises(DataFormatError, match="do not unpack") as caught:
        unpack(path, tmp_path / "to" / "folder")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "to").iterdir()) == []
    with pytest.raises(DataFormatError, match="do not unpack"):
        list(read_members(path, ".pb"))


def test_size_is_bounded_before_anything_is_written(tmp_path, monkeypatch):
    path = archive_of(tmp_path / "bomb.tar.gz", member_of("zeros", 50_000))
    monkeypatch.setattr(archives, "MAX_BYTES", 49_999)
    with pytest.raises(DataFormatError, match="at most"):
        unpack(path, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    monkeypatch.setattr(archives, "MAX_BYTES", 50_000)
    unpack(path, tmp_path / "to")
    assert (tmp_path / "to" / "zeros").stat().st_size == 50_000


def test_the_number_of_files_is_bounded(tmp_path):
    members = (member_of(str(i), 0) for i in range(1001))
    with pytest.raises(DataFormatError, match="at most 1000 files"):
        unpack(archive_of(tmp_path / "many.tar.gz", *members), tmp_path / "to")


def test_folders_come_along(tmp_path):
    members = member_of("train", kind=tarfile.DIRTYPE), member_of("train/sub/model.ckpt.index")
    unpack(archive_of(tmp_path / "good.tar.gz", *members), tmp_path / "to")
    assert (tmp_path / "to/train/sub/model.ckpt.index").read_bytes() == bytes(3)


def test_an_empty_archive_is_an_error(tmp_path):
    with pytest.raises(DataFormatError, match="got none"):
        unpack(archive_of(tmp_path / "empty.tar.gz"), tmp_path / "to")


def header(size, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo("a.pb")
    member.size, member.type = size, kind
    return member.tobuf(format=tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "content",
    [
        header(-512),
        header(2**21, tarfile.XHDTYPE) + bytes(2**21 + 2048),
        header(2**21, tarfile.GNUTYPE_LONGNAME) + bytes(2**21 + 2048),
        header(2**60),
    ],
    ids=["negative", "large header", "long name", "huge"],
)
def test_sizes_are_bounded_before_they_are_read(tmp_path, content):
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(content + bytes(1024)))
    for read in (lambda: unpack(path, tmp_path / "to"), lambda: list(read_members(path, ".pb"))):
        with pytest.raises(DataFormatError):
            read()
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("names", [("a", "a/b"), ("x" * 300,)])
def test_what_the_disk_cannot_hold_is_an_error_and_nothing_is_left(tmp_path, names):
    path = archive_of(tmp_path / "bad.tar.gz", *map(member_of, names))
    with pytest.raises(DataFormatError, match="cannot be unpacked"):
        unpack(path, tmp_path / "to" / "folder")
    assert list((tmp_path / "to").iterdir()) == []


def test_an_archive_without_compression_is_read(tmp_path):
    path = tmp_path / "plain.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(member_of("a.pb"), io.BytesIO(b"abc"))
    assert list(read_members(path, ".pb")) == [b"abc"]


def test_a_name_with_a_null_byte_is_refused(tmp_path):
    path = tmp_path / "bad.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = member_of("a")
        member.pax_headers = {"path": "a\0b"}
        archive.addfile(member, io.BytesIO(bytes(3)))
    with pytest.raises(DataFormatError, match="do not unpack"):
        unpack(path, tmp_path / "to")
