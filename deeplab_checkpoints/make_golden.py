"""Write the golden numbers of the demo, with which `metaseg-tf demo` compares its own.

    python deeplab_checkpoints/make_golden.py [FOLDER]

Draws the demo's scenes, measures both networks over them, and stores every number that the paper
prints of its own two. Run it again when a network, the scenes or a definition changes on purpose;
the diff of demo_golden.json then shows the effect.
"""

import sys
from pathlib import Path

from metaseg_tf.demo.plan import DEMO_NETWORKS, draw_scenes, golden_text
from metaseg_tf.paper.reproduction import Plan, measure

GOLDEN = Path(__file__).with_name("demo_golden.json")


def make_golden(out: Path) -> None:
    plan = Plan(DEMO_NETWORKS, out / "scenes", out)
    scenes = len(list(draw_scenes(plan.cityscapes)))
    for network in plan.networks:
        for count, result in enumerate(measure(plan, network), start=1):
            print(f"\r{network.name}: {count} of {scenes} {result.name}", end="", file=sys.stderr)
    GOLDEN.write_text(golden_text(plan.open_runs()), encoding="utf-8")


if __name__ == "__main__":
    make_golden(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/golden"))
