"""Turn the JSON of ``make bench`` into docs/benchmarks.md and its picture.

python docs/make_benchmarks.py .benchmarks/*.json
"""

import json
import platform
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
AXES = ("pixels", "classes", "segments", "images")


def read_points(benchmarks):
    """Axis -> sorted (value, least seconds)."""
    points = defaultdict(list)
    for entry in benchmarks:
        info = entry["extra_info"]
        if "axis" in info:
            points[info["axis"]].append((info["value"], entry["stats"]["min"]))
    return {axis: sorted(points[axis]) for axis in AXES if axis in points}


def draw(points, path):
    """Seconds against each axis, next to a line of slope one through the last point."""
    figure, panels = plt.subplots(1, len(points), figsize=(3.2 * len(points), 3), squeeze=False)
    for panel, (axis, values) in zip(panels[0], points.items(), strict=True):
        x, y = zip(*values, strict=True)
        panel.loglog(x, y, "o-", color="#0072B2")
        panel.loglog(x, [y[-1] * v / x[-1] for v in x], ":", color="#555555", label="linear")
        panel.set(xlabel=axis, ylabel="seconds")
        panel.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def to_markdown(content, points):
    """The page: ratios and stages as the benchmarks noted them, then a table per axis."""
    machine = content["machine_info"]
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` and `docs/make_benchmarks.py`; ratios compare figures of one run "
        "on one machine.",
        "",
        f"Python {machine['python_version']}, {platform.machine()}, "
        f"{machine['cpu'].get('count', '?')} cores, {content['datetime'][:10]}.",
        "",
        "| what | figure |",
        "| --- | ---: |",
    ]
    for entry in content["benchmarks"]:
        noted = {k: v for k, v in entry["extra_info"].items() if k not in ("axis", "value")}
        lines += [f"| {name} | {value:.4g} |" for name, value in noted.items()]
    lines += ["", "![Seconds against size of the problem](pictures/scaling.png)", ""]
    for axis, values in points.items():
        lines += [f"| {axis} | seconds |", "| ---: | ---: |"]
        lines += [f"| {value} | {seconds:.4f} |" for value, seconds in values] + [""]
    return "\n".join(lines)


def main(paths):
    contents = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    content = contents[0] | {"benchmarks": [b for c in contents for b in c["benchmarks"]]}
    points = read_points(content["benchmarks"])
    (HERE / "pictures").mkdir(exist_ok=True)
    draw(points, HERE / "pictures" / "scaling.png")
    (HERE / "benchmarks.md").write_text(to_markdown(content, points), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
