"""Label efficiency: the accuracy of a probe that sees only a share of the training labels."""

import warnings
from typing import Any

import numpy as np

from crossjepa.datasets.splits import draw_per_class
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import Features
from crossjepa.evaluate.linear import fit_fixed_svm, fit_linear_svm
from crossjepa.evaluate.probes import Labels, folds_of
from crossjepa.result import Outcome

SHARES, SUBSETS = (0.01, 0.05, 0.1, 0.5, 1.0), 3
# Scaling and C if no class has two labels, so that nothing can be validated. Few clouds in many channels are
# separable, and then any C from here up gives the same machine.
_UNVALIDATED = ("standardized", 0.1)


def run_label_efficiency(context: EvaluationContext) -> Outcome:
    """Fits the default linear SVM on nested, seeded subsets of the labels and tests it on all test clouds.

    Every class keeps at least one label. Scaling and C are chosen within the subset.
    """
    partition = context.learnable()[0]
    test_mE, test_m = context.features(partition.test_m), context.labels(partition.test_m)
    train_nE, train_n = context.features(partition.train_n), context.labels(partition.train_n)
    rows: list[dict[str, Any]] = []
    for share in SHARES:
        scores, sizes = [], []
        for number in range(SUBSETS if share < 1 else 1):
            everything = np.arange(len(train_n))
            chosen = draw_per_class(train_n, everything, share, 1000 * context.seed + number, at_least=1)
            scores.append(_accuracy(context, train_nE[chosen], train_n[chosen], test_mE, test_m))
            sizes.append(len(chosen))
        rows.append(
            {
                "labels": f"{share:.0%}",
                "train": sizes[0],
                "subsets": len(scores),
                "accuracy": float(np.mean(scores)),
                "deviation": float(np.std(scores)),
            }
        )
    settings = {
        "classifier": "linear SVM, scaling and C by cross-validation within the subset",
        "subsets": "by class, at least one label each; those of one seed are nested",
        "test": f"{len(test_m)} clouds of {partition.name}",
    }
    return Outcome({f"accuracy_{row['labels']}": row["accuracy"] for row in rows}, rows, settings)


def _accuracy(
    context: EvaluationContext, train_nE: Features, train_n: Labels, test_mE: Features, test_m: Labels
) -> float:
    most = int(np.unique(train_n, return_counts=True)[1].max())
    with warnings.catch_warnings():
        # Classes with fewer labels than folds are missing from some of them, as expected here.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        if most < 2:
            machine = fit_fixed_svm(train_nE, train_n, *_UNVALIDATED)
        else:
            folds = min(most, max(folds_of(train_n), 3))
            machine = fit_linear_svm(train_nE, train_n, folds=folds, seed=context.seed, jobs=context.jobs)
    return machine.score(test_mE, test_m)
