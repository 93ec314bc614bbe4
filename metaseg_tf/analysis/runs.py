"""Runs of a protocol side by side, and their scores as a tidy table."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

__all__ = ["PARTS", "map_runs", "tabulate"]

#: The half that a model is fitted to, and the other.
PARTS = ("train", "validation")

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_runs(
    function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int | None = None
) -> list[Result]:
    """``[function(item) for item in items]``, ``jobs`` at a time (as many as there are cores).

    numpy lets go of the interpreter while it computes, so threads do, and share the features.
    """
    # Several BLAS threads in each of several runs would fight over the same cores.
    with threadpool_limits(1), ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        return list(pool.map(function, items))


def tabulate(values: np.ndarray, **levels: Sequence) -> pd.DataFrame:
    """One row an element of ``values``, with its label on each axis and a column ``value``.

    >>> tabulate(np.array([[1.0, 2.0]]), split=(0,), part=("train", "validation"))
       split        part  value
    0      0       train    1.0
    1      0  validation    2.0
    """
    index = pd.MultiIndex.from_product(list(levels.values()), names=list(levels))
    return pd.Series(np.ravel(values), index, name="value").reset_index()
