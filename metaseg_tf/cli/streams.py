"""Standard streams that accept anything, so that no work fails because of its output.

Characters that the encoding lacks are spelt out. Streams may be closed from the start (``>&-``) or
later, as by ``| head -1``.
"""

import codecs
import io
import os
import sys

__all__ = ["SPELLING", "open_streams", "spell_out"]

#: Codec error handler that spells characters out.
SPELLING = "metaseg_tf.spell_out"
_SIGNS = {
    "σ": "sigma",
    "λ": "lambda",
    "μ": "mu",
    "±": "+-",
    "²": "2",
    "≤": "<=",
    "≥": ">=",
    "…": "...",
    **dict(zip("×·•→≈\N{NO-BREAK SPACE}│┃“”‘’", "x**>~ ||\"\"''", strict=True)),
    **dict.fromkeys("–—−‐‑─━╸╺", "-"),
}


class _Descriptor(io.FileIO):
    _failed = False

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError as error:
            # Work goes on if nobody reads its output; a full disk is reported once.
            if isinstance(error, BrokenPipeError) or self._failed:
                return len(data)
            self._failed = True
            raise


class _Text(io.TextIOWrapper):
    # Typer writes UTF-8 into the buffer of a stream whose encoding is ASCII, if it finds one.
    buffer = None


def open_streams() -> None:
    """Replace the standard streams of this process, but not streams that a caller has set."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        # The next file opened would get the descriptor of a closed stream.
        number = os.open(os.devnull, os.O_RDWR) if stream is None else None
        if name != "stdin" and stream is getattr(sys, f"__{name}__"):
            raw = _Descriptor(stream.fileno() if number is None else number, "w", closefd=False)
            encoding = "utf-8" if stream is None else stream.encoding
            buffered = io.BufferedWriter(raw)
            setattr(sys, name, _Text(buffered, encoding, SPELLING, line_buffering=True))


def spell_out(text: str) -> str:
    """Text as standard output will show it, such as "sigma" if its encoding has no sigma."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, SPELLING).decode(encoding, "surrogateescape")


def _spell_sign(error: UnicodeError) -> tuple[str | bytes, int]:
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":
        # A byte of a file name that is not text in this locale goes out as it came in.
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    return _SIGNS.get(sign, "?"), error.start + 1


codecs.register_error(SPELLING, _spell_sign)
