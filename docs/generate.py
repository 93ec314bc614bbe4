"""Writes what follows from the code: segment table, command line, API, expected times, the rooms.

python docs/generate.py
"""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path

import typer

import metaseg_tf
from metaseg_tf.cli import app
from metaseg_tf.segments.columns import (
    DEFAULT_METRICS,
    FURTHER_GROUPS,
    PAPER_GROUPS,
    TRUTH,
    columns,
)

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; change its source, then run it. -->\n"
CITYSCAPES_CLASSES = 19
HEADER = ("name", "default", "meaning")


def segment_table():
    """One row per column of the segment table."""
    rows, truth = (
        [[f"`{c.name}`", c.dtype, c.unit, _range(c), c.group, c.source, c.meaning] for c in part]
        for part in (columns(CITYSCAPES_CLASSES, metrics="all"), TRUTH)
    )
    return _page(
        "The segment table",
        "One row per predicted segment k, one Parquet file per image. `metaseg_tf.load_run` puts "
        "the image's name in front, as the column `image`. `iou` and `iou_adj` exist only with "
        "ground truth. The names are those of the authors' code. This page is generated from "
        "`metaseg_tf/segments/columns.json`, which the code itself reads.",
        f"Columns of the groups {_and(PAPER_GROUPS)} are the paper's and always there. "
        f"`extract --metrics` chooses among {_and(FURTHER_GROUPS)}; its default is "
        f"`{DEFAULT_METRICS}`, with [disagreement](beyond.md) for networks of several passes. "
        "[Which these are, and why](decisions/0058-further-metrics.md).",
        _table(["column", "dtype", "unit", "range", "group", "source", "meaning"], rows),
        "All analysis uses the rows with interior, `S_in > 0`.",
        "## The ground truth's components",
        "With ground truth, one row per connected component of a true class; "
        "`metaseg_tf.load_truth` puts the image's name in front. [What it is for](misses.md).",
        _table(
            ["column", "dtype", "unit", "range", "meaning"], [[*row[:4], row[-1]] for row in truth]
        ),
    )


def _and(words):
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _range(column):
    low, high = column.range
    return f"{low:g} ..." if high == float("inf") else f"{low:g} ... {high:g}"


def command_line():
    """Every verb with its arguments and options, from the command line itself."""
    verbs = dict(walk_verbs())
    index = [
        [f"[`{name}`](#{name.replace(' ', '-')})", _first_line(v.help)] for name, v in verbs.items()
    ]
    return _page(
        "The command line",
        "`metaseg-tf --help` lists the verbs, and `metaseg-tf extract --help` the options of one. "
        "If something is refused, one line on stderr says why, with the nearest name if one was "
        "misspelt, and the exit code is 2. Exit code 1 means that the work was done but something "
        "is not as it should be (`verify`, `reproduce`, `doctor`); 130 means that it was "
        "interrupted: repeat the command to continue.",
        _table(["verb", "what it does"], index),
        "`metaseg-tf --install-completion` sets up completion of verbs and options in bash, zsh, "
        "fish and PowerShell; `metaseg-tf --show-completion` prints the script.",
        *(_describe(name, verb) for name, verb in verbs.items()),
    )


#: Room -> what its public names are for, in the order of the page on the API.
ROOMS = {
    "segments": "One image",
    "data": "Softmax dumps and classes",
    "networks": "Networks",
    "runs": "Runs",
    "analysis": "Analysis",
    "meta": "Judging without ground truth",
    "paper": "The paper",
}


def api():
    """The names in ``metaseg_tf`` itself, by the room that each comes from."""
    found = {name: getattr(metaseg_tf, name) for name in metaseg_tf.__all__ if name[0] != "_"}
    rooms = {room: [] for room in ROOMS}
    for name, value in sorted(found.items(), key=lambda item: item[0].lower()):
        rooms[value.__module__.split(".")[1]].append(name)
    index = [
        [f"`{name}`", _first_line(found[name].__doc__)]
        for names in rooms.values()
        for name in names
    ]
    return _page(
        "The API",
        "The public names, all in `metaseg_tf` itself. They are loaded on first use, so importing "
        "the package costs nothing; TensorFlow is imported only where images are measured. "
        "[What is behind them](internals.md) is documented, too, but may change.",
        _table(["name", "what it is"], index),
        *(
            "\n\n".join([f"## {ROOMS[room]}", *(f"::: metaseg_tf.{name}" for name in names)])
            for room, names in rooms.items()
        ),
    )


def walk_verbs() -> Iterator[tuple[str, object]]:
    """(name, command) of every verb, ``checkpoints list`` and its like in full, by name."""
    yield from _walk(typer.main.get_command(app), "")


def _walk(group, prefix):
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _walk(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _first_line(text):
    return " ".join(text.strip().split("\n\n")[0].split())


def _describe(name, command):
    rows = [[_spell(p), _default(p), p.help or ""] for p in command.params]
    text = "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n"))
    return f"## {name}\n\n{text}\n\n{_table(HEADER, rows)}".rstrip()


def _spell(parameter):
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter):
    value = getattr(parameter.default, "value", parameter.default)
    if parameter.required:
        return "required"
    return "" if value is None or value is False else f"`{value}`"


def expected_times():
    """Times of the reproduction: measured per image, and what follows for a whole split."""
    known = json.loads((DOCS / "expected_times.json").read_text())
    images, seconds = known["images"], known["seconds_an_image"]
    measuring, speed = seconds["measuring"], known["gpu_multiply_adds_a_second"]
    rows = []
    for name, work in known["multiply_adds"].items():
        gpu = max(work / speed, measuring)
        cpu = seconds[name] + measuring
        rows.append([f"`{name}`", _time(cpu), _time(cpu * images), _time(gpu * images)])
    return _page(
        "Expected times",
        f"Measured on {known['machine']}, for images of 1024x2048. Of each time, {measuring:g} s "
        "is for measuring the segments, whatever the network.",
        _table(
            [
                "network at the paper's settings",
                "one image, CPU (measured)",
                f"{images} images, CPU (from that)",
                f"{images} images, GPU (estimate)",
            ],
            rows,
        ),
        "The GPU times are estimated, not measured: the multiplications of the network's "
        f"convolutions divided by {speed / 1e12:g} trillion per second. While one image is "
        "measured, the next is in the network, so each takes the longer of the two times.",
    )


def _time(seconds):
    units = (("h", 3600), ("min", 60), ("s", 1))
    unit, size = next((u for u in units if seconds >= 2 * u[1]), units[-1])
    number = seconds / size
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"


def decisions():
    """The list of decision records, by their own titles."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    rows = [[f"[{path.stem[:4]}]({path.name})", _title(path)] for path in records]
    return _page(
        "Decisions",
        "Half a page each: one for every point where the paper and the authors' code disagree, and "
        "one for each dependency or algorithm that a reader may question.",
        _table(["number", "about"], rows),
    )


def _title(path):
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# 0123456789.:")


def _table(header, rows):
    if not rows:
        return ""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text):
    return " ".join(text.replace("|", "\\|").split())


def _page(title, *blocks):
    return "\n\n".join([f"# {title}", NOTE.strip(), *filter(None, blocks)]) + "\n"


#: File below docs/ -> what writes it.
PAGES = {
    "segment-table.md": segment_table,
    "command-line.md": command_line,
    "api.md": api,
    "expected-times.md": expected_times,
    "decisions/README.md": decisions,
    "pictures/rooms.svg": runpy.run_path(str(DOCS / "pictures" / "rooms.py"))["draw"],
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
