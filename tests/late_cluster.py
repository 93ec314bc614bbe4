"""Clusters without processes of their own, which work when they are waited for."""

import pickle
from functools import partial

__all__ = ["LateCluster", "PickledCluster"]


class LateCluster:
    """Does each task only when it is collected; notes how many were under way then."""

    backlog, ordered = 3, False

    def __init__(self):
        self.tasks, self.under_way = [], []

    def __len__(self):
        return len(self.tasks)

    def submit(self, label, function, *args):
        self.tasks.append((label, partial(function, *args)))

    def collect(self):
        self.under_way.append(len(self))
        return self.tasks.pop(0)

    def cancel(self):
        self.tasks.clear()


class PickledCluster(LateCluster):
    """Hands tasks and results over as bytes, as to other processes, and does the last one first."""

    def submit(self, label, function, *args):
        super().submit(label, *pickle.loads(pickle.dumps((function, *args))))

    def collect(self):
        label, task = self.tasks.pop()
        return label, lambda: pickle.loads(pickle.dumps(task()))
