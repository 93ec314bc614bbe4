"""The published protocol as reference.md words it: the slow, obvious twin of the analysis."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score, roc_auc_score

__all__ = ["METRICS", "fit_linear_slowly", "standardise_slowly", "transcribe"]

METRICS = sorted(f"{x}{y}" for x in "EDS" for y in ("", "_in", "_bd", "_rel", "_rel_in"))


def transcribe(table, protocol):
    """The protocol one number after the other."""
    rows = table[table["S_in"] > 0]
    X, y = standardise_slowly(rows), (rows["iou"] > 0).to_numpy()
    fits = []
    for r in range(protocol.n_splits):
        validation = np.random.RandomState(r).rand(len(X)) < 0.5
        halves = {"train": ~validation, "validation": validation}
        fits.append(transcribe_classification(X, y, halves, protocol.C))
        for target in ("iou_adj", "iou"):
            swapped = {"train": validation, "validation": ~validation}
            fits[-1] |= transcribe_regression(X, rows[target].to_numpy(), target, swapped)
    means = [
        np.mean([f["penalized", i, "acc", "validation"] for f in fits])
        for i in range(len(protocol.C))
    ]
    best = int(np.argmax(means))
    chosen = {}
    for split, fit in enumerate(fits):
        for (model, target, score, part), value in fit.items():
            if isinstance(target, str):
                chosen[split, target, model, score, part] = value
            elif target == best:
                chosen[split, "iou_adj", model, score, part] = value
    return chosen


def standardise_slowly(rows):
    """The 15 metrics and 19 class probabilities, each with mean 0 and deviation 1 over all rows."""
    X = rows[METRICS + [f"cprob{j}" for j in range(19)]].to_numpy(float)
    constant = X.max(axis=0) == X.min(axis=0)
    return np.where(constant, 0.0, (X - X.mean(axis=0)) / np.where(constant, 1, X.std(axis=0)))


def transcribe_classification(X, y, halves, values):
    scores = {}
    train = halves["train"]
    tight = {"solver": "saga", "tol": 1e-6, "max_iter": 20_000, "random_state": 0}
    for i, C in enumerate(values):
        lasso = LogisticRegression(penalty="l1", C=C, **tight).fit(X[train], y[train])
        used = np.abs(lasso.coef_[0]) > 1e-6
        refit = LogisticRegression(penalty=None, tol=1e-9, max_iter=5000)
        refit.fit(X[train][:, used], y[train])
        for part, half in halves.items():
            scores |= score_slowly("penalized", i, part, lasso, X[half], y[half])
            scores |= score_slowly("unpenalized", i, part, refit, X[half][:, used], y[half])
    E = X[:, [METRICS.index("E")]]
    baseline = LogisticRegression(penalty=None, tol=1e-9).fit(E[train], y[train])
    for part, half in halves.items():
        scores |= score_slowly("entropy", "iou_adj", part, baseline, E[half], y[half])
    return scores


def score_slowly(model, index, part, fit, X, y):
    return {
        (model, index, "acc", part): fit.score(X, y),
        (model, index, "auroc", part): roc_auc_score(y, fit.predict_proba(X)[:, 1]),
    }


def transcribe_regression(X, true, target, halves):
    scores, train = {}, halves["train"]
    for model, columns in (("all", X), ("entropy", X[:, [METRICS.index("E")]])):
        predict = fit_linear_slowly(columns[train], true[train])
        for part, half in halves.items():
            predicted = predict(columns[half])
            error = np.sqrt(np.mean((predicted - true[half]) ** 2))
            scores[model, target, "sigma", part] = error
            scores[model, target, "r2", part] = r2_score(true[half], predicted)
    return scores


def fit_linear_slowly(X, true):
    """LinearRegression of scikit-learn 1.9 and later, whatever version is installed."""
    inverse = np.linalg.pinv(X - X.mean(axis=0), rcond=1e-6)
    coef = inverse @ (true - true.mean())
    return lambda rows: true.mean() + (rows - X.mean(axis=0)) @ coef
