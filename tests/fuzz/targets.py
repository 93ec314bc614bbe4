"""Everything that is read from outside: for each format whole files to begin with, and a reader.

A reader gets the bytes of a file that may be anything. It may return or raise one of our errors;
whatever else it raises is a bug.
"""

import io
import tarfile
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from metaseg_tf.errors import MetaSegError

__all__ = ["TARGETS", "Target", "survives"]


class Target(NamedTuple):
    """How a format is attacked; ``cost`` is the time of one reading in ms, roughly."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    file: str
    cost: int


def survives(target: Target, content: bytes) -> bool:
    """Read ``content`` as a file; whether it was taken, rather than refused by one of our errors.

    All other errors are passed on.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / target.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        try:
            target.read(path)
        except MetaSegError as error:
            if "\n" in str(error):
                raise AssertionError(f"an error of several lines: {error}") from error
            return False
    return True


def _written(name: str, write: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _dump(suffix: str) -> list[bytes]:
    from scenes import make_scene

    from metaseg_tf.softmax import SoftmaxDump, save_dump

    dump = SoftmaxDump(*make_scene(6, 8, 3), "ulm_000000_000019")
    return [_written(f"a{suffix}", lambda path: save_dump(path, dump))]


def _load_dump(path: Path):
    from metaseg_tf.softmax import load_dump, read_name

    return read_name(path), load_dump(path)


def _maps() -> list[bytes]:
    from metaseg_tf.maps import ImageMaps, encode_maps

    grey = np.zeros((6, 8), np.uint8)
    heat = grey.astype(np.float32)
    return [encode_maps(ImageMaps(grey, grey.astype(np.int32), heat, heat, grey))["npz"]]


def _decode_maps(path: Path):
    from metaseg_tf.maps import decode_maps

    return decode_maps(path.read_bytes())


def _labels() -> list[bytes]:
    def encode(array):
        content = io.BytesIO()
        Image.fromarray(array).save(content, "PNG")
        return content.getvalue()

    grey = np.arange(80, dtype=np.uint8).reshape(8, 10) % 34
    return [encode(grey), encode(grey.astype(np.uint16)), encode(np.dstack([grey] * 3))]


def _read_pair(path: Path):
    from metaseg_tf.cityscapes import Pair, read_pairs

    image = path.parent / "image.png"
    image.write_bytes(_labels()[2])
    return next(read_pairs([Pair("ulm", image, path)]))


@cache
def _run_files() -> dict[str, bytes]:
    from scenes import make_scene

    from metaseg_tf.metrics import segment_metrics
    from metaseg_tf.run import Run

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        run = Run.create(folder, {"convention": "reference"})
        run.write_segments("ulm", segment_metrics(*make_scene(6, 8, 3)), {"note": b"x"})
        files = (path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _run_file(name: str) -> list[bytes]:
    return [_run_files()[name]]


def _load_run(path: Path):
    """Read the run that ``path`` belongs to, the other files of which are whole."""
    from metaseg_tf.run import Run, load_run

    root = path.parent if path.name == "run.json" else path.parents[1]
    for name, content in _run_files().items():
        (root / name).parent.mkdir(exist_ok=True)
        if not (root / name).exists():
            (root / name).write_bytes(content)
    return load_run(root), load_run(root, ["E", "S"]), list(Run(root).extras("note"))


@cache
def _graph() -> bytes:
    from upstream_graphs import Export, graph_def

    return graph_def(Export(crop=(17, 17))).SerializeToString()


def _graphs() -> list[bytes]:
    return [_graph()]


def _open_graph(path: Path):
    from metaseg_tf.deeplab.frozen_graph import FrozenGraph
    from metaseg_tf.deeplab.graph_file import load_graph_def

    return FrozenGraph(load_graph_def(path))


def _archives() -> list[bytes]:
    def pack(mode: str, kind: int) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode, format=kind) as archive:
            for name in ("train/graph.pb", "train/" + "long" * 40):
                member = tarfile.TarInfo(name)
                member.size = 700
                archive.addfile(member, io.BytesIO(bytes(700)))
        return packed.getvalue()

    return [pack("w", tarfile.PAX_FORMAT), pack("w", tarfile.GNU_FORMAT), pack("w:gz", 2)]


def _unpack(path: Path):
    from metaseg_tf.deeplab.archive import read_members, unpack

    list(read_members(path, ".pb", 10**6))
    unpack(path, path.parent / "folder", 10**6)


@cache
def _checkpoint() -> dict[str, bytes]:
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        weights = {"MobilenetV2/Conv/weights": np.ones((3, 3, 3, 2), np.float32)}
        tf.raw_ops.SaveV2(
            prefix=f"{folder}/model.ckpt",
            tensor_names=list(weights),
            shape_and_slices=[""],
            tensors=list(weights.values()),
        )
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _checkpoints() -> list[bytes]:
    return [_checkpoint()["model.ckpt.index"]]


def _load_weights(path: Path):
    from metaseg_tf.deeplab.weights import load_weights

    for name, content in _checkpoint().items():
        if name != path.name:
            (path.parent / name).write_bytes(content)
    return load_weights(path.with_suffix(""))


TARGETS = {
    "hdf5": Target(lambda: _dump(".h5"), _load_dump, "a.h5", 2),
    "npz": Target(lambda: _dump(".npz"), _load_dump, "a.npz", 2),
    "maps": Target(_maps, _decode_maps, "a.npz", 1),
    "labels": Target(_labels, _read_pair, "a_gtFine_labelIds.png", 60),
    "manifest": Target(lambda: _run_file("run.json"), _load_run, "run.json", 20),
    "segments": Target(
        lambda: _run_file("segments/ulm.parquet"), _load_run, "segments/ulm.parquet", 20
    ),
    "graph": Target(_graphs, _open_graph, "graph.pb", 200),
    "archive": Target(_archives, _unpack, "a.tar.gz", 3),
    "checkpoint": Target(_checkpoints, _load_weights, "model.ckpt.index", 2),
}
