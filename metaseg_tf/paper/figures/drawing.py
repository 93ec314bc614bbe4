"""A finished figure with the data behind it, and its files."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from metaseg_tf.runs.run import Run, csv_text

__all__ = ["Drawing", "store_drawing"]

#: Without dates, so that the same data give the same files.
_METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure and its data.

    Attributes
    ----------
    figure : Figure
    frames : mapping of str to DataFrame
        By the end of the file's name; "" for the only or first one.
    """

    figure: Figure
    frames: Mapping[str, pd.DataFrame]


def store_drawing(drawing: Drawing, run: Run, stem: str) -> list[Path]:
    """Write PNG, PDF and a CSV for each frame below a run's folder; returns where they lie."""
    # The layout takes longer than the drawing; both files have the same.
    drawing.figure.draw_without_rendering()
    drawing.figure.set_layout_engine("none")
    paths = [
        run.write_bytes(f"{stem}.{suffix}", _render(drawing.figure, suffix)) for suffix in _METADATA
    ]
    for name, frame in drawing.frames.items():
        text = csv_text(frame, float_format="%.7g")
        paths.append(run.write_text(f"{stem}{name and f'_{name}'}.csv", text))
    return paths


def _render(figure: Figure, suffix: str) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=suffix, metadata=_METADATA[suffix])
    return content.getvalue()
