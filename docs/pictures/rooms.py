"""Draws which room of the package imports which, read from the code, for docs/generate.py."""

import ast
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "metaseg_tf"
#: In the order of the flow: a room imports from those before it.
ROOMS = {
    "errors": "the exception tree",
    "pictures": "colours, borders, overlays",
    "untrusted": "what is admitted from strangers' files",
    "data": "images, labels, softmax, classes",
    "segments": "dispersion, components, IoU, the segment table",
    "networks": "an image in, class probabilities out",
    "runs": "a data set becomes a run folder",
    "analysis": "the protocol: LASSO path, regression, diagnostics",
    "meta": "the meta model that is kept, and its verdicts",
    "paper": "tables, figures, printed numbers",
    "report": "the page that people look at",
    "demo": "drawn street scenes, two small networks",
    "cli": "verbs: arguments in, text out",
}
CELL, LEFT, TOP = 26, 96, 86


def rooms_imported(path: Path) -> set[str]:
    """Rooms that a file imports from, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = (name.split(".") for name in names)
    return {p[1] for p in parts if p[0] == "metaseg_tf" and len(p) > 1 and p[1] in ROOMS}


def count_imports() -> tuple[Counter, Counter]:
    """Files of each room; and of each pair (room, imported room), how many files import it."""
    files, pairs = Counter(), Counter()
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in ROOMS:
            files[room] += 1
            pairs.update((room, other) for other in rooms_imported(path) - {room})
    return files, pairs


def draw() -> str:
    """The picture as SVG: one row per room, one column per room that it may import."""
    files, pairs = count_imports()
    order = list(ROOMS)
    side = CELL * len(order)
    width, height = LEFT + side + 370, TOP + side + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" fill="#555555">imports from</text>',
    ]
    for i, room in enumerate(order):
        middle = TOP + CELL * i + CELL / 2
        x = LEFT + CELL * i + CELL / 2
        lines += [
            f'<rect x="{LEFT}" y="{TOP + CELL * i}" width="{CELL * i}" height="{CELL}" '
            'fill="#eef3f8"/>',
            f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end" font-weight="bold">'
            f"{room}</text>",
            f'<text transform="translate({x + 4} {TOP - 6}) rotate(-55)">{room}</text>',
            f'<text x="{LEFT + side + 12}" y="{middle + 4}" fill="#555555">'
            f"{files[room]} {'file' if files[room] == 1 else 'files'}: {escape(ROOMS[room])}"
            "</text>",
        ]
        for j, other in enumerate(order):
            if count := pairs[room, other]:
                radius = min(3 + count**0.5, CELL / 2 - 2)
                colour = "#0072b2" if j < i else "#d55e00"
                lines.append(
                    f'<circle id="{room}-{other}" cx="{LEFT + CELL * j + CELL / 2}" '
                    f'cy="{middle}" r="{radius:.1f}" fill="{colour}"><title>{room} imports '
                    f"{other} in {count} files</title></circle>"
                )
    return "\n".join([*lines, "</svg>", ""])
