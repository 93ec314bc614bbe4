"""``RUN/report/``: a page in a folder that opens from disk, without a server or network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from metaseg_tf import __version__
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
    figures: Mapping[int, Sequence[Path]] | None = None,
) -> Path:
    """Write the page of one or two runs into ``report/`` of the first.

    At most ``images`` of each run can be explored; without maps the page has no explorer and says
    so. Verdicts are the model's or, without one, those of split 0 of the published protocol.
    ``figures`` are files by the number of their figure, drawn anew by default. Returns the path of
    ``index.html``; errors as `explorer.judge_run`.
    """
    judged = [explorer.judge_run(run, model) for run in runs]
    chosen = explorer.choose_images(judged, images)
    home = runs[0]
    for position, (one, names) in enumerate(zip(judged, chosen, strict=True)):
        _write_run(home, position, one, names)
    shown, missing_figures = overview.draw_figures(runs, figures)
    for figure in shown:
        home.write_bytes(f"{_FOLDER}/figures/{figure['file']}", figure["content"])
    for file in sorted(_STATIC.iterdir()):
        home.write_bytes(f"{_FOLDER}/{file.name}", file.read_bytes())
    spaces = {"trim_blocks": True, "lstrip_blocks": True}
    loader = PackageLoader("metaseg_tf.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **spaces)
    text = environment.get_template("index.html").render(
        version=__version__,
        runs=[overview.describe_run(run) for run in runs],
        origins=list(dict.fromkeys(one.origin for one in judged)),
        numbers=overview.collect_numbers(runs),
        figures=shown,
        missing_figures=missing_figures,
        diagnostics=[(run.name, overview.diagnose(run)) for run in runs],
        explorable=any(chosen),
    )
    return home.write_text(f"{_FOLDER}/index.html", text)


def _write_run(home: Run, position: int, judged: explorer.JudgedRun, names: Sequence[str]) -> None:
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
        "columns": explorer.ROW_COLUMNS,
        "images": images,
        "names": every,
        "points": explorer.pack_points(judged.table, every),
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
    script = explorer.to_script("putSegments", *key, explorer.pack_segments(maps.segments))
    home.write_text(f"{folder}/segments.js", script)
    rows = judged.table[judged.table["image"] == name]
    return {"name": name, "pictures": sorted(pictures), "rows": explorer.list_segments(rows)}
