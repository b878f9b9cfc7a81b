"""The protocols and their names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from crossjepa.datasets import Dataset
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.fewshot import run_fewshot
from crossjepa.evaluate.fewshot_tuned import FINETUNED
from crossjepa.evaluate.knn import run_knn, run_retrieval
from crossjepa.evaluate.label_efficiency import run_label_efficiency
from crossjepa.evaluate.modelnet40_c import run_modelnet40_c
from crossjepa.evaluate.modelnet_c import run_modelnet_c
from crossjepa.evaluate.part_probe import run_part_probe
from crossjepa.evaluate.probes import run_linear, run_logistic, run_published
from crossjepa.evaluate.realscan import run_realscan
from crossjepa.evaluate.robustness import run_robustness
from crossjepa.result import Outcome

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ProtocolOptions(TypedDict, total=False):
    """Options of some protocols.

    Attributes:
        folds: number of folds per setting of a few-shot protocol.
        settings: pairs of ways and shots of a few-shot protocol.
        corrupted: folder of the official files of `modelnet-c` or `modelnet40-c`.
        test_clouds: number of test clouds of these, for a quick look.
        cad: data set of CAD models, for `realscan`.
        class_map: class of the CAD models by class of the scans, for those that differ in name.
    """

    folds: int | None
    settings: Sequence[tuple[int, int]] | None
    corrupted: str | os.PathLike[str] | None
    test_clouds: int | None
    cad: Dataset | None
    class_map: Mapping[str, str] | None


_FEWSHOT, _CORRUPTED = ("folds", "settings"), ("corrupted", "test_clouds")


@dataclass(frozen=True)
class Protocol:
    """A named procedure.

    Attributes:
        name: its name.
        description: what is done, in words.
        run: does it.
        options: options that it takes besides the context, see `ProtocolOptions`.
        division: how it divides the data, if not by their splits.
        folds: folds into which a data set without splits is divided, each a test split once; 0 for one
            random fifth as a test split.
    """

    name: str
    description: str
    run: Callable[..., Outcome]
    options: tuple[str, ...] = ()
    division: str = ""
    folds: int = 0

    def with_options(self, **given: Unpack[ProtocolOptions]) -> Callable[[EvaluationContext], Outcome]:
        """Returns what it does with some options; those that are None stay as the protocol has them.

        Raises:
            ValueError: it has no such option.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        if unknown := [name.replace("_", " ") for name in chosen if name not in self.options]:
            raise ValueError(f"protocol {self.name} has no option {' or '.join(unknown)}")
        return partial(self.run, **chosen)


def _published(name: str, description: str) -> Protocol:
    return Protocol(name, description, partial(run_published, name=name))


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "linear",
            "linear SVM (one against one); scaling and C by 5-fold cross-validation on train",
            run_linear,
        ),
        Protocol(
            "logistic",
            "multinomial logistic regression, standardized; C by 5-fold cross-validation on train",
            run_logistic,
        ),
        _published("crosspoint", "CrossPoint: SVC(linear, C=0.01), raw max+mean, first 1,024 points"),
        _published("point-m2ae", "Point-M2AE, Point-JEPA: SVC(linear, C=0.012), raw max+mean"),
        _published(
            "i2p-mae", "I2P-MAE: SVC(linear), raw max; C=0.0093 on ModelNet40, 0.018 on ScanObjectNN OBJ-BG"
        ),
        _published("recon", "ReCon: LinearSVC(C=0.075), raw"),
        _published("point-mae", "Point-MAE, Point-BERT: LinearSVC(C=1), raw; their probe during training"),
        Protocol(
            "knn", "k nearest neighbors, cosine, standardized; k by leaving one out on train", run_knn
        ),
        Protocol(
            "fewshot",
            "N-way K-shot, frozen, SVC(linear, C=1): support from train, 20 queries per class from test, "
            "10 folds; on Point-BERT's split files, their folds",
            run_fewshot,
            _FEWSHOT,
        ),
        Protocol(
            "fewshot-crosspoint",
            "as fewshot, but with queries from train as well, and 50 folds, as in CrossPoint's code",
            partial(run_fewshot, folds=50, queries_from_train=True),
            _FEWSHOT,
        ),
        Protocol(
            "fewshot-finetuned",
            "as fewshot, but the whole encoder is fine-tuned on every fold; minutes per fold on a CPU",
            partial(run_fewshot, scorer=FINETUNED),
            _FEWSHOT,
        ),
        Protocol(
            "retrieval",
            "every test cloud against all other test clouds, cosine, standardized on train; mAP",
            run_retrieval,
        ),
        Protocol(
            "robustness",
            "linear SVM fitted on clean clouds, tested on rotated, noisy, thinned and cut ones",
            run_robustness,
        ),
        Protocol(
            "modelnet-c",
            "ModelNet-C: linear SVM fitted on clean clouds, 7 corruptions in 5 levels; mCE relative to DGCNN",
            run_modelnet_c,
            _CORRUPTED,
        ),
        Protocol(
            "modelnet40-c",
            "ModelNet40-C: linear SVM fitted on clean clouds, 13 corruptions in 5 severities; mean error",
            run_modelnet40_c,
            _CORRUPTED,
        ),
        Protocol(
            "realscan",
            "scanned objects: logistic regression, 5 folds that keep groups together, 5 times; "
            "and a linear SVM fitted on CAD models (--cad)",
            run_realscan,
            ("cad", "class_map"),
            "5 folds that keep groups together",
        ),
        Protocol(
            "label-efficiency",
            "linear SVM on 1, 5, 10, 50 and 100 % of the labels, nested, 3 subsets each",
            run_label_efficiency,
        ),
        Protocol(
            "partseg-linear",
            "parts from frozen features of points: one ridge classifier per class, whose ridge comes from "
            "cross-validation on train; mIoU over shapes and classes; without splits, 5 folds by class",
            run_part_probe,
            folds=5,
        ),
    )
}  # fmt: skip


def list_protocols() -> list[str]:
    """Lists the names that `evaluate` knows."""
    return list(PROTOCOLS)


def find_protocol(name: str) -> Protocol:
    """Returns a protocol.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; known are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
