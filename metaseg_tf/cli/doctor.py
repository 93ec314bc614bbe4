"""``metaseg-tf doctor``: what is installed and found here, and what is missing for what."""

import os
import platform
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import NamedTuple

import typer

from metaseg_tf.cli.console import print_json, print_text, start_tensorflow
from metaseg_tf.cli.options import DATA_VARIABLES, AsJson
from metaseg_tf.errors import MetaSegError, in_one_line, number_of

__all__ = ["OPTIONAL", "REQUIRED", "Finding", "doctor", "examine"]

#: Packages that come with metaseg_tf, TensorFlow apart.
REQUIRED = (
    *("numpy", "scipy", "pandas", "pyarrow", "scikit-image", "scikit-learn", "statsmodels"),
    *("threadpoolctl", "matplotlib", "h5py", "pillow", "pooch", "jinja2", "typer", "rich"),
)
#: Distribution -> what needs it.
OPTIONAL = {
    "tensorflow-addons": "extract --labeller tfa (Python 3.10 and 3.11 only)",
    "onnxruntime": "networks in .onnx files",
    "onnx": "networks in .onnx files",
    "distributed": "extract --workers and --scheduler",
    "cryptography": "extract --workers",
    "fsspec": "run folders at an address such as s3://bucket/XC",
}


class Finding(NamedTuple):
    """Result of one check; ``needed_for`` and ``remedy`` are empty if all is well."""

    name: str
    state: str  #: "ok", "missing", or "broken" if metaseg_tf cannot work without or with it.
    detail: str  #: A version, place or reason.
    needed_for: str = ""
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Check packages, devices, networks and data.

    Exit code 1 if something required is broken.
    """
    findings = list(examine())
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        width = max(len(finding.name) for finding in findings)
        for name, state, detail, *_ in findings:
            print_text(f"{state:8} {name:{width}}  {detail}", indent=11 + width)
        lacking = [finding for finding in findings if finding.state != "ok"]
        typer.echo("\nwhat is missing for what:" if lacking else "\nnothing is missing")
        for name, _, _, use, remedy in lacking:
            print_text(f"- {name}: for {use}; {remedy}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Examine everything, quick things first."""
    from importlib import metadata

    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.platform()}")
    for name, use in (dict.fromkeys(REQUIRED, "everything") | OPTIONAL).items():
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            state = "broken" if name in REQUIRED else "missing"
            yield Finding(name, state, "not installed", use, f"pip install {name}")
    yield from _tensorflow()
    yield from _networks()
    yield _data_set()


def _tensorflow() -> Iterator[Finding]:
    """TensorFlow, the devices that it sees, and whether its compiler works."""
    if util.find_spec("tensorflow") is None:
        use, remedy = "extract, demo", "pip install tensorflow"
        yield Finding("tensorflow", "broken", "not installed", use, remedy)
        return
    start_tensorflow()
    import tensorflow as tf

    yield Finding("tensorflow", "ok", tf.__version__)
    if gpus := tf.config.list_physical_devices("GPU"):
        yield Finding("GPU", "ok", ", ".join(gpu.name for gpu in gpus))
    else:
        use = "speed only: networks run on the CPU"
        remedy = "with an NVIDIA card on Linux: pip install 'tensorflow[and-cuda]' of this version"
        yield Finding("GPU", "missing", "TensorFlow sees none", use, remedy)
    try:
        tf.function(lambda x: x + x, jit_compile=True)(tf.constant(1.0))
        yield Finding("XLA", "ok", "compiles")
    except tf.errors.OpError as error:
        reason, use = in_one_line(error, limit=120), "speed only: heat maps are computed uncompiled"
        yield Finding("XLA", "missing", reason, use, "install a TensorFlow with XLA")


def _networks() -> Iterator[Finding]:
    from metaseg_tf.networks.checkpoints import BUNDLED, CATALOGUE, bundled_path, checkpoint_path

    for entry in CATALOGUE:
        try:
            yield Finding(entry.name, "ok", str(checkpoint_path(entry)))
        except MetaSegError:
            lacking = f"not downloaded (about {entry.size} MB)"
            use = f"reproduce, extract --network {entry.name}"
            remedy = f"metaseg-tf checkpoints download {entry.name}"
            yield Finding(entry.name, "missing", lacking, use, remedy)
    for name in BUNDLED:
        try:
            yield Finding(name, "ok", str(bundled_path(f"{name}.pb")))
        except MetaSegError as error:
            yield Finding(name, "missing", str(error), "demo", "install metaseg-tf again")


def _data_set() -> Finding:
    from metaseg_tf.data.cityscapes import find_pairs

    root = next((os.environ[name] for name in DATA_VARIABLES if os.environ.get(name)), None)
    reason = f"neither {' nor '.join(DATA_VARIABLES)} is set"
    try:
        if root is not None:
            images = number_of(len(find_pairs(Path(root))), "image")
            return Finding("Cityscapes", "ok", f"{images} with labels in the split val, {root}")
    except MetaSegError as error:
        reason = str(error)
    remedy = f"see the page on reproduction; set {DATA_VARIABLES[0]} to the folder"
    return Finding("Cityscapes", "missing", reason, "reproduce, extract --network", remedy)
