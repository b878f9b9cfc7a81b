"""A part for every point.

B clouds, N points, Q query points, G groups, C encoder width, P parts of all classes
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossjepa.batching import batch_starts
from crossjepa.config import EncoderConfig, HeadConfig
from crossjepa.datasets import Dataset
from crossjepa.datasets.part_metrics import Parts, PartScores, most_likely_parts, part_scores
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.heads import HeadFeatures, LevelFeatures
from crossjepa.result import Outcome, Predictions
from crossjepa.train.finetune.augment import Augmentation
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.splits import learnable
from crossjepa.train.finetune.tasks.task import Generators, Score, Task


class PartSegmentationTask(Task):
    """Names the part of every point; scored by instance mIoU, ties by the share of right points."""

    with_parts = True
    features = LevelFeatures

    def select_learnable(self, dataset: Dataset) -> Dataset:
        """Leaves out clouds of classes without training clouds; there must be part labels."""
        if not dataset.part_names:
            raise ValueError(
                f"{dataset.name} has no part labels: --task partseg needs ShapeNetPart's format or an npz "
                "with part_labels (see `crossjepa data list clouds`)"
            )
        return learnable(dataset, only_seen=False)

    def head_config(self, dataset: Dataset, clouds: LabeledClouds) -> HeadConfig:
        """Returns a head for the parts of the data set."""
        names, numbers = dataset.part_names, class_parts(dataset, clouds)
        head = asdict(self.config.head)
        return HeadConfig("partseg", dataset.classes, names, numbers, up_axis=dataset.up_axis, **head)

    def draw_targets(
        self, clouds: LabeledClouds, rows: Sequence[int], augmentation: Augmentation, queries: Generators
    ) -> tuple[Tensor, Tensor]:
        """Draws query points, and returns them and their parts."""
        count = self.config.data.query_points
        index_BQ = [
            torch.from_numpy(generator.integers(0, len(clouds.parts[row]), count))
            for row, generator in zip(rows, queries, strict=True)
        ]
        queries_BQ3, parts_BQ = (
            torch.stack([values[row][index_Q] for row, index_Q in zip(rows, index_BQ, strict=True)])
            for values in (clouds.queries, clouds.parts)
        )
        return augmentation.with_noise_of(queries)(queries_BQ3), parts_BQ

    def packed_bytes(self, encoder: EncoderConfig) -> int:
        """Returns the memory of tokens of three depths in half precision, their centers and their mask."""
        return encoder.num_groups * (2 * 3 * encoder.width + 4 * 3 + 1)

    def pack(self, features: HeadFeatures) -> dict[str, Tensor]:
        """Returns the tokens in half precision, which takes half the memory, and the rest as it is."""
        values = features._asdict()
        return {**values, "levels_BGD": values["levels_BGD"].half()}

    def score(
        self, encoder: CrossJEPAEncoder, features: Sequence[HeadFeatures], clouds: LabeledClouds
    ) -> Score:
        """Scores the head on all original points of clouds whose features are known."""
        singles = [
            LevelFeatures(*(value[row : row + 1] for value in batch))
            for batch in features
            for row in range(len(batch[0]))
        ]
        predicted, model = [], evaluation_view(encoder)
        with torch.no_grad():
            for row, label in enumerate(clouds.labels_n.tolist()):
                queries_1N3 = clouds.queries[row].unsqueeze(0).to(encoder.device)
                label_1 = torch.tensor([label], device=encoder.device)
                scores_1NP = model.forward_head(singles[row], queries_1N3, label_1)
                numbers_NP = scores_1NP[0].float().cpu().numpy()
                predicted.append(most_likely_parts(numbers_NP, encoder.class_parts[label]))
        scores = _score_parts(encoder, predicted, clouds)
        return Score(scores.instance_miou, scores.accuracy)

    def log_values(self, score: Score) -> dict[str, float]:
        """Returns mIoU and accuracy."""
        return {"validation_miou": score.value, "validation_accuracy": score.tie}

    def test(
        self, encoder: CrossJEPAEncoder, clouds: LabeledClouds, folder: Path, progress: bool | None
    ) -> Outcome:
        """Segments all original points of every cloud."""
        metrics: dict[str, float] = {}
        rows: list[dict[str, Any]] = []
        predictions = None
        labels, prepared = clouds.labels_n.tolist(), clouds.prepared()
        for votes in sorted({1, self.config.data.votes}):
            predicted = [
                encoder.predict_parts(prepared[place], encoder.classes[labels[place]], votes=votes).parts_N
                for place in batch_starts(len(clouds), 1, progress, "test")
            ]
            scores = _score_parts(encoder, predicted, clouds)
            ending = "" if votes == 1 else f"_{votes}_votes"
            metrics[f"instance_miou{ending}"] = scores.instance_miou
            metrics[f"class_miou{ending}"] = scores.class_miou
            metrics[f"accuracy{ending}"] = scores.accuracy
            if votes == 1:
                scores_n = np.array(scores.by_shape)
                truth_n = clouds.labels_n.numpy()
                predictions = Predictions(np.arange(len(clouds)), truth_n, truth_n, encoder.classes, scores_n)
                rows = [
                    {"class": encoder.classes[label], "test": labels.count(label), "miou": miou}
                    for label, miou in scores.by_class.items()
                ]
        settings = {
            "class": "known, as in the field's protocol: only its own parts compete",
            "absent parts": "a part neither present nor predicted counts as 1",
            "points": "all original points of a cloud",
        }
        return Outcome(metrics, rows, settings, predictions)


def class_parts(dataset: Dataset, clouds: LabeledClouds) -> tuple[tuple[int, ...], ...]:
    """Returns the parts of every class: those that the data set names, otherwise those that its clouds have.

    Parts of other classes must not be counted: absent from truth and answer alike, each would score 1.

    Raises:
        ValueError: a cloud has a part of another class.
    """
    found: dict[int, set[int]] = {}
    for label, parts_N in zip(clouds.labels_n.tolist(), clouds.parts, strict=True):
        found.setdefault(label, set()).update(torch.unique(parts_N).tolist())
    everything = tuple(range(len(dataset.part_names)))
    answer = []
    for label, name in enumerate(dataset.classes):
        seen = found.get(label, set())
        named = dataset.class_parts.get(label)
        strange = sorted(seen - set(named or everything))
        if strange:
            raise ValueError(
                f"{dataset.name}: clouds of class {name!r} have parts of others: "
                f"{[dataset.part_names[part] for part in strange]}"
            )
        answer.append(named or tuple(sorted(seen)) or everything)
    return tuple(answer)


def _score_parts(encoder: CrossJEPAEncoder, predicted: Sequence[Parts], clouds: LabeledClouds) -> PartScores:
    truths = [parts_N.numpy() for parts_N in clouds.parts]
    of_classes = dict(enumerate(encoder.class_parts))
    return part_scores(predicted, truths, clouds.labels_n.tolist(), of_classes)
