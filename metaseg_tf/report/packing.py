"""Data for the page's scripts.

A page opened from disk may neither fetch files nor read pixels of pictures. So data come as
scripts that call a function, and long arrays in them as base64 of what zlib packs.
"""

import base64
import json
import zlib
from functools import partial
from typing import Any

import numpy as np

__all__ = ["pack_array", "to_script"]

#: numpy's name of a dtype -> JavaScript's typed array.
_TYPED_ARRAYS = {
    "uint8": "Uint8Array",
    "uint16": "Uint16Array",
    "uint32": "Uint32Array",
    "int16": "Int16Array",
}


def pack_array(array: np.ndarray) -> dict[str, str]:
    """An array as what ``metaseg.unpack`` in the page takes: its type and its packed bytes.

    Parameters
    ----------
    array : uint8, uint16, uint32 or int16 array
        Any shape; it comes out flat.
    """
    content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    packed = base64.b64encode(zlib.compress(content, 9)).decode()
    return {"type": _TYPED_ARRAYS[array.dtype.name], "data": packed}


def to_script(function: str, *arguments: Any) -> str:
    """A script that calls ``metaseg.<function>`` with arguments of plain data."""
    encode = partial(json.dumps, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"metaseg.{function}({','.join(map(encode, arguments))});\n"
