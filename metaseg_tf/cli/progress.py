"""Progress bars of the command line, in the forms that libraries ask for."""

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["DownloadBar"]


class DownloadBar:
    """A bar on stderr that pooch can drive: ``total``, ``update``, ``reset`` and ``close``.

    Parameters
    ----------
    title : str
        What is being downloaded.
    """

    def __init__(self, title: str):
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=_stderr())
        self._title = title
        self._task = None
        self.total = 0

    def __enter__(self) -> "DownloadBar":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def update(self, count: int) -> None:
        """Move on by ``count`` bytes; the bar appears with the first of them."""
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(self._title, total=self.total or None)
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        """Go back to the start: pooch fills the bar once more to be sure that it ends full."""
        if self._task is not None:
            self._progress.reset(self._task)

    def close(self) -> None:
        """Leave the bar as it is; where nothing was downloaded, there is none."""
        if self._task is not None:
            self._progress.stop()


def _stderr():
    from rich.console import Console

    return Console(stderr=True)
