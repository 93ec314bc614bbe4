"""Clusters without processes of their own, which work when they are waited for."""

import pickle

__all__ = ["LateCluster", "PickledCluster"]


class LateCluster:
    """Does each job only when it is collected; notes how many were under way then."""

    backlog, ordered = 3, False

    def __init__(self):
        self.tasks, self.under_way = [], []

    def __len__(self):
        return len(self.tasks)

    def submit(self, work, job):
        self.tasks.append((work, job))

    def collect(self):
        self.under_way.append(len(self))
        work, job = self.tasks.pop(0)
        return work(job)

    def cancel(self):
        self.tasks.clear()


class PickledCluster(LateCluster):
    """Hands jobs and results over as bytes, as to other processes, and does the last one first."""

    def submit(self, work, job):
        super().submit(*pickle.loads(pickle.dumps((work, job))))

    def collect(self):
        work, job = self.tasks.pop()
        return pickle.loads(pickle.dumps(work(job)))
