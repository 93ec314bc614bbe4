"""Write the golden numbers of the demo, with which `metaseg-tf demo` compares its own.

    python deeplab_checkpoints/make_golden.py [FOLDER]

Draws the demo's scenes, measures both networks over them, and stores every number that the paper
prints of its own two. Run it again when a network, the scenes or a definition changes on purpose;
the diff of demo_golden.json then shows the effect.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from metaseg_tf.demo.plan import DEMO_NETWORKS, draw_scenes
from metaseg_tf.paper.measured import collect
from metaseg_tf.paper.published import MIOU, PUBLISHED, PublishedNumber
from metaseg_tf.paper.reproduction import Plan, measure
from metaseg_tf.paper.verify import compare
from metaseg_tf.runs.run import Run

GOLDEN = Path(__file__).with_name("demo_golden.json")


def golden_numbers(runs: Mapping[str, Run]) -> list[PublishedNumber]:
    """The runs' own value of each number that the paper prints, by role.

    They have as many decimals as in print, except the mIoU; deviations are our own, over splits.
    """
    measured = {role: collect(run) for role, run in runs.items()}
    numbers = []
    for published, value in ((c.published, c.value) for c in compare(PUBLISHED, measured)):
        if value is not None:
            # Fewer for the mIoU, which another version of TensorFlow moves.
            decimals = 3 if published.quantity == MIOU else published.decimals
            mean = round(float(value.mean), decimals)
            std = None if value.std is None else round(value.std, decimals)
            numbers.append(replace(published, value=mean, decimals=decimals, deviation=std))
    return numbers


def golden_text(runs: Mapping[str, Run]) -> str:
    """Content of a golden file: JSON, one number per line."""
    lines = (json.dumps(number.to_json()) for number in golden_numbers(runs))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def make_golden(out: Path) -> None:
    plan = Plan(DEMO_NETWORKS, out / "scenes", out)
    scenes = len(list(draw_scenes(plan.cityscapes)))
    for network in plan.networks:
        for count, result in enumerate(measure(plan, network), start=1):
            print(f"\r{network.name}: {count} of {scenes} {result.name}", end="", file=sys.stderr)
    GOLDEN.write_text(golden_text(plan.open_runs()), encoding="utf-8")


if __name__ == "__main__":
    make_golden(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/golden"))
