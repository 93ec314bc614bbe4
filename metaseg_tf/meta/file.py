"""A meta model on disk: one JSON file, so that loading a stranger's model runs no code."""

import hashlib
import json
import operator
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metaseg_tf.analysis.base import Estimator, read_numbers
from metaseg_tf.analysis.estimators import ESTIMATORS, Pair
from metaseg_tf.data.classes import MAX_CLASSES, ClassTable
from metaseg_tf.data.folders import check_file
from metaseg_tf.errors import (
    DataFormatError,
    InputError,
    SettingsMismatchError,
    in_one_line,
    restate,
)
from metaseg_tf.meta import model as kinds
from metaseg_tf.meta.images import name_summaries
from metaseg_tf.meta.model import MetaModel, SegmentFit
from metaseg_tf.runs.run import Run, parse_json, write_json
from metaseg_tf.segments.columns import CONVENTIONS, GROUPS, PAPER_GROUPS, feature_columns, group_of

__all__ = ["FORMAT", "compute_digest", "keep_model", "load_kept", "load_model", "save_model"]

_KIND = "metaseg-tf meta model"
FORMAT = 2
#: Where a folder of judged images keeps its model.
_KEPT = "model.json"


def save_model(model: MetaModel, path: str | os.PathLike) -> Path:
    """Write a model as JSON, whole or not at all (RunError), and return its path."""
    path = Path(path)
    write_json(path, to_json(model))
    return path


def load_model(path: str | os.PathLike) -> MetaModel:
    """Read a model that `save_model` wrote.

    Raises
    ------
    DataFormatError
        If the file is missing, truncated, not a model, or made by another version.
    SettingsMismatchError
        If the model needs other columns than this version measures, or an unknown convention.
    """
    path = Path(path)
    check_file(path)
    said = f"{path}: expected a meta model, got a file that cannot be read"
    with restate(OSError, DataFormatError, said, "make one with metaseg-tf fit"):
        content = path.read_bytes()
    return _decode(content, str(path))


def keep_model(run: Run, model: MetaModel) -> None:
    """Store the model in the folder of the images that it judges."""
    run.write_text(_KEPT, json.dumps(to_json(model), indent=2) + "\n")


def load_kept(run: Run) -> MetaModel:
    """The model that judged the images of a folder, which `keep_model` stored there.

    Raises InputError if there is none or another one, and otherwise as `load_model`.
    """
    with suppress(OSError):
        model = _decode(run.read_bytes(_KEPT), f"{run.path}/{_KEPT}")
        if compute_digest(model) == run.manifest.settings.get("model"):
            return model
    raise InputError(
        f"{run.path}: expected judged images with the meta model that judged them, {_KEPT}, found "
        "none or another; repeat the metaseg-tf predict that made the folder, with --keep-maps 20, "
        "or name the model with --model"
    )


def compute_digest(model: MetaModel) -> str:
    """16 hexadecimal digits that differ from model to model."""
    return hashlib.sha256(json.dumps(to_json(model), sort_keys=True).encode()).hexdigest()[:16]


def to_json(model: MetaModel) -> dict[str, Any]:
    """The content of the file."""
    content = {
        "kind": _KIND,
        "format": FORMAT,
        "convention": model.convention,
        "connectivity": model.connectivity,
        "columns": list(model.columns),
        "interior": _describe_fit(model.interior),
        "no_interior": _describe_fit(model.no_interior),
        "provenance": model.provenance,
    }
    if model.classes:
        content["classes"] = model.classes.to_json()
    for name in ("promise", "intervals"):
        if made := getattr(model, name):
            content[name] = vars(made) | {"sentence": made.sentence}
    if model.reference is not None:
        content["reference"] = model.reference.to_dict("list")
    return content


def _describe_fit(fit: SegmentFit) -> dict[str, Any]:
    described = {"mean": fit.mean.tolist(), "scale": fit.scale.tolist()}
    described |= {role: _describe(getattr(fit, role), role) for role in Pair._fields}
    spread = {name: np.asarray(value).tolist() for name, value in vars(fit.spread).items()}
    return described | {"spread": spread}


def _describe(estimator: Estimator, role: str) -> dict[str, Any]:
    for name, pair in ESTIMATORS.items():
        if type(estimator) is getattr(pair, role):
            return {"estimator": name} | estimator.to_json()
    raise InputError(
        f"meta model: expected a {role} of one of {', '.join(ESTIMATORS)}, got "
        f"{type(estimator).__name__}; add it to ESTIMATORS in metaseg_tf/analysis/estimators.py"
    )


def _decode(encoded: bytes, path: str) -> MetaModel:
    try:
        content = parse_json(encoded)
        if content.get("kind") != _KIND:
            raise ValueError(f"it does not call itself {_KIND!r}")
        if (version := content.get("format")) != FORMAT:
            raise DataFormatError(
                f"{path}: expected a meta model of format {FORMAT}, got {version!r:.20}, of "
                "another version; update metaseg-tf, or fit it again"
            )
        model = _from_json(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataFormatError(
            f"{path}: expected a meta model, got a file that is truncated or something else "
            f"({type(error).__name__}: {in_one_line(error)}); make one with metaseg-tf fit"
        ) from error
    _check(path, model)
    return model


def _from_json(content: dict[str, Any]) -> MetaModel:
    columns, provenance = tuple(content["columns"]), content["provenance"]
    if not all(map(str.isprintable, columns)):
        raise ValueError("columns of unprintable names")
    if not all(isinstance(part, dict) for part in (provenance, provenance.get("settings", {}))):
        raise ValueError("a provenance that is not an object")
    _check_names(provenance.get("fitted_on", ()))
    optional = {
        "classes": ClassTable.from_json, "promise": _read_promise, "intervals": _read_intervals,
    }  # fmt: skip
    model = MetaModel(
        columns,
        *(_read_fit(content[kind], len(columns)) for kind in ("interior", "no_interior")),
        content["convention"],
        operator.index(content["connectivity"]),
        provenance,
        **{name: read(content[name]) for name, read in optional.items() if name in content},
    )
    if "reference" in content:
        images = _read_reference(content["reference"], model.n_classes)
        model = replace(model, reference=images)
    return model


def _read_promise(made: dict[str, Any]) -> kinds.Promise:
    alpha, images, threshold = (made[name] for name in ("alpha", "images", "threshold"))
    read_numbers([alpha, images, threshold], 3)
    possible = 0 < alpha < 1 <= images and 0 <= threshold < 2
    if made["kind"] not in kinds.PROMISES or not possible:
        raise ValueError("an impossible promise")
    return kinds.Promise(made["kind"], alpha, operator.index(images), threshold)


def _read_intervals(made: dict[str, Any]) -> kinds.Intervals:
    level, images, stretch = (made[name] for name in ("level", "images", "stretch"))
    read_numbers([level, *images, *stretch], 1 + 2 * len(kinds.SIZES))
    if len(images) != len(kinds.SIZES) or not 0 < level < 1 or min(images + stretch) < 0:
        raise ValueError("impossible intervals")
    return kinds.Intervals(level, tuple(map(operator.index, images)), tuple(stretch))


def _read_reference(made: dict[str, Any], n_classes: int) -> pd.DataFrame:
    _check_names(made["image"])
    n = len(made["image"])
    values = {name: read_numbers(made[name], n) for name in name_summaries(n_classes)}
    return pd.DataFrame({"image": made["image"]} | values)


def _check_names(images: list[str]) -> None:
    if not all(isinstance(image, str) for image in images):
        raise ValueError("images without a name")


def _read_fit(content: dict[str, Any], p: int) -> SegmentFit:
    estimators = []
    for role in Pair._fields:
        name = content[role]["estimator"]
        if name not in ESTIMATORS:
            raise ValueError(f"estimator {name!r:.40}, which this version does not know")
        estimators.append(getattr(ESTIMATORS[name], role).from_json(content[role], p))
    stored, k = content["spread"], len(content["spread"]["predicted"])
    spread = kinds.Spread(
        read_numbers(stored["predicted"], k),
        read_numbers(stored["sigma"], k, positive=True),
        *read_numbers([stored["low"], stored["high"]], 2).tolist(),
    )
    if not k or np.any(np.diff(spread.predicted) < 0):
        raise ValueError("a spread whose predictions do not rise")
    mean, scale = read_numbers(content["mean"], p), read_numbers(content["scale"], p, positive=True)
    return SegmentFit(mean, scale, *estimators, spread)


def _check(path: str, model: MetaModel) -> None:
    differing, wanted = [], ()
    if 2 <= model.n_classes <= MAX_CLASSES:
        known = set(model.columns) & set(feature_columns(model.n_classes, GROUPS))
        wanted = feature_columns(model.n_classes, {*PAPER_GROUPS, *map(group_of, known)})
    if set(wanted) != set(model.columns) or len(wanted) != len(model.columns):
        names = sorted(set(wanted) ^ set(model.columns))
        differing.append(f"columns {', '.join(names[:5])[:120] or 'given twice'}")
    if model.classes and len(model.classes) != model.n_classes:
        n_named = len(model.classes)
        differing.append(f"names of {n_named} classes, of which it judges {model.n_classes}")
    if model.convention not in CONVENTIONS:
        differing.append(f"convention {model.convention!r:.40}")
    if model.connectivity not in (8, 4):
        differing.append(f"connectivity {model.connectivity}")
    if differing:
        raise SettingsMismatchError(
            f"{path}: expected what this version measures, got a model that differs in "
            f"{'; '.join(differing)}; fit it again with this version"
        )
