import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from metaseg_tf.errors import InputError
from metaseg_tf.meta import paint

SEGMENTS = np.array([[1, 1, 2], [1, 1, 2], [0, 3, 3]], np.int32)


def lightness(colour):
    linear = (np.asarray(colour) / 255) ** 2.2
    return linear @ [0.2126, 0.7152, 0.0722]


@given(hnp.arrays(np.int32, (3, 4), elements=st.integers(0, (1 << 24) - 1)))
def test_numbers_survive_their_colours(numbers):
    assert np.array_equal(paint.decode_numbers(paint.encode_numbers(numbers)), numbers)


def test_numbers_survive_the_file(tmp_path):
    numbers = np.arange(70_000, dtype=np.int32).reshape(7, -1)
    (tmp_path / "labels.png").write_bytes(paint.to_png(paint.encode_numbers(numbers)))
    assert np.array_equal(paint.read_numbers(tmp_path / "labels.png"), numbers)


def test_numbers_are_read_from_png_alone(tmp_path, monkeypatch):
    """Pillow would hand PostScript to Ghostscript, whatever the file is called."""
    ran = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: ran.append("Ghostscript"))
    path = tmp_path / "labels.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(OSError, match="cannot identify"):
        paint.read_numbers(path)
    assert not ran


@pytest.mark.parametrize("colours", paint.QUALITY_COLOURS)
def test_bad_is_warm_and_good_is_not(colours):
    bad, good = paint.interpolate_colours(np.array([0.0, 1.0]), colours).astype(int)
    assert bad[0] > bad[2]
    assert bad[0] > good[0]


def test_the_safe_colours_differ_for_the_colour_blind():
    # What is left to eyes without red or green receptors: lightness, and blue against yellow.
    bad, middle, good = paint.interpolate_colours(np.array([0, 0.5, 1]), "orange-blue").astype(int)
    assert lightness(middle) > 2 * max(lightness(bad), lightness(good))
    assert good[2] - good[:2].mean() > 80 > -80 > bad[2] - bad[:2].mean()


def test_unknown_colours_are_refused():
    with pytest.raises(InputError, match="orange-blue"):
        paint.interpolate_colours(np.zeros(1), "grey")


def test_segments_are_painted_by_value_with_dark_borders():
    painted = paint.paint_segments(SEGMENTS, np.array([0.0, 1.0, 0.5]))
    full = paint.interpolate_colours(np.array([0.0, 1.0, 0.5]))
    assert np.array_equal(painted[0, 0], full[0])
    assert np.array_equal(painted[2, 2], full[2])
    assert painted[0, 1].sum() < full[0].sum()
    assert not painted[2, 0].any()


def test_the_photograph_shows_through_and_where_no_segment_is():
    image = np.full((3, 3, 3), 200, np.uint8)
    painted = paint.paint_segments(SEGMENTS, np.array([0.0, 1.0, 0.5]), image)
    alone = paint.paint_segments(SEGMENTS, np.array([0.0, 1.0, 0.5]))
    assert np.allclose(painted[0, 0], 0.6 * alone[0, 0] + 80, atol=1)
    assert np.array_equal(paint.paint_segments(np.zeros_like(SEGMENTS), np.zeros(0), image), image)


def test_doubtful_segments_become_void():
    pred = np.array([[4, 4, 5], [4, 4, 5], [255, 6, 6]], np.uint8)
    trusted = paint.reject_segments(pred, SEGMENTS, np.array([0.1, 0.2, 0.3]), 0.2)
    assert trusted.tolist() == [[255, 255, 5], [255, 255, 5], [255, 6, 6]]
    assert trusted.dtype == np.uint8


def test_pngs_keep_their_pixels(tmp_path):
    for pixels in (SEGMENTS.astype(np.uint8), paint.encode_numbers(SEGMENTS)):
        (tmp_path / "p.png").write_bytes(paint.to_png(pixels))
        assert np.array_equal(np.asarray(Image.open(tmp_path / "p.png")), pixels)
