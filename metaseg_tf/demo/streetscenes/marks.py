"""What is painted on the road: lane lines, an edge line, a crossing and an arrow."""

import numpy as np

from metaseg_tf.demo.streetscenes.colours import pick

__all__ = ["draw_marks"]

#: Length and spacing of dashes in metres; the last is a line without gaps.
_DASHES = ((3.0, 6.0), (3.0, 6.0), (3.0, 6.0), (6.0, 12.0), (6.0, 12.0), (200.0, 400.0))
_FAR = 110.0


def draw_marks(rng, plan):
    """Yield the outline of each mark as a sequence of (x, z) in metres."""
    yield from _lane_lines(rng, plan)
    if rng.uniform() < 0.3:
        yield from _pieces(plan.right_kerb - 0.35, plan.right_kerb - 0.22, 1.5, _FAR)
    if plan.crossing is not None:
        yield from _crossing(rng, plan)
    if rng.uniform() < 0.3:
        yield from _arrow(rng.uniform(8, 25))


def _lane_lines(rng, plan):
    """Lines between the lanes, none of them on a tram track."""
    dash, period = pick(rng, _DASHES)
    start = rng.uniform(1, min(period, 12.0))
    for x in _numbers(plan.lane / 2, plan.left_kerb + 1, -plan.lane):
        on_track = plan.tram is not None and abs(x - plan.tram) < 1.4
        if x < plan.right_kerb - 1.2 and not on_track and rng.uniform() < 0.85:
            for z in _numbers(start, _FAR, period):
                yield from _pieces(x - 0.07, x + 0.07, z, min(z + dash, _FAR))


def _crossing(rng, plan):
    """A zebra or two dashed lines, with a stop line before it."""
    z = plan.crossing
    yield _box(-plan.lane / 2, plan.right_kerb - 0.2, z - 4.3, z - 3.9)
    zebra = rng.uniform() < 0.5
    for x in _numbers(plan.left_kerb + 0.3, plan.right_kerb - 0.5, 1.0):
        if zebra:
            yield _box(x, x + 0.5, z - 3, z)
        else:
            yield _box(x, x + 0.55, z - 3.1, z - 2.9)
            yield _box(x, x + 0.55, z, z + 0.2)


def _arrow(z):
    """An arrow in the lane of the camera."""
    yield _box(-0.08, 0.08, z, z + 2.5)
    yield ((-0.35, z + 2.5), (0.0, z + 4.0), (0.35, z + 2.5))


def _pieces(left, right, near, far):
    """A line cut where the street's bend asks for it."""
    for z in _numbers(near, far, 8.0):
        yield _box(left, right, z, min(z + 8, far))


def _box(left, right, near, far):
    return ((left, near), (left, far), (right, far), (right, near))


def _numbers(start, stop, step):
    return np.arange(start, stop, step).tolist()
