"""What a fine-tuned model answers: classes of clouds, parts of points.

B clouds, N points, M sampled points, K classes, P parts of all classes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.batching import EvaluationMode, as_list, batch_starts, pad
from crossjepa.config import Axis, HeadConfig, Task
from crossjepa.io import Mesh
from crossjepa.models.heads import ClassificationHead, LevelFeatures, PartHead
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.processor import PointCloudProcessor, Source, load

POINTS_PER_CHUNK = 65536
VOTE_STRETCH = 0.2


class NoHeadError(ValueError):
    """A question that a model has no head for; the message says how to get one."""


@dataclass(frozen=True)
class Prediction:
    """The class of a cloud.

    Attributes:
        label: name of the most probable class.
        probability: its probability.
        probabilities: those of all classes by name, most probable first.
    """

    label: str
    probability: float
    probabilities: dict[str, float] = field(repr=False)


@dataclass(frozen=True, eq=False)
class PartPrediction:
    """The parts of a cloud's points.

    Attributes:
        parts_N: (N,) int64 part of every point or vertex, in the order of the input.
        probabilities_N: (N,) float32 probability of that part among those of the class.
        part_names: names by number.
    """

    parts_N: NDArray[np.int64]
    probabilities_N: NDArray[np.float32]
    part_names: tuple[str, ...]

    @property
    def names_N(self) -> NDArray[np.str_]:
        """(N,) names of the parts."""
        return np.array(self.part_names, dtype=str)[self.parts_N]


class PredictingTransformer(PointEncoder):
    """A point encoder that can carry a head; `CrossJEPAEncoder` is one."""

    processor: PointCloudProcessor
    head: ClassificationHead | PartHead | None

    @property
    def head_config(self) -> HeadConfig | None:
        """What the head answers, None without a head."""
        raise NotImplementedError

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the head knows, () without a head."""
        return self.head_config.classes if self.head_config else ()

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts that the head knows, () without a part segmentation head."""
        return self.head_config.part_names if self.head_config else ()

    def predict(
        self,
        sources: Source | Sequence[Source],
        *,
        votes: int = 1,
        batch_size: int = 32,
        up_axis: Axis | None = None,
        progress: bool | None = None,
    ) -> Prediction | list[Prediction]:
        """Names the class of clouds and meshes, with probabilities.

        Args:
            sources: files, arrays, tensors, `PointCloud`s or `Mesh`es, as in `encode`.
            votes: passes over differently stretched copies whose probabilities are averaged.
            batch_size: clouds a pass through the network.
            up_axis: the axis that points up in the data; by default that of the clouds it was fine-tuned on.
            progress: show a progress bar; by default when there are more than four batches.

        Returns:
            A `Prediction` an input in their order; for a single input, just that.

        Raises:
            NoHeadError: the model was not fine-tuned for classification.
            PointCloudError: an input cannot be used; the message names it and the reason.

        Example:
            >>> CrossJEPAEncoder.from_pretrained("my_model").predict("chair.obj")
            Prediction(label='chair', probability=0.97)
        """
        listed, single = as_list(sources)
        probabilities_nK = self.predict_proba(
            listed, votes=votes, batch_size=batch_size, up_axis=up_axis, progress=progress
        )
        answers = [_named(row_K, self.classes) for row_K in probabilities_nK]
        return answers[0] if single else answers

    @torch.inference_mode()
    def predict_proba(
        self,
        sources: Source | Sequence[Source],
        *,
        votes: int = 1,
        batch_size: int = 32,
        up_axis: Axis | None = None,
        progress: bool | None = None,
    ) -> NDArray[np.float32]:
        """Returns the probabilities of `predict` as a table: (n, K) float32, columns as in `classes`."""
        self._require("classification")
        listed, single = as_list(sources)
        up_axis = up_axis or self._up_axis
        rows = [np.zeros((0, len(self.classes)), np.float32)]
        for start in batch_starts(len(listed), batch_size, progress, "predict"):
            batch = [self.processor(source, up_axis=up_axis) for source in listed[start : start + batch_size]]
            rows.append(self.classify_preprocessed(batch, votes=votes).cpu().numpy())
        probabilities_nK: NDArray[np.float32] = np.concatenate(rows)
        return probabilities_nK[0] if single else probabilities_nK

    @torch.inference_mode()
    def classify_preprocessed(self, clouds: Sequence[Tensor], *, votes: int = 1) -> Tensor:
        """Classifies one batch of clouds that `preprocess` returned.

        Args:
            clouds: (N_i, 3) float32 tensors.
            votes: as in `predict`.

        Returns:
            (n, K) float32 probabilities.
        """
        head = self._require("classification")
        assert isinstance(head, ClassificationHead)
        device = self.norm.weight.device
        points_BN3, mask_BN = pad(clouds)
        points_BN3, mask_BN = points_BN3.to(device), None if mask_BN is None else mask_BN.to(device)
        total_BK = torch.zeros(len(clouds), len(self.classes), device=device)
        with EvaluationMode(self):
            for stretch_3 in vote_stretches(votes):
                scores_BK = head(head.read(self, points_BN3 * stretch_3.to(device), mask_BN))
                total_BK += scores_BK.float().softmax(dim=-1)
        return total_BK / votes

    @torch.inference_mode()
    def predict_parts(
        self, source: Source, label: str | None = None, *, votes: int = 1, up_axis: Axis | None = None
    ) -> PartPrediction:
        """Names the part of every original point of a cloud, or of every vertex of a mesh.

        Args:
            source: a file, an (N, 3) or wider array or tensor, a `PointCloud` or a `Mesh`.
            label: class of the object, which the head takes as known; may be left out where there is but one.
            votes: as in `predict`.
            up_axis: the axis that points up in the data; by default that of the clouds it was fine-tuned on.

        Returns:
            A part a point, in the order of the input.

        Raises:
            NoHeadError: the model was not fine-tuned for part segmentation.
            ValueError: the class is unknown or was left out; the message lists the known ones.
            PointCloudError: the input cannot be used; the message names it and the reason.
        """
        self._require("partseg")
        number, up_axis = self._class_number(label), up_axis or self._up_axis
        shape = load(source)
        sampled_M3, frame = self.processor.sample(shape, up_axis=up_axis)
        original_N3 = shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3
        queries_N3 = torch.from_numpy(frame.apply(self.processor.turn_up(original_N3, up_axis)))
        points_M3 = torch.from_numpy(frame.apply(sampled_M3))
        parts_N, probabilities_N = self.segment_preprocessed(points_M3, queries_N3, number, votes=votes)
        return PartPrediction(parts_N.numpy(), probabilities_N.numpy(), self.part_names)

    @torch.inference_mode()
    def segment_preprocessed(
        self, points_M3: Tensor, queries_N3: Tensor, label: int, *, votes: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Segments points in the frame of one cloud that `preprocess` returned.

        Args:
            points_M3: (M, 3) float32 cloud.
            queries_N3: (N, 3) float32 points to label.
            label: number of its class.
            votes: as in `predict`.

        Returns:
            parts_N: (N,) int64 most probable part of the class, on the CPU.
            probabilities_N: (N,) float32 its probability among the parts of the class.
        """
        head = self._require("partseg")
        assert isinstance(head, PartHead) and self.head_config
        device = self.norm.weight.device
        allowed = torch.tensor(self.head_config.class_parts[label])
        total = torch.zeros(len(queries_N3), len(allowed))
        label_1 = torch.tensor([label], device=device)
        with EvaluationMode(self):
            for stretch_3 in vote_stretches(votes):
                features: LevelFeatures = head.read(self, (points_M3 * stretch_3).unsqueeze(0).to(device))
                chunks = [
                    head(features, chunk_Q3.unsqueeze(0).to(device), label_1)[0].float().cpu()
                    for chunk_Q3 in torch.split(queries_N3 * stretch_3, POINTS_PER_CHUNK)
                ]
                total += torch.cat(chunks)[:, allowed].softmax(dim=-1)
        probabilities_N, best_N = (total / votes).max(dim=-1)
        return allowed[best_N], probabilities_N

    def _require(self, task: Task) -> ClassificationHead | PartHead:
        if self.head is None or self.head_config is None:
            raise NoHeadError(
                "this encoder has no head and can only encode: fine-tune it first, "
                "`crossjepa finetune DATA -o FOLDER`, and load that folder"
            )
        if self.head_config.task != task:
            verb = "predict_parts" if self.head_config.task == "partseg" else "predict"
            raise NoHeadError(f"this model was fine-tuned for {self.head_config.task}: use {verb}()")
        return self.head

    @property
    def _up_axis(self) -> Axis | None:
        """Files to be named are taken to stand like those that were learned from."""
        return self.head_config.up_axis if self.head_config else None

    def _class_number(self, label: str | None) -> int:
        if label is None and len(self.classes) == 1:
            return 0
        if label not in self.classes:
            raise ValueError(
                f"label must be the class of the object, one of {list(self.classes)}, not {label!r}"
            )
        return self.classes.index(label)


def vote_stretches(votes: int) -> list[Tensor]:
    """Returns a (3,) factor an axis for every vote: first none, then always the same draws.

    Raises:
        ValueError: there is no vote.
    """
    if votes < 1:
        raise ValueError(f"votes must be at least 1, not {votes}")
    drawn = np.random.default_rng(0).uniform(1 - VOTE_STRETCH, 1 + VOTE_STRETCH, (votes - 1, 3))
    return [torch.ones(3), *torch.from_numpy(drawn.astype(np.float32))]


def _named(probabilities_K: NDArray[np.float32], classes: tuple[str, ...]) -> Prediction:
    order = np.argsort(-probabilities_K, kind="stable")
    ranked = {classes[number]: float(probabilities_K[number]) for number in order}
    label = next(iter(ranked))
    return Prediction(label, ranked[label], ranked)
