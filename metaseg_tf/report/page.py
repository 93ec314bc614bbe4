"""``RUN/report/``: a page in a folder that opens from disk, without a server or network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from metaseg_tf import __version__
from metaseg_tf.meta import MetaModel
from metaseg_tf.pictures import QUALITY_COLOURS, heat_colours
from metaseg_tf.report import overview
from metaseg_tf.report.explorer import (
    ROW_COLUMNS,
    JudgedRun,
    choose_images,
    draw_pictures,
    judge_run,
    list_segments,
    pack_points,
    pack_segments,
    to_script,
)
from metaseg_tf.runs.run import Run

__all__ = ["IMAGES", "write_report"]

#: Images of each run that can be explored, by default.
IMAGES = 12

_FOLDER = "report"
#: Colours of the legend of the heat maps, between which the page interpolates.
_HEAT_STEPS = 9
_STATIC = Path(__file__).parent / "static"


def write_report(
    runs: Sequence[Run], model: MetaModel | None = None, *, images: int = IMAGES
) -> Path:
    """Write the page of one or two runs into ``report/`` of the first.

    Parameters
    ----------
    runs : sequence of Run
        With ground truth; without maps the page has no explorer and says so.
    model : MetaModel, optional
        The model whose verdicts are shown; by default split 0 of the published protocol.
    images : int
        Largest number of images per run that can be explored.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    InputError
        If a run has no ground truth.
    SettingsMismatchError
        If the model does not fit a run.
    """
    judged = [judge_run(run, model) for run in runs]
    chosen = choose_images(judged, images)
    home = runs[0]
    for position, (one, names) in enumerate(zip(judged, chosen, strict=True)):
        _write_run(home, position, one, names)
    figures, missing_figures = overview.draw_figures(runs)
    for figure in figures:
        home.write_bytes(f"{_FOLDER}/figures/{figure['file']}", figure["content"])
    for file in sorted(_STATIC.iterdir()):
        home.write_bytes(f"{_FOLDER}/{file.name}", file.read_bytes())
    environment = Environment(
        loader=PackageLoader("metaseg_tf.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("index.html").render(
        version=__version__,
        runs=[overview.describe_run(run) for run in runs],
        origins=list(dict.fromkeys(one.origin for one in judged)),
        numbers=overview.collect_numbers(runs),
        figures=figures,
        missing_figures=missing_figures,
        diagnostics=[(run.name, overview.diagnose(run)) for run in runs],
        explorable=any(chosen),
    )
    return home.write_text(f"{_FOLDER}/index.html", text)


def _write_run(home: Run, position: int, judged: JudgedRun, names: Sequence[str]) -> None:
    """Data and pictures of one run into ``report/run<position>/``."""
    folder = f"{_FOLDER}/run{position}"
    images = [
        _write_image(home, f"{folder}/{i}", (position, i), judged, name)
        for i, name in enumerate(names)
    ]
    every = list(dict.fromkeys([*names, *judged.table["image"]]))
    content = {
        "name": judged.run.name,
        "classes": judged.run.classes.to_json(),
        "columns": ROW_COLUMNS,
        "images": images,
        "names": every,
        "points": pack_points(judged.table, every),
        "quality": dict(QUALITY_COLOURS),
        "heat": [f"#{bytes(colour).hex()}" for colour in heat_colours(_HEAT_STEPS)],
    }
    home.write_text(f"{folder}/run.js", to_script("addRun", content))


def _write_image(
    home: Run, folder: str, key: tuple[int, int], judged: JudgedRun, name: str
) -> dict[str, Any]:
    """Write pictures and segment map of one image; returns what ``run.js`` holds of it."""
    maps = judged.run.load_maps(name)
    pictures = draw_pictures(maps, judged.run.classes.palette)
    for file, content in pictures.items():
        home.write_bytes(f"{folder}/{file}", content)
    home.write_text(
        f"{folder}/segments.js", to_script("putSegments", *key, pack_segments(maps.segments))
    )
    rows = judged.table[judged.table["image"] == name]
    return {"name": name, "pictures": sorted(pictures), "rows": list_segments(rows)}
