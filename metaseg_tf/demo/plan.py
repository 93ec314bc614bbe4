"""The embedded default: drawn street scenes and two small networks in the places of the paper's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from metaseg_tf.data.cityscapes import find_pairs
from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.demo.golden import load_golden
from metaseg_tf.demo.streetscenes import VALIDATION, write_dataset
from metaseg_tf.networks.checkpoints import bundled_path
from metaseg_tf.networks.network import load_network
from metaseg_tf.paper.reproduction import NetworkPlan, Plan
from metaseg_tf.runs.storage import LocalFolder

__all__ = [
    "DEMO_IMAGES",
    "DEMO_NETWORKS",
    "DEMO_SEED",
    "demo_plan",
    "draw_scenes",
    "keep_softmax",
]

#: Scenes of the demo, drawn under harder conditions than those the networks were trained on.
DEMO_IMAGES = 60
DEMO_SEED = 0

DEMO_NETWORKS = (
    NetworkPlan("XC", "demo_xception", "demo_xception"),
    NetworkPlan("MN", "demo_mobilenetv2", "demo_mobilenetv2"),
)


def demo_plan(out: Path, *, images: int = DEMO_IMAGES) -> Plan:
    """The demo as a reproduction whose results are compared with its own golden numbers."""
    return Plan(
        DEMO_NETWORKS,
        out / "scenes",
        out,
        printed=load_golden(bundled_path("demo_golden.json")),
        limit=None if images == DEMO_IMAGES else images,
    )


def draw_scenes(
    root: Path, *, images: int = DEMO_IMAGES, seed: int = DEMO_SEED, city: str = "synthville"
) -> Iterator[Path]:
    """Draw the demo's scenes as a Cityscapes tree, split "val"; those that are there are kept."""
    return write_dataset(
        root, split="val", n_images=images, seed=seed, conditions=VALIDATION, city=city
    )


def keep_softmax(plan: Plan) -> Path:
    """Store the first network's softmax of the first image, which the walkthrough starts from."""
    pair = find_pairs(plan.cityscapes, split=plan.split, limit=1)[0]
    target = plan.out / "softmax" / f"{pair.name}.npz"
    if not target.exists():
        sample = pair.read()
        probs = load_network(plan.networks[0].source).probabilities(sample.image)
        with tempfile.TemporaryDirectory() as scratch:
            whole = Path(scratch, target.name)
            save_dump(whole, SoftmaxDump(probs, sample.gt, pair.name))
            LocalFolder(plan.out).write(f"softmax/{target.name}", whole.read_bytes())
    return target
