"""Run folders made of drawn segment tables, for tests of what is built on finished runs."""

from tables import make_table

from metaseg_tf.runs.run import Run

__all__ = ["make_run"]

SETTINGS = {"source": "cityscapes", "convention": "reference", "connectivity": 8, "split": "val"}


def make_run(path, table=None, *, miou=0.7, settings=None, n_classes=19, **results):
    """A finished run at ``path`` that holds ``table``, or a drawn one of 600 segments."""
    table = make_table(600, n_images=6) if table is None else table
    run = Run.create(path, SETTINGS | (settings or {}))
    for image, rows in table.groupby("image", sort=False):
        run.write_segments(image, rows.drop(columns="image"))
    run.manifest.n_classes = n_classes
    run.manifest.results = {"images": table["image"].nunique(), "miou": miou, **results}
    run.write_manifest()
    return run
