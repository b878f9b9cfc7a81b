"""Classes of whole clouds.

n clouds, B clouds of a batch, K classes
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.config import EncoderConfig, HeadConfig
from crossjepa.datasets import Dataset
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.heads import HeadFeatures, PooledFeatures
from crossjepa.result import Outcome, Predictions
from crossjepa.train.finetune.augment import Augmentation
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.report import class_rows, confusion_matrix, write_confusion
from crossjepa.train.finetune.splits import learnable
from crossjepa.train.finetune.tasks.task import Generators, Score, Task

TEST_BATCH = 32
# Share of right answers that may be called unknown.
REJECTED = 0.05


class ClassificationTask(Task):
    """Names the class of a cloud; scored by accuracy, ties by the mean loss."""

    with_parts = False
    features = PooledFeatures

    def select_learnable(self, dataset: Dataset) -> Dataset:
        """Leaves out classes without training clouds; two must remain."""
        dataset = learnable(dataset)
        if len(dataset.classes) < 2:
            raise ValueError(f"{dataset.name} has only the class {list(dataset.classes)}; two are needed")
        return dataset

    def head_config(self, dataset: Dataset, clouds: LabeledClouds) -> HeadConfig:
        """Returns a head for the classes of the data set."""
        head = asdict(self.config.head)
        return HeadConfig("classification", dataset.classes, up_axis=dataset.up_axis, **head)

    def draw_targets(
        self, clouds: LabeledClouds, rows: Sequence[int], augmentation: Augmentation, queries: Generators
    ) -> tuple[None, Tensor]:
        """Returns no query points, and the classes."""
        return None, clouds.labels_n[list(rows)]

    def packed_bytes(self, encoder: EncoderConfig) -> int:
        """Returns the memory of a maximum and a mean in float32."""
        return 4 * 2 * encoder.width

    def score(
        self, encoder: CrossJEPAEncoder, features: Sequence[HeadFeatures], clouds: LabeledClouds
    ) -> Score:
        """Scores the head on clouds whose features are known."""
        model = evaluation_view(encoder)
        with torch.no_grad():
            scores_nK = torch.cat([model.forward_head(batch) for batch in features]).float().cpu()
        right = (scores_nK.argmax(dim=1) == clouds.labels_n).float().mean()
        return Score(float(right), -float(F.cross_entropy(scores_nK, clouds.labels_n)))

    def log_values(self, score: Score) -> dict[str, float]:
        """Returns accuracy and loss."""
        return {"validation_accuracy": score.value, "validation_loss": -score.tie}

    def calibrate(self, encoder: CrossJEPAEncoder, clouds: LabeledClouds) -> dict[str, float]:
        """Chooses the probability below which an answer is called unknown.

        Returns:
            `unknown_below`: the probability that 95 % of the right answers about validation clouds reach;
            `unknown_right`: share of these right answers that are rejected; `unknown_wrong`: that of the
            wrong ones, if there are any. Nothing if no answer is right.
        """
        if not len(clouds):
            return {}
        shares_nK = encoder.predict_proba(clouds.prepared(), batch_size=TEST_BATCH, progress=False)
        best_n, right_n = shares_nK.max(axis=1), shares_nK.argmax(axis=1) == clouds.labels_n.numpy()
        if not right_n.any():
            return {}
        below = float(np.quantile(best_n[right_n], REJECTED, method="lower"))
        facts = {"unknown_below": below, "unknown_right": float((best_n[right_n] < below).mean())}
        if not right_n.all():
            facts["unknown_wrong"] = float((best_n[~right_n] < below).mean())
        return facts

    def test(
        self, encoder: CrossJEPAEncoder, clouds: LabeledClouds, folder: Path, progress: bool | None
    ) -> Outcome:
        """Measures the accuracy, and writes confusion.csv and, if matplotlib is installed, confusion.png."""
        truth_n, votes = clouds.labels_n.numpy(), self.config.data.votes

        def shares(votes: int) -> NDArray[np.float32]:
            prepared = clouds.prepared()
            return encoder.predict_proba(prepared, votes=votes, batch_size=TEST_BATCH, progress=progress)

        shares_nK = shares(1)
        single_n = np.asarray(shares_nK.argmax(axis=1))
        confusion_KK = confusion_matrix(truth_n, single_n, len(encoder.classes))
        recalls_K = np.diag(confusion_KK) / np.maximum(confusion_KK.sum(axis=1), 1)
        metrics = {
            "accuracy": float((single_n == truth_n).mean()),
            "balanced_accuracy": float(recalls_K[confusion_KK.sum(axis=1) > 0].mean()),
        }
        if votes > 1:
            metrics[f"accuracy_{votes}_votes"] = float((shares(votes).argmax(axis=1) == truth_n).mean())
        write_confusion(folder, confusion_KK, encoder.classes)
        rows_n, scores_n = np.arange(len(clouds)), shares_nK.max(axis=1)
        predictions = Predictions(rows_n, truth_n, single_n, encoder.classes, scores_n)
        return Outcome(metrics, class_rows(confusion_KK, encoder.classes), predictions=predictions)
