"""A printed table: cells of text, the same on the screen and as CSV, Markdown and LaTeX."""

import csv
import io
from dataclasses import dataclass

__all__ = ["NOT_AVAILABLE", "PrintedTable"]

#: The cell of a number that is not available.
NOT_AVAILABLE = "n/a"

_LATEX_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "σ": r"$\sigma$", "±": r"$\pm$", "–": "--"}
)


@dataclass(frozen=True)
class PrintedTable:
    """A table whose cells are already formatted."""

    #: File name without suffix, such as "table1".
    title: str
    caption: str
    header: tuple[str, ...]
    #: Each as long as the header.
    rows: tuple[tuple[str, ...], ...]

    def to_csv(self) -> str:
        # That module imports pandas, which a table that is only printed does not need.
        from metaseg_tf.runs.run import inert_cell

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([map(inert_cell, self.header), *self.rows])
        return text.getvalue()

    def to_markdown(self) -> str:
        rule = ("---", *("---:" for _ in self.header[1:]))
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, rule, *self.rows)]
        return "\n".join([*lines, "", self.caption, ""])

    def to_latex(self) -> str:
        header, *rows = (
            " & ".join(cell.translate(_LATEX_SPECIAL) for cell in row) + r" \\"
            for row in (self.header, *self.rows)
        )
        alignment = "l" + "r" * (len(self.header) - 1)
        begin = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{alignment}}}"]
        caption = rf"\caption{{{self.caption.translate(_LATEX_SPECIAL)}}}"
        end = [r"\end{tabular}", caption, r"\end{table}", ""]
        rule = r"\hline"
        return "\n".join([*begin, rule, header, rule, *rows, rule, *end])

    def to_records(self) -> list[dict[str, str]]:
        """One dictionary per row, for JSON; repeated headings are numbered from the second on."""
        times = [self.header[: i + 1].count(name) for i, name in enumerate(self.header)]
        pairs = zip(self.header, times, strict=True)
        names = [name if n == 1 else f"{name} {n}" for name, n in pairs]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def _repr_markdown_(self) -> str:
        """The table as a notebook shows it."""
        return self.to_markdown()

    def formats(self) -> dict[str, str]:
        """Suffix -> text, for all formats that are stored."""
        return {"csv": self.to_csv(), "md": self.to_markdown(), "tex": self.to_latex()}
