"""``metaseg-tf export``: judged segments for other tools."""

from pathlib import Path

from metaseg_tf.cli.console import print_paths
from metaseg_tf.cli.options import JudgedFolder, option
from metaseg_tf.errors import DataFormatError, restate

__all__ = ["export"]


def export(
    judged: JudgedFolder,
    to: option(str, metavar="coco|label-studio|cvat", help="The format, or the tool."),
    images: option(
        list[Path] | None,
        help="Image or folder of images, as for predict: the tool gets their paths within it. "
        "Default: the image's name and .png.",
    ) = None,
    prefix: option(
        str,
        help="What each path or address begins with, such as '/data/local-files/?d=' for Label "
        "Studio.",
    ) = "",
    selection: option(
        Path | None, help="A selection.csv of select: export that alone, in its order."
    ) = None,
) -> None:
    """Write judged segments, with their scores, for a labelling tool: the worst first.

    The files are written to JUDGED/export/.
    """
    import pandas as pd

    from metaseg_tf.data.photographs import find_photographs
    from metaseg_tf.meta.export import export
    from metaseg_tf.runs.run import Run, inert_cell
    from metaseg_tf.untrusted.arrays import READ_ERRORS

    run, chosen = Run(judged), None
    files = {name: f"{prefix}{name}.png" for name in run.done()}
    for photograph in find_photographs(images or ()):
        within = photograph.path.relative_to(photograph.folder or photograph.path.parent)
        files[photograph.name] = prefix + within.as_posix()
    if selection is not None:
        said = f"{selection}: expected a selection.csv of metaseg-tf select, got something else"
        with restate(READ_ERRORS, DataFormatError, said, "select again"):
            kinds = {"image": str, "segment": int}
            wanted = {"usecols": lambda name: name in kinds, "keep_default_na": False}
            chosen = pd.read_csv(selection, dtype=kinds, **wanted)
            # Names that a spreadsheet would take for formulas were given a sign in front.
            names = {inert_cell(name): name for name in run.done()}
            chosen["image"] = chosen["image"].map(lambda name: names.get(name, name))
    written = export(run, to, files=files, selection=chosen)
    print_paths([run.write_bytes(f"export/{name}", content) for name, content in written.items()])
