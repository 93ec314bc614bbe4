"""A cluster that works when it is waited for, for tests of what is submitted when."""

from functools import partial

__all__ = ["LateCluster"]


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
