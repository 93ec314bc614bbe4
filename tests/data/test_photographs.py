import os
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from metaseg_tf.data.photographs import Photograph, find_photographs, read_photograph
from metaseg_tf.errors import DataFormatError


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("b_leftImg8bit.png", "a.jpg", "c.JPEG"):
        Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).save(tmp_path / name, "PNG")
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_folders_and_files_are_taken_once_and_in_order(folder):
    found = find_photographs([folder / "c.JPEG", folder])
    assert [photo.path.name for photo in found] == ["c.JPEG", "a.jpg", "b_leftImg8bit.png"]


def test_suffixes_count_in_any_case_and_what_is_left_out_is_said(tmp_path, caplog):
    names = ["a.jpg", "b.JPG", "c.webp", "d.bmp", "e.tif", "f.jfif", "g.TIFF", "h.jpe"]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name, "JPEG" if name[0] in "fh" else None)
        assert read_photograph(tmp_path / name).shape == (8, 8, 3)
    (tmp_path / "._a.jpg").write_bytes(b"\0\5\x16\7Mac OS X")
    (tmp_path / "notes.txt").touch()
    assert [photo.path.name for photo in find_photographs([tmp_path])] == names
    (said,) = caplog.messages
    assert "1 .txt" in said


def rotated(picture, path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(picture).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_declared_orientation_is_applied(tmp_path, suffix, orientation):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20], picture[20:, :30], picture[20:, 30:] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    path = rotated(picture, tmp_path / f"a{suffix}", orientation)
    upright = Image.fromarray(picture)
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    found = read_photograph(path)
    assert found.shape == expected.shape == ((40, 60, 3) if orientation < 5 else (60, 40, 3))
    # JPEG blurs the borders.
    assert np.mean(np.abs(found - expected).max(-1) > 10) < 0.2


def test_the_content_is_never_guessed_at(tmp_path, monkeypatch):
    """Pillow would hand PostScript to Ghostscript, whatever the file is called."""
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript"))
    path = tmp_path / "photo.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(DataFormatError, match="cannot be read"):
        read_photograph(path)


@pytest.mark.parametrize("path", ["pipe", "/dev/zero"])
def test_pipes_and_devices_are_refused_at_once(tmp_path, path):
    path = tmp_path / path
    if not path.exists():
        os.mkfifo(path)
    for read in (read_photograph, lambda path: find_photographs([path])):
        with pytest.raises(DataFormatError, match="regular file"):
            read(path)


@pytest.mark.parametrize("side", [20_000, 12_000])  # more than Pillow takes, more than we do
def test_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    with pytest.raises(DataFormatError, match=rf"{side**2} pixels.*cut it into pieces"):
        read_photograph(tmp_path / "a.png")


def test_what_is_odd_in_a_file_that_can_be_read_is_not_said(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # a warning above it, refused above twice it
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photograph(tmp_path / "a.png").shape == (6, 8, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
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


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("1508039851.412345.png", "1508039851.412345"),
        ("frame.0001", "frame.0001"),
        ("v1.5_scene.JPG", "v1.5_scene"),
        ("ulm_0_leftImg8bit.png", "ulm_0"),
    ],
)
def test_only_the_suffix_of_an_image_is_taken_off(tmp_path, file, name):
    assert Photograph(tmp_path / file).name == name
