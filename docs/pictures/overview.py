"""Draws the picture of the README after `make demo`, from scenes that the meta model never saw.

python docs/pictures/overview.py runs/demo/demo_xception_fresh \\
    runs/demo/demo_xception/meta_model.json
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from metaseg_tf.meta import load_model
from metaseg_tf.pictures import interpolate_colours, paint_segments
from metaseg_tf.runs.run import Run, load_run

PICTURE = Path(__file__).parent / "overview.jpg"
WIDTH, GAP, TITLE = 640, 12, 34


def draw(run, model, image):
    """Scene, probability difference, predicted and true IoU_adj of one image, uint8 [H, W, 3]."""
    maps = run.load_maps(image)
    table = load_run(run.path).query("image == @image").sort_values("segment")
    predicted = model.score(table)["iou_adj_predicted"]
    panels = {
        "the scene": maps.image,
        "how torn the network is in each pixel: orange is much": interpolate_colours(
            1 - maps.difference
        ),
        "adjusted IoU, predicted without labels: orange is low": _paint(maps, predicted),
        "the true adjusted IoU": _paint(maps, table["iou_adj"]),
    }
    return _arrange({title: Image.fromarray(panel) for title, panel in panels.items()})


def _paint(maps, values):
    return paint_segments(maps.segments, values.to_numpy(), maps.image)


def _arrange(panels):
    """Two by two, each under its title."""
    width, height = next(iter(panels.values())).size
    height = WIDTH * height // width
    page = Image.new("RGB", (2 * WIDTH + GAP, 2 * (height + TITLE)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=20)
    for number, (title, panel) in enumerate(panels.items()):
        left, top = number % 2 * (WIDTH + GAP), number // 2 * (height + TITLE)
        pen.text((left, top + 5), title, "black", font)
        page.paste(panel.resize((WIDTH, height), Image.Resampling.LANCZOS), (left, top + TITLE))
    return page


def choose(run, model):
    """The middling image by the mean error of its segments' predicted IoU_adj."""
    table = load_run(run.path)
    table["predicted"] = model.score(table)["iou_adj_predicted"]
    kept = table[table["image"].isin(run.with_maps()) & (table["S_in"] > 0)]
    error = (kept["predicted"] - kept["iou_adj"]) ** 2
    ranked = error.groupby(kept["image"]).mean().sort_values()
    return ranked.index[len(ranked) // 2]


def main(run, model):
    run, model = Run(run), load_model(model)
    draw(run, model, choose(run, model)).save(PICTURE, quality=88, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
