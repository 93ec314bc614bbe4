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
from scipy.special import logit

from metaseg_tf.analysis.base import Estimator, read_numbers
from metaseg_tf.analysis.estimators import ESTIMATORS, Pair
from metaseg_tf.data.classes import MAX_CLASSES, ClassTable
from metaseg_tf.data.folders import check_file
from metaseg_tf.errors import DataFormatError, InputError, SettingsMismatchError, in_one_line
from metaseg_tf.meta import model as kinds
from metaseg_tf.meta.images import name_summaries
from metaseg_tf.meta.model import MetaModel, SegmentFit, Spread
from metaseg_tf.runs.run import Run, parse_json, write_json
from metaseg_tf.segments.columns import CONVENTIONS, GROUPS, PAPER_GROUPS, feature_columns, group_of

__all__ = ["FORMAT", "compute_digest", "keep_model", "load_kept", "load_model", "save_model"]

_KIND = "metaseg-tf meta model"
FORMAT = 2
#: Estimators that files hold without their name.
_UNNAMED = "linear"
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
        If the file is missing, truncated, not a model, or made by a newer version.
    SettingsMismatchError
        If the model needs other columns than this version measures, or an unknown convention.
    """
    path = Path(path)
    check_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataFormatError(
            f"{path}: expected a meta model, got a file that cannot be read ({error.strerror}); "
            "make one with metaseg-tf fit"
        ) from error
    return _decode(content, str(path))


def keep_model(run: Run, model: MetaModel) -> None:
    """Store the model in the folder of the images that it judges."""
    run.write_text(_KEPT, json.dumps(to_json(model), indent=2) + "\n")


def load_kept(run: Run) -> MetaModel:
    """The model that judged the images of a folder, which `keep_model` stored there.

    Raises InputError if there is none or another one, and otherwise as `load_model`.
    """
    with suppress(OSError):
        content = run.read_bytes(_KEPT)
        model = _decode(content, f"{run.path}/{_KEPT}")
        if _digest(parse_json(content)) == run.manifest.settings.get("model"):
            return model
    raise InputError(
        f"{run.path}: expected judged images with the meta model that judged them, {_KEPT}, found "
        "none or another; repeat the metaseg-tf predict that made the folder, with --keep-maps 20, "
        "or name the model with --model"
    )


def compute_digest(model: MetaModel) -> str:
    """16 hexadecimal digits that differ from model to model."""
    return _digest(to_json(model))


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def to_json(model: MetaModel) -> dict[str, Any]:
    """The content of the file."""
    return {
        "kind": _KIND,
        "format": FORMAT,
        "convention": model.convention,
        "connectivity": model.connectivity,
        "columns": list(model.columns),
        "interior": _describe_fit(model.interior),
        "no_interior": _describe_fit(model.no_interior),
        "provenance": model.provenance,
        **({"classes": model.classes.to_json()} if model.classes else {}),
        **{
            name: vars(made) | {"sentence": made.sentence}
            for name in ("promise", "intervals")
            if (made := getattr(model, name))
        },
        **({} if model.reference is None else {"reference": model.reference.to_dict("list")}),
    }


def _describe_fit(fit: SegmentFit) -> dict[str, Any]:
    described = {"mean": fit.mean.tolist(), "scale": fit.scale.tolist()}
    described |= {role: _describe(getattr(fit, role), role) for role in Pair._fields}
    if fit.spread:
        parts = vars(fit.spread).items()
        described["spread"] = {name: np.asarray(value).tolist() for name, value in parts}
    return described


def _describe(estimator: Estimator, role: str) -> dict[str, Any]:
    for name, pair in ESTIMATORS.items():
        if type(estimator) is getattr(pair, role):
            return ({} if name == _UNNAMED else {"estimator": name}) | estimator.to_json()
    raise InputError(
        f"meta model: expected a {role} of one of {', '.join(ESTIMATORS)}, got "
        f"{type(estimator).__name__}; add it to ESTIMATORS in metaseg_tf/analysis/estimators.py"
    )


def _decode(encoded: bytes, path: str) -> MetaModel:
    try:
        content = parse_json(encoded)
    except ValueError as error:
        raise _not_a_model(path, str(error)) from error
    if content.get("kind") != _KIND:
        raise _not_a_model(path, f"it does not call itself {_KIND!r}")
    version = content.get("format")
    if type(version) is not int or not 0 < version <= FORMAT:
        raise DataFormatError(
            f"{path}: expected a meta model of format {FORMAT}, got {version!r:.20}, of a newer "
            "version; update metaseg-tf"
        )
    try:
        model = _from_json(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_a_model(path, f"{type(error).__name__}: {error}") from error
    _check(path, model)
    return model


def _from_json(content: dict[str, Any]) -> MetaModel:
    columns, provenance = tuple(content["columns"]), content["provenance"]
    classes = ClassTable.from_json(content["classes"]) if "classes" in content else None
    if not all(map(str.isprintable, columns)):
        raise ValueError("columns of unprintable names")
    former = content["format"] == 1
    interior = content if former else content["interior"]
    no_interior = _former_verdicts(content) if former else content["no_interior"]
    if not all(isinstance(part, dict) for part in (provenance, provenance.get("settings", {}))):
        raise ValueError("a provenance that is not an object")
    if not all(isinstance(image, str) for image in provenance.get("fitted_on", ())):
        raise ValueError("images without a name")
    model = MetaModel(
        columns,
        _fit(interior, len(columns)),
        _fit(no_interior, len(columns)),
        content["convention"],
        operator.index(content["connectivity"]),
        provenance,
        classes,
    )
    return replace(model, **_promises(content, model.n_classes))


def _promises(content: dict[str, Any], n_classes: int) -> dict[str, Any]:
    """What a model promises, if it does, and the images that this was set on."""
    found: dict[str, Any] = {}
    if "promise" in content:
        made = content["promise"]
        alpha, images, threshold = (made[name] for name in ("alpha", "images", "threshold"))
        read_numbers([alpha, images, threshold], 3)
        if made["kind"] not in kinds.PROMISES or not (
            0 < alpha < 1 <= images and 0 <= threshold < 2
        ):
            raise ValueError("an impossible promise")
        found["promise"] = kinds.Promise(made["kind"], alpha, operator.index(images), threshold)
    if "intervals" in content:
        made, k = content["intervals"], len(kinds.SIZES)
        level, images, stretch = (made[name] for name in ("level", "images", "stretch"))
        read_numbers([level, *images, *stretch], 1 + 2 * k)
        if len(images) != k or not 0 < level < 1 or min(images + stretch) < 0:
            raise ValueError("impossible intervals")
        found["intervals"] = kinds.Intervals(
            level, tuple(map(operator.index, images)), tuple(stretch)
        )
    if "reference" in content:
        made, n = content["reference"], len(content["reference"]["image"])
        if not all(isinstance(image, str) for image in made["image"]):
            raise ValueError("images without a name")
        values = {name: read_numbers(made[name], n) for name in name_summaries(n_classes)}
        found["reference"] = pd.DataFrame({"image": made["image"]} | values)
    return found


def _former_verdicts(content: dict[str, Any]) -> dict[str, Any]:
    """The one verdict on all segments without interior that format 1 has, as a constant fit."""
    verdict, p = content["without_interior"], len(content["columns"])
    false, iou_adj = read_numbers(
        [verdict[x] for x in ("false_positive_probability", "iou_adj")], 2
    )
    if not (0 <= false <= 1 and 0 <= iou_adj <= 1):
        raise ValueError(f"verdicts {verdict} outside of [0, 1]")
    levels = {"classifier": np.clip(logit(1 - false), -40, 40), "regressor": iou_adj}
    constant = {role: {"coef": [0] * p, "intercept": float(x)} for role, x in levels.items()}
    return {"mean": [0] * p, "scale": [1] * p} | constant


def _fit(content: dict[str, Any], p: int) -> SegmentFit:
    spread = content.get("spread")
    if spread is not None:
        k = len(spread["predicted"])
        spread = Spread(
            read_numbers(spread["predicted"], k),
            read_numbers(spread["sigma"], k, positive=True),
            *read_numbers([spread["low"], spread["high"]], 2).tolist(),
        )
        if not k or np.any(np.diff(spread.predicted) < 0):
            raise ValueError("a spread whose predictions do not rise")
    return SegmentFit(
        read_numbers(content["mean"], p),
        read_numbers(content["scale"], p, positive=True),
        _estimator(content["classifier"], "classifier", p),
        _estimator(content["regressor"], "regressor", p),
        spread,
    )


def _estimator(content: dict[str, Any], role: str, p: int) -> Estimator:
    name = content.get("estimator", _UNNAMED)
    if name not in ESTIMATORS:
        raise ValueError(f"estimator {name!r:.40}, which this version does not know")
    return getattr(ESTIMATORS[name], role).from_json(content, p)


def _check(path: str, model: MetaModel) -> None:
    differing = []
    wanted = ()
    if 2 <= model.n_classes <= MAX_CLASSES:
        known = set(model.columns) & set(feature_columns(model.n_classes, GROUPS))
        wanted = feature_columns(model.n_classes, {*PAPER_GROUPS, *map(group_of, known)})
    if set(wanted) != set(model.columns) or len(wanted) != len(model.columns):
        names = sorted(set(wanted) ^ set(model.columns))
        differing.append(f"columns {', '.join(names[:5])[:120] or 'given twice'}")
    if model.classes and len(model.classes) != model.n_classes:
        differing.append(
            f"names of {len(model.classes)} classes, of which it judges {model.n_classes}"
        )
    if model.convention not in CONVENTIONS:
        differing.append(f"convention {model.convention!r:.40}")
    if model.connectivity not in (8, 4):
        differing.append(f"connectivity {model.connectivity}")
    if differing:
        raise SettingsMismatchError(
            f"{path}: expected what this version measures, got a model that differs in "
            f"{'; '.join(differing)}; fit it again with this version"
        )


def _not_a_model(path: str, reason: str) -> DataFormatError:
    return DataFormatError(
        f"{path}: expected a meta model, got a file that is truncated or something else "
        f"({in_one_line(reason)}); make one with metaseg-tf fit"
    )
