"""What stands and moves in a street: fills a plan with items."""

from metaseg_tf.demo.streetscenes.items import Setting
from metaseg_tf.demo.streetscenes.kerbside import kerbside, pavement
from metaseg_tf.demo.streetscenes.plots import bridge, plots, view_end
from metaseg_tf.demo.streetscenes.traffic import junction, traffic

__all__ = ["populate"]


def populate(plan, rng, conditions):
    """All items of a scene, unsorted.

    Parameters
    ----------
    plan : Plan
    rng : numpy Generator
    conditions : Conditions

    Returns
    -------
    list of Item
    """
    setting = Setting(plan, conditions, rng.uniform())
    items = [*view_end(setting, rng), *bridge(setting, rng)]
    for side in plan.sides:
        streets = [street for street in plan.side_streets if street.sign == side.sign]
        for fill in (plots, kerbside, pavement):
            items += fill(setting, rng, side, streets)
    return [*items, *traffic(setting, rng), *junction(setting, rng)]
