"""Scanned objects: a probe whose folds keep groups together, and transfer from CAD models.

n objects, m test objects, E embedding width
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets import Dataset
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import Features
from crossjepa.evaluate.linear import fit_linear_svm, import_sklearn, scale_features
from crossjepa.evaluate.probes import Labels, folds_of
from crossjepa.result import Outcome

FOLDS, REPEATS, COST = 5, 5, 1.0


def run_realscan(
    context: EvaluationContext, cad: Dataset | None = None, class_map: Mapping[str, str] | None = None
) -> Outcome:
    """Fits and tests a probe by grouped cross-validation, and a classifier of CAD models on the scans.

    The probe is logistic regression on standardized features with C = 1. Objects of one group, such as
    several scans of one thing, are never divided between fitting and testing. The splits of the scans play no
    role. The classifier of CAD models is the default linear SVM, fitted on the training split of their data
    set, on the classes that both have.

    Args:
        context: the scans. Without `Dataset.groups`, every object is a group of its own.
        cad: CAD models; none by default.
        class_map: class of the CAD models by class of the scans, for those that differ in name.

    Returns:
        Metrics `accuracy` and `balanced_accuracy` (mean over the classes), averaged over folds and then over
        repetitions with other folds, `deviation` of the latter, and with CAD models `transfer_accuracy` and
        `transfer_balanced_accuracy`; one row for each repetition and for the transfer.

    Raises:
        ValueError: the objects do not suffice for folds, or no two classes are shared with the CAD models.
    """
    dataset = context.dataset
    everything_n = np.arange(len(dataset), dtype=np.int64)
    features_nE = context.features(everything_n)
    groups_n = np.unique(dataset.groups or dataset.names, return_inverse=True)[1]
    if not dataset.groups:
        groups_n = everything_n
    kept_n = np.isin(dataset.labels_n, _divisible_classes(dataset.labels_n, groups_n))
    features_nE, labels_n, groups_n = features_nE[kept_n], dataset.labels_n[kept_n], groups_n[kept_n]
    rows: list[dict[str, Any]] = [
        {
            "test on": f"{FOLDS} folds, seed {seed}",
            **_counts(labels_n, len(labels_n) * (FOLDS - 1) // FOLDS),
            **scores,
        }
        for seed in range(context.seed, context.seed + REPEATS)
        for scores in [_cross_validate(features_nE, labels_n, groups_n, seed)]
    ]
    balanced = [row["balanced_accuracy"] for row in rows]
    metrics = {
        "accuracy": float(np.mean([row["accuracy"] for row in rows])),
        "balanced_accuracy": float(np.mean(balanced)),
        "deviation": float(np.std(balanced)),
    }
    settings: dict[str, Any] = {
        "classifier": f"logistic regression on standardized features, C = {COST:g}",
        "folds": f"{FOLDS}, stratified, {REPEATS} times",
        "groups": f"{len(np.unique(groups_n))} groups of {len(groups_n)} objects, never divided",
        "left out": f"{int((~kept_n).sum())} objects of classes with a single group",
    }
    if cad is not None:
        scores, settings["transfer"] = _transfer(context, cad, class_map or {})
        rows.append(scores)
        metrics |= {f"transfer_{name}": scores[name] for name in ("accuracy", "balanced_accuracy")}
    elif class_map:
        raise ValueError("a class map needs the data set of CAD models that it refers to")
    return Outcome(metrics, rows, settings)


def balanced_accuracy(predicted_m: Labels, labels_m: Labels) -> float:
    """Returns the mean over the classes of the share of their objects that are named correctly."""
    return float(np.mean([(predicted_m == label)[labels_m == label].mean() for label in np.unique(labels_m)]))


def _divisible_classes(labels_n: Labels, groups_n: NDArray[np.int64]) -> list[int]:
    """Returns the classes with at least two groups.

    Raises:
        ValueError: these are fewer than two, or there are fewer groups than folds.
    """
    pairs = np.unique(np.stack([labels_n, groups_n]), axis=1)
    found = np.flatnonzero(np.bincount(pairs[0]) > 1).tolist()
    if len(found) < 2 or len(np.unique(groups_n)) < FOLDS:
        raise ValueError(
            f"{FOLDS} folds need at least {FOLDS} groups, and two classes with at least two groups each"
        )
    return found


def _cross_validate(
    features_nE: Features, labels_n: Labels, groups_n: NDArray[np.int64], seed: int
) -> dict[str, float]:
    sklearn = import_sklearn()
    folds = sklearn.model_selection.StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    found: dict[str, list[float]] = {"accuracy": [], "balanced_accuracy": []}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        divisions = list(folds.split(features_nE, labels_n, groups_n))
    for train, test in divisions:
        train_nE, test_mE = scale_features(features_nE[train], features_nE[test], "standardized")
        machine = sklearn.linear_model.LogisticRegression(C=COST, max_iter=1000)
        predicted_m = machine.fit(train_nE, labels_n[train]).predict(test_mE)
        found["accuracy"].append(float((predicted_m == labels_n[test]).mean()))
        found["balanced_accuracy"].append(balanced_accuracy(predicted_m, labels_n[test]))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _transfer(
    context: EvaluationContext, cad: Dataset, class_map: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """Fits on CAD models and tests on all scans of the classes that both have; returns row and text."""
    scans = context.dataset
    pairs = shared_class_names(scans.classes, cad.classes, class_map)
    numbers = {cad.classes.index(theirs): number for number, theirs in enumerate(sorted({*pairs.values()}))}
    models = cad.select(np.setdiff1d(np.arange(len(cad)), cad.where("test"))).keep_classes(list(numbers))
    source = context.fold(models)
    train_n = models.labels_n
    machine = fit_linear_svm(
        source.features(np.arange(len(models), dtype=np.int64)), train_n, folds=folds_of(train_n),
        seed=context.seed, jobs=context.jobs,
    )  # fmt: skip
    context.feature_seconds += source.feature_seconds
    named = {scans.classes.index(ours): models.classes.index(theirs) for ours, theirs in pairs.items()}
    places_m = np.flatnonzero(np.isin(scans.labels_n, list(named)))
    labels_m = np.array([named[label] for label in scans.labels_n[places_m].tolist()], np.int64)
    predicted_m = machine.predict(context.features(places_m))
    row = {
        "test on": f"scans, fitted on {cad.name}",
        **_counts(labels_m, len(models)),
        "accuracy": float((predicted_m == labels_m).mean()),
        "balanced_accuracy": balanced_accuracy(predicted_m, labels_m),
    }
    described = ", ".join(ours if ours == theirs else f"{ours} as {theirs}" for ours, theirs in pairs.items())
    return row, f"linear SVM ({machine.scaling}, C = {machine.cost:g}) fitted on CAD models; {described}"


def shared_class_names(
    scans: tuple[str, ...], cad: tuple[str, ...], class_map: Mapping[str, str]
) -> dict[str, str]:
    """Pairs classes of the scans with those of CAD models: as the map says, else by equal names.

    Raises:
        ValueError: the map names an unknown class, or fewer than two classes are shared.
    """
    for what, names, known in (("scans", class_map.keys(), scans), ("CAD models", class_map.values(), cad)):
        if unknown := sorted(set(names) - set(known)):
            raise ValueError(f"the {what} have no class {', '.join(unknown)}; they have {', '.join(known)}")
    pairs = {ours: class_map.get(ours, ours) for ours in scans}
    pairs = {ours: theirs for ours, theirs in pairs.items() if theirs in cad}
    if len({*pairs.values()}) < 2:
        raise ValueError(f"scans and CAD models share the classes {sorted(pairs)}: at least two are needed")
    return pairs


def _counts(labels_m: Labels, train: int) -> dict[str, int]:
    return {"classes": len(np.unique(labels_m)), "train": train, "test": len(labels_m)}
