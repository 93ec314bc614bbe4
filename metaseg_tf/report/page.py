"""``RUN/report/``: a page in a folder that opens from disk, without a server or network."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from metaseg_tf import __version__
from metaseg_tf.errors import InputError
from metaseg_tf.meta import MetaModel
from metaseg_tf.pictures import QUALITY_COLOURS, heat_colours
from metaseg_tf.report import explorer, overview
from metaseg_tf.runs.run import Run

__all__ = ["IMAGES", "write_report"]

#: Images of each run that can be explored, by default.
IMAGES = 12

_FOLDER = "report"
#: Colours of the legend of the heat maps, between which the page interpolates.
_HEAT_STEPS = 9
_STATIC = Path(__file__).parent / "static"


def write_report(
    runs: Sequence[Run],
    model: MetaModel | None = None,
    *,
    images: int = IMAGES,
    wanted: Sequence[str] = (),
    figures: Mapping[int, Sequence[Path]] | None = None,
) -> Path:
    """Write the page of one or two runs into ``report/`` of the first.

    At most ``images`` of each run can be explored, those ``wanted`` first; without maps the page
    has no explorer and says so. ``figures`` are files by the number of their figure, drawn anew by
    default. Verdicts are those of `explorer.judge_run`. Returns the path of ``index.html``. Raises
    InputError for a run with ground truth next to one without; other errors are those of
    `explorer.judge_run` and `explorer.choose_images`.
    """
    judged = [explorer.judge_run(run, model) for run in runs]
    is_labelled = judged[0].is_labelled
    if any(one.is_labelled != is_labelled for one in judged):
        raise InputError(
            "report: expected runs that all have ground truth, or none of which has, got one of "
            "each kind; make a page of each"
        )
    chosen = explorer.choose_images(judged, images, wanted)
    home = runs[0]
    for position, (one, names) in enumerate(zip(judged, chosen, strict=True)):
        _write_run(home, position, one, names)
    shown, missing_figures = overview.draw_figures(runs, figures) if is_labelled else ([], [])
    for figure in shown:
        home.write_bytes(f"{_FOLDER}/figures/{figure['file']}", figure["content"])
    for file in sorted(_STATIC.iterdir()):
        home.write_bytes(f"{_FOLDER}/{file.name}", file.read_bytes())
    if is_labelled:
        about: dict[str, Any] = {
            "numbers": overview.collect_numbers(runs),
            "figures": shown,
            "missing_figures": missing_figures,
            "diagnostics": [(run.name, overview.diagnose(run)) for run in runs],
        }
    else:
        about = {
            "glance": {one.run.name: _look_at(one.table) for one in judged},
            "models": [_describe_model(one.model.provenance) for one in judged],
        }
    spaces = {"trim_blocks": True, "lstrip_blocks": True}
    loader = PackageLoader("metaseg_tf.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **spaces)
    text = environment.get_template("index.html").render(
        version=__version__,
        is_labelled=is_labelled,
        runs=[overview.describe_run(run) for run in runs],
        origins=list(dict.fromkeys(one.origin for one in judged)),
        explorable=any(chosen),
        **about,
    )
    return home.write_text(f"{_FOLDER}/index.html", text)


def _look_at(table: pd.DataFrame) -> dict[str, str]:
    """What there is to say at a glance of judged segments without ground truth."""
    doubtful = table["false_positive_probability"] >= explorer.DOUBTFUL
    pixels = table["S"] / max(table["S"].sum(), 1)
    return {
        "images": f"{table['image'].nunique()}",
        "segments": f"{len(table)}",
        "doubtful segments": f"{doubtful.sum()}",
        "of all pixels are in them": f"{pixels[doubtful].sum():.1%}",
        "of all pixels are expected to be lost": f"{pixels @ (1 - table['iou_adj_predicted']):.1%}",
    }


def _describe_model(known: dict[str, Any]) -> dict[str, str]:
    """Where a meta model comes from, and its scores on held-out images, as plain words."""
    scores = known.get("held_out", {}).items()
    return {
        "meta model": f"fitted on {known.get('segments', '?')} segments of "
        f"{known.get('images', '?')} images of the run {known.get('run') or '?'}",
        **{f"its {name}, held out": f"{score['mean']:.3f}" for name, score in scores},
    }


def _write_run(home: Run, position: int, judged: explorer.JudgedRun, names: Sequence[str]) -> None:
    """Data and pictures of one run into ``report/run<position>/``."""
    folder = f"{_FOLDER}/run{position}"
    rates = explorer.rate_images(judged.table)
    images = [
        _write_image(home, f"{folder}/{i}", (position, i), judged, name)
        | {"rate": float(f"{rates[name]:.4g}")}
        for i, name in enumerate(names)
    ]
    mapped = sorted(judged.run.with_maps())
    every = list(dict.fromkeys([*names, *mapped, *judged.table["image"]]))
    content = {
        "name": judged.run.name,
        "labelled": judged.is_labelled,
        "classes": judged.run.classes.to_json(),
        "columns": explorer.row_columns(judged.table),
        "images": images,
        "names": every,
        "mapped": len({*names, *mapped}),
        "points": explorer.pack_points(judged.table, every),
        "entries": explorer.describe_entries(judged),
        "doubtful": explorer.DOUBTFUL,
        "quality": QUALITY_COLOURS,
        "heat": [f"#{bytes(colour).hex()}" for colour in heat_colours(_HEAT_STEPS)],
    }
    home.write_text(f"{folder}/run.js", explorer.to_script("addRun", content))


def _write_image(
    home: Run, folder: str, key: tuple[int, int], judged: explorer.JudgedRun, name: str
) -> dict[str, Any]:
    """Write pictures and segment map of one image; returns what ``run.js`` holds of it."""
    maps = judged.run.load_maps(name)
    pictures = explorer.draw_pictures(maps, judged.run.classes.palette)
    for file, content in pictures.items():
        home.write_bytes(f"{folder}/{file}", content)
    rows = judged.table[judged.table["image"] == name]
    about = {"explanation": explorer.pack_explanation(judged, rows)}
    script = explorer.to_script("putSegments", *key, explorer.pack_segments(maps.segments) | about)
    home.write_text(f"{folder}/segments.js", script)
    return {
        "name": name,
        # Marks are kept by it: they outlive a page, but not other segments.
        "fingerprint": hashlib.sha256(maps.segments.tobytes()).hexdigest()[:16],
        "pictures": sorted(pictures),
        "truth": [] if maps.gt is None else np.unique(maps.gt).tolist(),
        "rows": explorer.list_segments(rows),
    }
