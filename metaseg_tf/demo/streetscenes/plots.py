"""What stands behind the pavement and at the street's end: houses, gardens, parks, a bridge."""

from metaseg_tf.demo.streetscenes import barriers, houses, vegetation
from metaseg_tf.demo.streetscenes.items import Shadow, item, positions

__all__ = ["bridge", "plots", "tree_item", "view_end"]


def plots(setting, rng, side, streets):
    """Houses, gardens and parks of one side, interrupted by its side streets."""
    start, end = 2.0, setting.plan.end
    for street in [*streets, None]:
        stop = end - 2 if street is None else min(street.near, end) - 2
        if side.character == "park" or rng.uniform() < 0.08:
            yield from _park(setting, rng, side, start, stop)
        else:
            yield from houses.house_row(rng, side, start, stop, setting.conditions.oddity)
        if side.character in ("suburb", "park", "works") or rng.uniform() < 0.1:
            yield from _enclosure(setting, rng, side, start, stop)
        start = stop if street is None else street.far + 2


def view_end(setting, rng):
    """Trees and houses that close the view."""
    z = setting.plan.end + 13
    built = rng.uniform() < 0.8
    if built:
        yield item(z + 1, houses.paint_view_end, -90, 90, z)
    for x in range(-80, 81, 8):
        if not built:
            yield _bush(setting, rng, x, z + 2, 14, rng.uniform(3, 6))
        if rng.uniform() < 0.5:
            yield tree_item(setting, rng, x + rng.uniform(-4, 4), z - rng.uniform(1, 3), (7, 14))


def bridge(setting, rng):
    """Once in a while a railway bridge over the street, most often with a train on it."""
    if rng.uniform() < 0.06:
        z = rng.uniform(0.5, 1.0) * setting.plan.end
        span = (setting.plan.left_kerb - 2, setting.plan.right_kerb + 2)
        yield item(z, houses.paint_bridge, span, z, train=bool(rng.uniform() < 0.7))


def tree_item(setting, rng, x, z, heights):
    """A tree with its shadow, its height drawn from the range ``heights``."""
    height = rng.uniform(*heights)
    colour = vegetation.draw_foliage_colour(rng, setting.season)
    shadow = Shadow(x, z, height * 0.24, height * 0.24, height * 0.9, height * 0.4)
    return item(z, vegetation.paint_tree, x, z, height, colour, shadow=shadow)


def _park(setting, rng, side, start, stop):
    """Trees and bushes instead of houses."""
    for z in positions(rng, start, stop, (1.5, 4)):
        yield tree_item(setting, rng, side.at(side.facade + rng.uniform(1, 14)), z, (7, 15))
        x = side.at(side.facade + rng.uniform(0, 10))
        yield _bush(setting, rng, x, z + 1, rng.uniform(2, 6), rng.uniform(1, 3.5))


def _enclosure(setting, rng, side, start, stop):
    """Fences, walls and hedges along the pavement's outer edge, with gaps."""
    x = side.at(side.facade - rng.uniform(0.8, 1.6))
    for near in positions(rng, start, stop - 3, (10, 24)):
        far = min(stop, near + rng.uniform(8, 20))
        kind, height = rng.uniform(), rng.uniform(0.9, 2.5)
        if kind < 0.5:
            yield item(far, barriers.paint_wall, (x, near), (x, far), height)
        elif kind < 0.82:
            yield item(far, barriers.paint_fence, (x, near), (x, far), height)
        else:
            yield from _hedge(setting, rng, x, near, far, height)


def _bush(setting, rng, x, z, width, height):
    colour = vegetation.draw_foliage_colour(rng, setting.season)
    return item(z, vegetation.paint_bush, x, z, width, height, colour)


def _hedge(setting, rng, x, near, far, height):
    colour = vegetation.draw_foliage_colour(rng, setting.season)
    for z in positions(rng, near, far, (1.0, 1.2)):
        yield item(z, vegetation.paint_bush, x, z, 1.8, height, colour)
