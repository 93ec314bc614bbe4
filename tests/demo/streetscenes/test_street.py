"""Plans of streets: whatever the seed, the camera is on the road and the ground is covered."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from metaseg_tf.demo.streetscenes.canvas import GROUNDS
from metaseg_tf.demo.streetscenes.street import Plan, draw_marks

PLANS = st.integers(0, 10_000).map(lambda seed: Plan(np.random.default_rng(seed)))


@settings(max_examples=60)
@given(PLANS)
def test_the_camera_drives_on_the_road(plan):
    assert plan.left_kerb < -plan.lane / 2 < plan.lane / 2 < plan.right_kerb


@settings(max_examples=60)
@given(PLANS)
def test_strips_cover_the_ground_without_gaps(plan):
    edges = sorted((left, right) for left, right, _kind in plan.strips)
    reach = edges[0][0]
    for left, right in edges:
        assert left <= reach + 1e-9
        reach = max(reach, right)
    assert edges[0][0] < -50 < 50 < reach


@settings(max_examples=60)
@given(PLANS)
def test_strips_are_of_known_kinds_and_facades_stand_behind_the_pavement(plan):
    assert {kind for _left, _right, kind in plan.strips} <= set(GROUNDS)
    for side in plan.sides:
        assert side.kerb < side.pavement < side.facade


@settings(max_examples=60)
@given(PLANS)
def test_marks_lie_on_the_carriageway(plan):
    for mark in draw_marks(np.random.default_rng(0), plan):
        for x, z in mark:
            assert plan.left_kerb - 0.5 <= x <= plan.right_kerb + 0.5
            assert z > 0
