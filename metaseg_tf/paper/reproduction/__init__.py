"""From a data set and networks to every table and figure, in steps that can be taken up again."""

from metaseg_tf.paper.reproduction.plan import PAPER_NETWORKS, NetworkPlan, Plan, choose_networks
from metaseg_tf.paper.reproduction.steps import StepResult, make_results

__all__ = [
    "PAPER_NETWORKS",
    "NetworkPlan",
    "Plan",
    "StepResult",
    "choose_networks",
    "make_results",
]
