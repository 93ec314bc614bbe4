import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from metaseg_tf import pictures
from metaseg_tf.data import classes

SEGMENTS = np.array([[1, 1, 2], [1, 1, 2], [0, 3, 3]], np.int32)


def lightness(colour):
    linear = (np.asarray(colour) / 255) ** 2.2
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("first", [0, 60_000, (1 << 24) - 70_000])
def test_numbers_survive_the_file(tmp_path, first):
    numbers = np.arange(first, first + 70_000, dtype=np.int32).reshape(7, -1)
    (tmp_path / "labels.png").write_bytes(pictures.to_png(pictures.encode_numbers(numbers)))
    assert np.array_equal(pictures.read_numbers(tmp_path / "labels.png"), numbers)


def test_numbers_are_read_from_png_alone(tmp_path, monkeypatch):
    """Pillow would hand PostScript to Ghostscript, whatever the file is called."""
    ran = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: ran.append("Ghostscript"))
    path = tmp_path / "labels.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(OSError, match="cannot identify"):
        pictures.read_numbers(path)
    assert not ran


def test_the_scale_is_even_and_ordered_to_all_eyes():
    """In CIELAB, to normal eyes and with deuteranopia: lighter to the middle, yellow to blue."""
    colours = pictures.interpolate_colours(np.linspace(0, 1, 21))
    for seen in classes.appearance(colours / 255):
        steps = np.linalg.norm(np.diff(seen, axis=0), axis=-1)
        assert 6 < steps.min() < steps.max() < 2 * steps.min()
        assert seen[0, 2] > 40 > -40 > seen[-1, 2]
        assert (np.diff(seen[:11, 0]) > 2).all()
        assert (np.diff(seen[10:, 0]) < -2).all()


def test_segments_are_painted_by_value_with_dark_borders():
    painted = pictures.paint_segments(SEGMENTS, np.array([0.0, 1.0, 0.5]))
    full = pictures.interpolate_colours(np.array([0.0, 1.0, 0.5]))
    assert np.array_equal(painted[0, 0], full[0])
    assert np.array_equal(painted[2, 2], full[2])
    assert painted[0, 1].sum() < full[0].sum()
    assert not painted[2, 0].any()


def test_the_photograph_shows_through_and_where_no_segment_is():
    image = np.full((3, 3, 3), 200, np.uint8)
    painted = pictures.paint_segments(SEGMENTS, np.array([0.0, 1.0, 0.5]), image)
    alone = pictures.paint_segments(SEGMENTS, np.array([0.0, 1.0, 0.5]))
    assert np.allclose(painted[0, 0], 0.6 * alone[0, 0] + 80, atol=1)
    assert np.array_equal(
        pictures.paint_segments(np.zeros_like(SEGMENTS), np.zeros(0), image), image
    )


def test_segments_without_a_value_are_grey_and_void_as_asked():
    painted = pictures.paint_segments(SEGMENTS, np.array([0.0, np.nan, 1.0]), void=255)
    grey = np.array(ImageColor.getrgb(pictures.UNKNOWN))
    assert np.array_equal(painted[0, 2], grey)
    assert np.array_equal(painted[2, 1], pictures.interpolate_colours(1.0))
    assert (pictures.paint_segments(np.zeros((2, 2), int), np.zeros(0), void=255) == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (40, 30), (256, 512), (1024, 2048), (3000, 400)])
def test_a_legend_lies_below_a_picture_that_keeps_its_pixels(shape):
    painted = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    whole = pictures.with_legend(painted)
    assert np.array_equal(whole[: shape[0], : shape[1]], painted)
    strip = whole[shape[0] :]
    middle = strip[len(strip) // 2].astype(int)
    # The words are grey, so that the first and the last coloured pixel are those of the scale.
    coloured = middle[np.ptp(middle, axis=1) > 12]
    ends = pictures.interpolate_colours(np.array([0.0, 1.0]))
    assert np.array_equal(coloured[[0, -1]], ends)
    assert len(coloured) > 60
    # Words left and right of it, in full.
    dark = np.flatnonzero((strip < 100).all(axis=(2)).any(axis=0))
    assert 0 < dark[0] < dark[-1] < strip.shape[1] - 1


def test_classes_lie_over_the_photograph_and_void_is_white():
    palette = np.array([[128, 64, 128], [70, 130, 180]], np.uint8)
    classes = np.array([[0, 1, 2, 255]], np.uint8)
    alone = pictures.overlay_classes(classes, palette)
    assert np.array_equal(alone[0], [*palette, [255] * 3, [255] * 3])
    mixed = pictures.overlay_classes(classes, palette, np.full((1, 4, 3), 100, np.uint8))
    assert np.array_equal(mixed[0, :2], np.round(0.65 * palette + 35))
    assert (mixed[0, 2:] == 255).all()


def test_heat_colours_go_from_dark_to_light():
    colours = pictures.heat_colours(9)
    assert colours.shape == (9, 3)
    assert (np.diff([lightness(colour) for colour in colours]) > 0).all()


def test_pngs_keep_their_pixels(tmp_path):
    for pixels in (SEGMENTS.astype(np.uint8), pictures.encode_numbers(SEGMENTS)):
        (tmp_path / "p.png").write_bytes(pictures.to_png(pixels))
        assert np.array_equal(np.asarray(Image.open(tmp_path / "p.png")), pixels)


def test_pngs_with_a_palette_show_its_colours():
    places, palette = np.array([[0, 1], [2, 1]], np.uint8), pictures.heat_colours(3)
    opened = Image.open(io.BytesIO(pictures.to_png(places, palette)))
    assert np.array_equal(np.asarray(opened), places)
    assert np.array_equal(np.asarray(opened.convert("RGB")), palette[places])


def test_jpegs_show_the_photograph():
    photograph = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    opened = np.asarray(Image.open(io.BytesIO(pictures.to_jpeg(photograph, 90))))
    assert np.abs(opened.astype(int) - photograph).max() < 5


def test_places_beyond_a_palette_are_transparent():
    palette = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    png = pictures.to_png(np.array([[0, 1, 255]], np.uint8), palette)
    shown = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    assert shown[..., :3].tolist()[0][:2] == palette.tolist()
    assert shown[..., 3].tolist() == [[255, 255, 0]]
