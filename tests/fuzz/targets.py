"""Everything that is read from outside: for each format whole files to begin with, and a reader.

A reader gets the bytes of a file that may be anything. It may return or raise one of our errors;
whatever else it raises is a bug.
"""

import io
import tarfile
import tempfile
from collections.abc import Callable
from functools import cache, partial
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

    from metaseg_tf.data.softmax import SoftmaxDump, save_dump

    dump = SoftmaxDump(*make_scene(6, 8, 3), "ulm_000000_000019", np.zeros((6, 8, 3), np.uint8))
    seeds = [_written(f"a{suffix}", lambda path: save_dump(path, dump))]
    if suffix == ".h5":
        seeds.append(_written("a.h5", _write_chunked_name))
    return seeds


def _write_chunked_name(path: Path):
    import h5py

    with h5py.File(path, "w") as file:
        file["probabilities"] = np.full((2, 3, 2), 0.5)
        stored = {"dtype": h5py.string_dtype(), "compression": "gzip", "shuffle": True}
        file.create_dataset("file_names", data=["ulm.png", "b"], **stored)


def _npys(value: float) -> list[bytes]:
    arrays = [np.full((2, 3, 2), value, dtype) for dtype in ("f2", ">f4")]
    return [_written("a.npy", partial(np.save, arr=array)) for array in arrays]


def _load_dump(path: Path):
    from metaseg_tf.data.softmax import load_dump, open_dumps, read_name

    return open_dumps(path.parent), read_name(path), load_dump(path)


def _load_logits(path: Path):
    from metaseg_tf.data.softmax import load_dump, open_dumps

    options = {"channels_first": True, "keys": {"probs": "x"}}
    return open_dumps(path.parent, **options), load_dump(path, logits=True, **options)


def _maps(suffix: str) -> list[bytes]:
    from metaseg_tf.runs.image_maps import ImageMaps, encode_maps

    grey = np.zeros((6, 8), np.uint8)
    heat, image = grey.astype(np.float32), np.dstack([grey] * 3)
    return [encode_maps(ImageMaps(grey, grey.astype(np.int32), heat, heat, grey, image))[suffix]]


def _decode_maps(path: Path):
    from metaseg_tf.runs.image_maps import decode_maps

    maps = decode_maps(path.read_bytes(), n_classes=3)
    for classes in (maps.pred, maps.gt):
        assert classes is None or ((classes < 3) | (classes == 255)).all()
    assert 0 <= maps.segments.min() <= maps.segments.max() <= maps.segments.size
    assert 0 <= maps.entropy.min() <= maps.entropy.max() <= 1


def _decode_photograph(path: Path):
    from metaseg_tf.runs.image_maps import decode_maps

    return decode_maps(_maps("npz")[0], path.read_bytes())


def _labels() -> list[bytes]:
    def encode(array):
        content = io.BytesIO()
        Image.fromarray(array).save(content, "PNG")
        return content.getvalue()

    grey = np.arange(80, dtype=np.uint8).reshape(8, 10) % 34
    return [encode(grey), encode(grey.astype(np.uint16)), encode(np.dstack([grey] * 3))]


def _photographs() -> list[bytes]:
    def encode(kind, mode="RGB", **options):
        content = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(content, kind, **options)
        return content.getvalue()

    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        *(encode(kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")),
        *(encode("TIFF", compression=name) for name in ("tiff_lzw", "tiff_adobe_deflate")),
        *(encode(kind, mode) for kind in ("PNG", "TIFF", "BMP") for mode in ("1", "P", "L")),
        *(encode("PNG", mode) for mode in ("LA", "RGBA")),
        *(encode(kind, "CMYK") for kind in ("JPEG", "TIFF")),
    ]


def _read_photograph(path: Path):
    from metaseg_tf.data.photographs import read_photograph

    return read_photograph(path)


def _read_pair(path: Path):
    from metaseg_tf.data.cityscapes import Pair

    image = path.parent / "image.png"
    image.write_bytes(_labels()[2])
    return Pair("ulm", image, path).read()


@cache
def _run_files() -> dict[str, bytes]:
    from scenes import make_scene

    from metaseg_tf.runs.run import Run
    from metaseg_tf.segments.table import segment_metrics

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        run = Run.create(folder, {"convention": "reference"})
        for number, image in enumerate(("ulm", "bonn")):
            run.write_segments(image, segment_metrics(*make_scene(6, 8, 3)), {"note": b"x"})
            if not number:
                run.compact(1)
        return _files_of(Path(folder))


def _run_file(name: str) -> list[bytes]:
    return [_run_files()[name]]


def _load_run(path: Path):
    """Read the run that ``path`` belongs to, the other files of which are whole."""
    from metaseg_tf.runs.run import Run, load_run

    root = path.parent if path.name == "run.json" else path.parents[1]
    _complete(root, _run_files())
    return load_run(root), load_run(root, ["E", "S"]), list(Run(root).extras("note"))


@cache
def _graph() -> bytes:
    from upstream_graphs import Export, graph_def

    return graph_def(Export(crop=(17, 17))).SerializeToString()


def _graphs() -> list[bytes]:
    return [_graph()]


def _open_graph(path: Path):
    from metaseg_tf.networks.deeplab.frozen_graph import FrozenGraph
    from metaseg_tf.networks.graph import load_graph_def

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
    from metaseg_tf.untrusted import archives

    archives.MAX_BYTES = 10**6
    list(archives.read_members(path, ".pb"))
    archives.unpack(path, path.parent / "folder")


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
        return _files_of(Path(folder))


def _checkpoints() -> list[bytes]:
    return [_checkpoint()["model.ckpt.index"]]


def _load_weights(path: Path):
    from metaseg_tf.networks.deeplab.weights import load_weights

    _complete(path.parent, _checkpoint())
    return load_weights(path.with_suffix(""))


def _models() -> list[bytes]:
    from metaseg_tf.analysis.estimators import Lasso, Ridge
    from metaseg_tf.meta import MetaModel, save_model
    from metaseg_tf.meta.model import SegmentFit, Spread
    from metaseg_tf.segments.columns import METRIC_COLUMNS, class_columns

    columns = (*METRIC_COLUMNS, *class_columns(3))
    ones = np.ones(len(columns))
    line = {"coef": ones.tolist(), "intercept": 0.25}
    lines = (kind.from_json(line, len(columns)) for kind in (Lasso, Ridge))
    fit = SegmentFit(ones, ones, *lines, Spread(ones[:1], ones[:1], -2.0, 2.0))
    model = MetaModel(columns, fit, fit, "paper", 8, {})
    return [_written("model.json", lambda path: save_model(model, path))]


def _load_model(path: Path):
    from tables import make_table

    from metaseg_tf.meta import load_model

    verdicts = load_model(path).score(make_table(9, n_images=2, n_classes=3))
    assert np.isfinite(verdicts).all(axis=None)


@cache
def _network():
    import tensorflow as tf

    image = tf.keras.Input((4, 4, 3), batch_size=1)
    return tf.keras.Model(image, tf.keras.layers.Conv2D(2, 1)(image))


@cache
def _keras_models() -> list[bytes]:
    return [_written("model.h5", _network().save)]


def _load_keras_model(path: Path):
    from metaseg_tf.networks.formats.graph_network import load_keras_model

    return load_keras_model(path)


@cache
def _tflite_models() -> list[bytes]:
    import tensorflow as tf

    return [tf.lite.TFLiteConverter.from_keras_model(_network()).convert()]


def _load_tflite(path: Path):
    from metaseg_tf.networks.formats.tflite import TFLiteNetwork

    return TFLiteNetwork(path)


@cache
def _onnx_models() -> list[bytes]:
    from small_onnx import TAILS, model

    seeds = [model(ops, f"{shape} out") for ops, shape in TAILS.values()]
    sized = model("out = Softmax <axis = 1> (x)", image="uint8[1,4,4,3] image", channels_last=True)
    return [seed.SerializeToString() for seed in (*seeds, sized)]


def _load_onnx(path: Path):
    from metaseg_tf.networks.formats.onnx import OnnxNetwork

    return OnnxNetwork(path)


@cache
def _saved_files() -> dict[str, bytes]:
    import tensorflow as tf

    module, kernel = tf.Module(), np.ones((1, 1, 3, 2), np.float32)
    spec = tf.TensorSpec((1, 4, 4, 3), tf.float32)
    module.f = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), [spec])
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        tf.saved_model.save(module, folder, module.f)
        return _files_of(Path(folder))


def _load_saved_model(path: Path):
    from metaseg_tf.networks.formats.graph_network import load_saved_model

    _complete(path.parent, _saved_files())
    return load_saved_model(path.parent)


def _files_of(folder: Path) -> dict[str, bytes]:
    """Content of each file below a folder, by its relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _complete(folder: Path, files: dict[str, bytes]) -> None:
    """Write those files that are not there."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            (folder / name).write_bytes(content)


TARGETS = {
    "hdf5": Target(lambda: _dump(".h5"), _load_dump, "a.h5", 2),
    "npz": Target(lambda: _dump(".npz"), _load_dump, "a.npz", 2),
    "maps": Target(lambda: _maps("npz"), _decode_maps, "a.npz", 1),
    "maps_photograph": Target(lambda: _maps("jpg"), _decode_photograph, "a.jpg", 2),
    "npy": Target(lambda: _npys(0.5), _load_dump, "a.npy", 1),
    "logits": Target(lambda: _npys(5.0), _load_logits, "a.npy", 1),
    "labels": Target(_labels, _read_pair, "a_gtFine_labelIds.png", 60),
    "photograph": Target(_photographs, _read_photograph, "a.png", 1),
    "manifest": Target(lambda: _run_file("run.json"), _load_run, "run.json", 20),
    "segments": Target(
        lambda: _run_file("segments/bonn.parquet"), _load_run, "segments/bonn.parquet", 20
    ),
    "pack": Target(
        lambda: _run_file("packs/000001.parquet"), _load_run, "packs/000001.parquet", 20
    ),
    "model": Target(_models, _load_model, "model.json", 1),
    "keras": Target(_keras_models, _load_keras_model, "model.h5", 60),
    "tflite": Target(_tflite_models, _load_tflite, "model.tflite", 20),
    "onnx": Target(_onnx_models, _load_onnx, "model.onnx", 10),
    "saved_model": Target(
        lambda: [_saved_files()["saved_model.pb"]], _load_saved_model, "saved_model.pb", 60
    ),
    "graph": Target(_graphs, _open_graph, "graph.pb", 200),
    "archive": Target(_archives, _unpack, "a.tar.gz", 3),
    "checkpoint": Target(_checkpoints, _load_weights, "model.ckpt.index", 2),
}
