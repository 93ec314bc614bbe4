import numpy as np
from scenes import slow_difference, slow_entropy

from metaseg_tf.paper.figures import figure1
from metaseg_tf.segments.dispersion import compute_heat_maps


def simplex(steps):
    values = figure1.frame(steps)
    p3 = (1 - values["p1"] - values["p2"]).clip(0, 1)
    return values, np.stack([values["p1"], values["p2"], p3], axis=1)


def test_values_are_those_that_images_are_measured_by():
    values, probs = simplex(30)
    heat = compute_heat_maps(probs[None].astype(np.float32))
    np.testing.assert_allclose(values["E"], heat.entropy[0], atol=2e-6)
    np.testing.assert_allclose(values["D"], heat.difference[0], atol=2e-6)


def test_values_are_those_of_the_equations():
    values, probs = simplex(12)
    assert len(values) == 13 * 14 / 2
    np.testing.assert_allclose(values["E"], [slow_entropy(p, "paper") for p in probs], atol=1e-12)
    np.testing.assert_allclose(values["D"], [slow_difference(p) for p in probs], atol=1e-12)


def test_corners_are_certain_and_the_middle_is_not():
    values = figure1.frame(3).set_index(["p1", "p2"])
    np.testing.assert_allclose(values.loc[[(0, 0), (0, 1), (1, 0)]], 0, atol=1e-12)
    np.testing.assert_allclose(values.loc[(1 / 3, 1 / 3)], 1)


def test_the_heat_map_shows_the_frame(ax):
    values = figure1.frame(20)
    mesh = figure1.plot(values, "D", ax)
    np.testing.assert_array_equal(mesh.get_array(), values["D"])
    assert mesh.get_clim() == (0, 1)
    labels = {text.get_text() for text in ax.texts}
    assert {"0.3", "0.5", "0.7", "0.9"} <= labels
