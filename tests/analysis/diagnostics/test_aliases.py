"""Aliased columns: found, named as the identities that they are, and dropped."""

import numpy as np
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

from metaseg_tf.analysis.design import build_design
from metaseg_tf.analysis.diagnostics.aliases import find_aliases, variance_inflation
from metaseg_tf.segments.columns import METRIC_COLUMNS, class_columns


@pytest.fixture(scope="module")
def aliases(design):
    return find_aliases(design)


def evaluate_equation(equation, table):
    name, formula = equation.split(" = ")
    return table[name], table.eval(formula)


def test_five_identities(aliases):
    assert aliases.rank == 30
    assert len(aliases.kept) == 29
    assert len(aliases.equations) == 5
    groups = sorted(name[:1] for name in aliases.equations)
    assert groups == ["D", "E", "S", "S", "c"]


def test_equations_hold_in_the_units_of_the_table(table, design, aliases):
    for equation in aliases.equations.values():
        left, right = evaluate_equation(equation, table.iloc[design.rows])
        np.testing.assert_allclose(left, right, atol=1e-8)


def test_equations_name_nothing_superfluous(aliases):
    words = {name: set(eq.split()) for name, eq in aliases.equations.items()}
    (size,) = (name for name in words if name in {"S", "S_in", "S_bd"})
    assert words[size] & set(METRIC_COLUMNS) == {"S", "S_in", "S_bd"}
    (share,) = (name for name in words if name.startswith("cprob"))
    assert aliases.equations[share].startswith(f"{share} = 1 - cprob")
    assert str(aliases).count("dropped:") == 5


def test_float32_noise_is_no_information(table):
    noisy = table.astype(dict.fromkeys((*METRIC_COLUMNS[:10], *class_columns(19)), "float32"))
    aliases = find_aliases(build_design(noisy))
    assert aliases.rank == 30
    assert aliases.condition < 1e3


def test_constant_columns_are_named_with_their_value(table):
    aliases = find_aliases(build_design(table.assign(cprob4=0.25)))
    assert aliases.equations["cprob4"] == "cprob4 = 0.25"


def test_condition_number_is_of_the_kept_columns(design, aliases):
    X = design.X[:, [design.columns.index(name) for name in aliases.kept]]
    assert aliases.condition == pytest.approx(np.linalg.cond(X), rel=1e-6)


def test_variance_inflation_is_statsmodels(design, aliases):
    X = design.X[:, [design.columns.index(name) for name in aliases.kept]]
    frame = variance_inflation(X, aliases.kept).set_index("column")["vif"]
    assert frame.is_monotonic_decreasing
    for name in ("E_in", "cprob0", "S_bd"):
        expected = variance_inflation_factor(X, aliases.kept.index(name))
        if name in frame:
            assert frame[name] == pytest.approx(expected, rel=1e-6)
