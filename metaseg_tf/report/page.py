"""``RUN/report/``: a page in a folder that opens from disk, without a server or network."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from metaseg_tf import __version__
from metaseg_tf.analysis.misses import rank_misses
from metaseg_tf.analysis.scores import FEW
from metaseg_tf.errors import InputError
from metaseg_tf.meta import MetaModel
from metaseg_tf.meta.images import rate_images
from metaseg_tf.paper.verify import format_number
from metaseg_tf.pictures import MOST_INFORMATION, QUALITY_COLOURS, heat_colours
from metaseg_tf.report import explorer, overview
from metaseg_tf.runs.run import Run
from metaseg_tf.segments.columns import METRICS

__all__ = ["IMAGES", "STATIC", "write_report"]

#: Images of each run that can be explored, by default.
IMAGES = 12

_FOLDER = "report"
#: Images listed as the worst of a run.
_WORST = 20
#: Colours of the legend of the heat maps, between which the page interpolates.
_HEAT_STEPS = 9
#: What the browser loads.
STATIC = Path(__file__).parent / "static"


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
            "report: expected runs with ground truth or runs without, got both; make a page of each"
        )
    chosen = explorer.choose_images(judged, images, wanted)
    home = runs[0]
    for position, (one, names) in enumerate(zip(judged, chosen, strict=True)):
        _write_run(home, position, one, names)
    for file in sorted(STATIC.iterdir()):
        home.write_bytes(f"{_FOLDER}/{file.name}", file.read_bytes())
    shown, missing_figures = overview.draw_figures(runs, figures) if is_labelled else ([], [])
    for figure in shown:
        home.write_bytes(f"{_FOLDER}/figures/{figure['file']}", figure["content"])
    spaces = {"trim_blocks": True, "lstrip_blocks": True}
    loader = PackageLoader("metaseg_tf.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **spaces)
    text = environment.get_template("index.html").render(
        version=__version__,
        is_labelled=is_labelled,
        judged=judged,
        runs=[overview.describe_run(run) for run in runs],
        origins=list(dict.fromkeys(one.origin for one in judged)),
        say_held_out=overview.say_held_out,
        glances=[overview.score_verdicts(one) for one in judged if is_labelled],
        few=FEW,
        format_number=format_number,
        numbers=overview.collect_numbers(runs) if is_labelled else None,
        misses=[
            (one.run.name, names, one.truth is not None and rank_misses(one.truth, one.run.classes))
            for one, names in zip(judged, chosen, strict=True)
        ],
        figures=shown,
        missing_figures=missing_figures,
        diagnostics=[(run.name, overview.diagnose(run)) for run in runs if is_labelled],
        rated=[] if is_labelled else [rate_images(one.table) for one in judged],
        worst=_WORST,
        shown_images=[set(names) for names in chosen],
        explorable=any(chosen),
    )
    return home.write_text(f"{_FOLDER}/index.html", text)


def _write_run(home: Run, position: int, judged: explorer.JudgedRun, names: Sequence[str]) -> None:
    """Data and pictures of one run into ``report/run<position>/``."""
    folder = f"{_FOLDER}/run{position}"

    def write(i):
        return _write_image(home, f"{folder}/{i}", (position, i), judged, names[i])

    # Most of the time is compression, which leaves Python to other threads.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        images = list(pool.map(write, range(len(names))))
    mapped, model = sorted(judged.run.with_maps()), judged.model
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
        # What explanations are made of; see explorer.pack_explanation.
        "means": {
            kind: dict(zip(model.columns, fit.mean.tolist(), strict=True))
            for kind in ("interior", "no_interior")
            if (fit := getattr(model, kind, None))
        },
        "metrics": {column.name: (column.symbol, column.meaning) for column in METRICS},
        "doubtful": judged.doubtful,
        "level": model.intervals.level if model and model.intervals else 0.95,
        "quality": QUALITY_COLOURS,
        "information": MOST_INFORMATION,
        "heat": [f"#{bytes(colour).hex()}" for colour in heat_colours(_HEAT_STEPS)],
    }
    home.write_text(f"{folder}/run.js", explorer.to_script("addRun", content))


def _write_image(
    home: Run, folder: str, key: tuple[int, int], judged: explorer.JudgedRun, name: str
) -> dict[str, Any]:
    """Write pictures and segment map of one image; returns what ``run.js`` holds of it."""
    maps = judged.run.load_maps(name)
    siou = None
    if judged.truth is not None:
        siou = judged.truth["siou"][judged.truth["image"] == name].to_numpy()
    connectivity = judged.run.manifest.settings.get("connectivity", 8)
    palette = judged.run.classes.palette
    pictures = explorer.draw_pictures(maps, palette, siou, connectivity)
    for file, content in pictures.items():
        home.write_bytes(f"{folder}/{file}", content)
    rows = judged.table[judged.table["image"] == name]
    about = {"explanation": explorer.pack_explanation(judged.model, rows)}
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
