"""A scikit-learn classifier of clouds and meshes, for people with a few labeled files.

n clouds, E embedding width, K classes
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.batching import as_inputs
from crossjepa.config import Axis, HeadConfig
from crossjepa.datasets.memory import from_sources
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.evaluate.probes import LOGISTIC_COSTS, folds_of
from crossjepa.processor import Source, name_in_errors
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions, finetune

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import NotFittedError
except ImportError as missing:
    raise ImportError("CrossJEPAClassifier needs scikit-learn: pip install 'crossjepa[eval]'") from missing

# If a class has a single label, nothing can be validated.
_UNVALIDATED_COST = 0.01


class CrossJEPAClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifies point clouds and meshes from labeled examples.

    Args:
        method: "probe" fits logistic regression on frozen features, in seconds, C by cross-validation;
            "finetune" trains the encoder, too (see `crossjepa.train.finetune`).
        model: what to start from, as `from_pretrained` takes it.
        up_axis: the axis that points up in the data; the one of the weights by default.
        config: recipe of "finetune"; its model, up axis and seed are those given here.
        batch_size: clouds per pass when features and predictions are made.
        random_state: seed of everything.
        device: torch device; "auto" for a GPU if there is one.
        progress: show progress bars.

    Attributes:
        classes_: (K,) the labels of `fit`, sorted.
        encoder_: a `CrossJEPAEncoder` with a head, which `save_pretrained` writes.

    Example:
        >>> classifier = CrossJEPAClassifier().fit(["chair.obj", "table.obj"], ["chair", "table"])
        >>> classifier.predict(["chair.obj"])
        array(['chair'], dtype='<U5')
    """

    def __init__(
        self,
        method: Literal["probe", "finetune"] = "probe",
        model: str | os.PathLike[str] = "crossjepa-base",
        *,
        up_axis: Axis | None = None,
        config: FinetuneConfig | None = None,
        batch_size: int = 32,
        random_state: int = 0,
        device: str = "cpu",
        progress: bool | None = False,
    ) -> None:
        self.method = method
        self.model = model
        self.up_axis = up_axis
        self.config = config
        self.batch_size = batch_size
        self.random_state = random_state
        self.device = device
        self.progress = progress

    def fit(self, X: Sequence[Source], y: Sequence[Any] | NDArray[Any]) -> CrossJEPAClassifier:
        """Learns from labeled clouds, and returns itself.

        Args:
            X: files, (N, 3) arrays or tensors of any sizes, `PointCloud`s or `Mesh`es.
            y: (n,) their labels, strings or numbers.

        Raises:
            ValueError: the numbers of clouds and labels differ, there is only one class, or the method is
                unknown.
            PointCloudError: a cloud cannot be used; the message names it and the reason.
        """
        if self.method not in ("probe", "finetune"):
            raise ValueError(f"method must be 'probe' or 'finetune', not {self.method!r}")
        sources, labels = _listed(X), np.asarray(y)
        if labels.ndim != 1 or len(sources) != len(labels):
            raise ValueError(f"{len(sources)} clouds, but labels of shape {labels.shape}")
        self.classes_, numbers_n = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"at least two classes are needed, not {len(self.classes_)}")
        self.encoder_ = (self._probe if self.method == "probe" else self._finetune)(sources, numbers_n)
        return self

    def predict(self, X: Sequence[Source]) -> NDArray[Any]:
        """Returns the (n,) most probable labels."""
        probabilities_nK = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities_nK.argmax(axis=1)])

    def predict_proba(self, X: Sequence[Source]) -> NDArray[np.float32]:
        """Returns the (n, K) probabilities of the classes, in the order of `classes_`."""
        if not hasattr(self, "encoder_"):
            raise NotFittedError("this CrossJEPAClassifier is not fitted yet: call fit(X, y) first")
        encoder: CrossJEPAEncoder = self.encoder_
        return encoder.predict_proba(
            _listed(X), batch_size=self.batch_size, up_axis=self.up_axis, progress=self.progress
        )

    def _names(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.classes_)

    def _probe(self, sources: list[Source], numbers_n: NDArray[np.int64]) -> CrossJEPAEncoder:
        encoder = CrossJEPAEncoder.from_pretrained(self.model, device=self.device)
        features_nE = encoder.encode(
            sources, pool="max+mean", batch_size=self.batch_size, up_axis=self.up_axis, progress=self.progress
        )
        weight_KE, bias_K = fit_linear_head(features_nE, numbers_n, self.random_state)
        encoder.reset_classifier(HeadConfig("classification", self._names(), hidden=0, up_axis=self.up_axis))
        linear = encoder.get_submodule("head.layers.0")
        state = {"weight": torch.from_numpy(weight_KE), "bias": torch.from_numpy(bias_K)}
        linear.load_state_dict({name: value.float() for name, value in state.items()}, strict=True)
        return encoder.eval()

    def _finetune(self, sources: list[Source], numbers_n: NDArray[np.int64]) -> CrossJEPAEncoder:
        config = (self.config or FinetuneConfig()).change(
            task="classification",
            model=os.fspath(self.model),
            seed=self.random_state,
            test_share=0.0,
            up_axis="",
        )
        start = CrossJEPAEncoder.from_pretrained(self.model).processor.config
        dataset = from_sources(sources, numbers_n, self._names(), processor=start, up_axis=self.up_axis)
        options = FinetuneOptions(device=self.device, progress=bool(self.progress))
        with tempfile.TemporaryDirectory() as folder:
            finetune(dataset, folder, config, options=options)
            return CrossJEPAEncoder.from_pretrained(folder, device=self.device)


def _listed(X: Any) -> list[Source]:
    """Returns the clouds as a list; refuses a single one."""
    is_list_of_paths = isinstance(X, np.ndarray) and X.ndim == 1
    if as_inputs(X)[1] and not is_list_of_paths:
        raise ValueError(f"expected a list of clouds, not a single one ({name_in_errors(X)}): write [it]")
    return list(X)


def fit_linear_head(
    features_nE: NDArray[np.floating], labels_n: NDArray[np.integer], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fits logistic regression to standardized features and writes it as one linear layer on raw ones.

    C is chosen by cross-validation with as many folds as the rarest class allows; if a class has a
    single cloud, C is fixed.

    Args:
        features_nE: (n, E) features.
        labels_n: (n,) classes from 0, each of which occurs.
        seed: seed of the folds.

    Returns:
        weight_KE: (K, E).
        bias_K: (K,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    shift_E, scale_E = features_nE.mean(axis=0), features_nE.std(axis=0) + 1e-6
    scaled_nE = ((features_nE - shift_E) / scale_E).astype(np.float64)
    machine: Any = LogisticRegression(max_iter=1000, C=_UNVALIDATED_COST)
    if np.bincount(labels_n).min() >= 2:
        splits = StratifiedKFold(folds_of(labels_n.astype(np.int64)), shuffle=True, random_state=seed)
        search = GridSearchCV(machine, {"C": list(LOGISTIC_COSTS)}, cv=splits, scoring="neg_log_loss")
        machine = search.fit(scaled_nE, labels_n).best_estimator_
    else:
        machine.fit(scaled_nE, labels_n)
    weight_KE, bias_K = machine.coef_, machine.intercept_
    if len(bias_K) == 1:  # of two classes scikit-learn stores only the scores of the second one
        weight_KE = np.concatenate([np.zeros_like(weight_KE), weight_KE])
        bias_K = np.concatenate([np.zeros(1), bias_K])
    weight_KE = weight_KE / scale_E
    return weight_KE, bias_K - weight_KE @ shift_E
