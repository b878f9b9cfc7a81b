"""Linear probing: a linear SVM on frozen features.

n train clouds, m test clouds, E embedding width
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Values of C for each scaling of the features; "raw" ones are divided by their root mean square norm.
DEFAULT_COSTS = {
    "standardized": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "raw": (1.0, 10.0, 100.0, 1000.0, 10000.0),
}
# Steps per pair of classes. With a large C and classes that overlap, libsvm could go on for hours; a machine
# that has not converged by then is scored as it is.
MOST_STEPS = 50_000


@dataclass(frozen=True, eq=False)
class LinearMachine:
    """A fitted linear SVM with its scaling of the features.

    Attributes:
        scaling: scaling of the features chosen on the training part.
        cost: C chosen on the training part.
        cross_validation: mean accuracy on the training part for each scaling and C.
    """

    scaling: str
    cost: float
    cross_validation: dict[str, float]
    _scaled_nE: NDArray[np.float64]
    _shift_E: NDArray[np.floating]
    _scale_E: NDArray[np.floating]
    _machine: Any

    def predict(self, test_mE: NDArray[np.floating]) -> NDArray[np.int64]:
        """Returns the (m,) classes of (m, E) features."""
        scaled_mE = np.asarray((test_mE - self._shift_E) / self._scale_E, np.float64)
        return np.asarray(self._machine.predict(scaled_mE @ self._scaled_nE.T))

    def score(self, test_mE: NDArray[np.floating], test_labels_m: NDArray[np.integer]) -> float:
        """Returns the accuracy on (m, E) features."""
        return float((self.predict(test_mE) == test_labels_m).mean())


def fit_linear_svm(
    train_nE: NDArray[np.floating],
    train_labels_n: NDArray[np.integer],
    *,
    costs: Mapping[str, Sequence[float]] | None = None,
    folds: int = 5,
    seed: int = 0,
    jobs: int = 1,
) -> LinearMachine:
    """Fits a linear SVM, its scaling of the features and C chosen by cross-validation.

    The kernel matrix is computed once per scaling and shared by all fits, which changes only the time. A fit
    ends after 50,000 steps per pair of classes.

    Args:
        train_nE: (n, E) features to fit on.
        train_labels_n: (n,) their classes.
        costs: values of C to choose from for the scalings "standardized" and "raw".
        folds: stratified folds of the cross-validation.
        seed: seed of the folds.
        jobs: number of parallel fits.

    Returns:
        The machine.

    Raises:
        ImportError: scikit-learn is missing; install `crossjepa[eval]`.
    """
    sklearn = import_sklearn()
    splits = sklearn.model_selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores: dict[tuple[str, float], float] = {}
    for scaling, values in (costs or DEFAULT_COSTS).items():
        scaled_nE, _ = scale_features(train_nE, train_nE[:0], scaling)
        machine = sklearn.svm.SVC(kernel="precomputed", cache_size=1000, max_iter=MOST_STEPS)
        search = sklearn.model_selection.GridSearchCV(
            machine, {"C": list(values)}, cv=splits, n_jobs=jobs, refit=False
        )
        with _threads_without_warnings():
            search.fit(scaled_nE @ scaled_nE.T, train_labels_n)
        for cost, score in zip(values, search.cv_results_["mean_test_score"], strict=True):
            scores[scaling, cost] = float(score)
    scaling, cost = max(scores, key=lambda choice: scores[choice])
    machine = fit_fixed_svm(train_nE, train_labels_n, scaling, cost)
    validation = {f"{name} {value:g}": score for (name, value), score in scores.items()}
    return replace(machine, cross_validation=validation)


def fit_fixed_svm(
    train_nE: NDArray[np.floating], train_labels_n: NDArray[np.integer], scaling: str, cost: float
) -> LinearMachine:
    """Fits a linear SVM with a known scaling and C.

    Args:
        train_nE: (n, E) features to fit on.
        train_labels_n: (n,) their classes.
        scaling: "standardized" or "raw".
        cost: C.

    Returns:
        The machine.

    Raises:
        ImportError: scikit-learn is missing; install `crossjepa[eval]`.
    """
    machine = import_sklearn().svm.SVC(kernel="precomputed", C=cost, max_iter=MOST_STEPS)
    scaled_nE, _ = scale_features(train_nE, train_nE[:0], scaling)
    with _threads_without_warnings():
        machine.fit(scaled_nE @ scaled_nE.T, train_labels_n)
    return LinearMachine(scaling, cost, {}, scaled_nE, *_scaling(train_nE, scaling), machine)


@contextmanager
def _threads_without_warnings() -> Iterator[None]:
    """Runs fits in threads, which share the kernel matrix, without warnings of ends at `MOST_STEPS`."""
    from joblib import parallel_config
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), parallel_config(backend="threading"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def scale_features(
    train_nE: NDArray[np.floating], test_mE: NDArray[np.floating], scaling: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scales features by statistics of the training part.

    Args:
        train_nE: (n, E) features of the training part.
        test_mE: (m, E) features of the test part.
        scaling: "standardized" for mean 0 and deviation 1 of each channel, "raw" for one factor for all.

    Returns:
        Both, scaled, as float64.

    Raises:
        ValueError: the scaling has another name.
    """
    shift_E, scale_E = _scaling(train_nE, scaling)
    train, test = (np.asarray((part - shift_E) / scale_E, np.float64) for part in (train_nE, test_mE))
    return train, test


def import_sklearn() -> Any:
    """Returns scikit-learn with the modules that the probes need.

    Raises:
        ImportError: scikit-learn is missing; install `crossjepa[eval]`.
    """
    try:
        import sklearn.exceptions
        import sklearn.linear_model
        import sklearn.model_selection
        import sklearn.preprocessing
        import sklearn.svm
    except ImportError as error:
        raise ImportError("this protocol needs scikit-learn: pip install 'crossjepa[eval]'") from error
    return sklearn


def _scaling(
    train_nE: NDArray[np.floating], scaling: str
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Returns what to subtract from the features, and what to divide them by."""
    if scaling == "standardized":
        return train_nE.mean(axis=0), train_nE.std(axis=0) + 1e-6
    if scaling == "raw":
        norms_n = np.linalg.norm(train_nE, axis=1)
        return np.zeros(train_nE.shape[1]), np.array(np.sqrt((norms_n**2).mean()))
    raise ValueError(f"scaling must be 'standardized' or 'raw', not {scaling!r}")
