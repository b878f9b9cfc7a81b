"""Linear probing: a linear SVM on frozen features.

n train clouds, m test clouds, E embedding width
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_COSTS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


@dataclass(frozen=True)
class LinearResult:
    """What was done and what came out.

    Attributes:
        protocol: the procedure in words.
        accuracy: share of the test clouds classified right.
        cost: C chosen on the training part.
        cross_validation: mean accuracy on the training part for each C.
        train_clouds: clouds fitted on.
        test_clouds: clouds tested on.
        feature_width: channels of a feature.
        seed: seed of the folds.
    """

    protocol: str
    accuracy: float
    cost: float
    cross_validation: dict[str, float] = field(default_factory=dict)
    train_clouds: int = 0
    test_clouds: int = 0
    feature_width: int = 0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return asdict(self)


def linear_svm(
    train_nE: NDArray[np.floating],
    train_labels_n: NDArray[np.integer],
    test_mE: NDArray[np.floating],
    test_labels_m: NDArray[np.integer],
    *,
    costs: Sequence[float] = DEFAULT_COSTS,
    folds: int = 5,
    seed: int = 0,
    jobs: int = 1,
) -> LinearResult:
    """Fits a linear SVM on standardised features, C chosen by cross-validation on the training part alone.

    The kernel matrix is computed once and shared by all fits, which changes nothing but the time.

    Args:
        train_nE: (n, E) features to fit on.
        train_labels_n: (n,) their classes.
        test_mE: (m, E) features to test on; used once, at the end.
        test_labels_m: (m,) their classes.
        costs: values of C to choose from.
        folds: stratified folds of the cross-validation.
        seed: seed of the folds.
        jobs: fits to run at a time.

    Returns:
        Accuracy on the test part, and how C was chosen.

    Raises:
        ImportError: scikit-learn is missing; install `crossjepa[eval]`.
    """
    try:
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.svm import SVC
    except ImportError as error:
        raise ImportError("the linear probe needs scikit-learn: pip install 'crossjepa[eval]'") from error
    mean_E, std_E = train_nE.mean(axis=0), train_nE.std(axis=0) + 1e-6
    train_nE, test_mE = ((part - mean_E) / std_E for part in (train_nE.astype(np.float64), test_mE))
    kernel_nn = train_nE @ train_nE.T
    search = GridSearchCV(
        SVC(kernel="precomputed", cache_size=1000),
        {"C": list(costs)},
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        n_jobs=jobs,
    )
    search.fit(kernel_nn, train_labels_n)
    scores = search.cv_results_["mean_test_score"]
    return LinearResult(
        protocol=f"standardised features, one-against-one linear SVM, C by {folds}-fold cross-validation on train",
        accuracy=float(search.score(test_mE @ train_nE.T, test_labels_m)),
        cost=float(search.best_params_["C"]),
        cross_validation={f"{cost:g}": float(score) for cost, score in zip(costs, scores, strict=True)},
        train_clouds=len(train_nE),
        test_clouds=len(test_mE),
        feature_width=train_nE.shape[1],
        seed=seed,
    )
