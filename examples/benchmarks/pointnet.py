"""A PointNet from random weights: the simple reference beside `crossjepa finetune`.

    python examples/benchmarks/pointnet.py DATA -o FOLDER [--task partseg] [--epochs 60] [--per-class 20]

Data, division, preprocessing, augmentation, loss, choice of the epoch on validation clouds, and the one test
are those of `crossjepa finetune`, and so is the form of FOLDER/result.json. The network is that of Qi et al.,
PointNet, CVPR 2017, without its two alignment networks: layers of 64, 64, 64, 128 and 1,024 on every point,
their maximum, and 512 and 256 on it; for parts, layers of 512, 256 and 128 on points of 64, 128 and 1,024
channels, the maximum and the class.

B clouds, N points, Q query points, K classes, P parts
"""

from __future__ import annotations

import argparse
import copy
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossjepa.batching import pad
from crossjepa.config import Axis
from crossjepa.datasets.part_metrics import part_scores
from crossjepa.files import write_json
from crossjepa.result import Result, versions
from crossjepa.train.common.optim import Rate, learning_rate
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.augment import QUERY, SHAPE, generators
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.data import open_data, read_clouds
from crossjepa.train.finetune.run import start_encoder
from crossjepa.train.finetune.splits import epoch_batches, split_dataset
from crossjepa.train.finetune.tasks import Task, make_task
from crossjepa.train.finetune.trainer import dropout_seed

TEST_BATCH = 32


class PointLayers(nn.Sequential):
    """Linear layers with batch norm and ReLU on the last axis, whatever the others are."""

    def __init__(self, *widths: int, dropout: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
        super().__init__(*layers)

    def forward(self, values: Tensor) -> Tensor:
        """Maps (..., first width) to (..., last width)."""
        flat = values.flatten(0, -2)
        for layer in self:
            flat = layer(flat)
        return flat.view(*values.shape[:-1], -1)


class PointNet(nn.Module):
    """Scores of classes, or of the parts of every query point."""

    def __init__(self, num_classes: int, num_parts: int, dropout: float) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.low, self.middle, self.high = (
            PointLayers(3, 64, 64), PointLayers(64, 64, 128), PointLayers(128, 1024),
        )  # fmt: skip
        if num_parts:
            widths = (64 + 128 + 1024 + 1024 + num_classes, 512, 256, 128)
            self.head, self.out = PointLayers(*widths), nn.Linear(128, num_parts)
        else:
            self.head, self.out = PointLayers(1024, 512, 256, dropout=dropout), nn.Linear(256, num_classes)

    def forward(
        self, points_BN3: Tensor, mask_BN: Tensor | None, label_B: Tensor, queries_BQ3: Tensor | None
    ) -> Tensor:
        """Returns (B, K) scores, or (B, Q, P) if there are query points."""
        if mask_BN is not None:  # repeated points move no maximum, and batch norms see real points only
            points_BN3 = torch.where(mask_BN.unsqueeze(-1), points_BN3, points_BN3[:, :1])
        whole_BC = self._levels(points_BN3)[-1].amax(dim=1)
        if queries_BQ3 is None:
            return self.out(self.head(whole_BC))  # type: ignore[no-any-return]
        one_hot_BK = F.one_hot(label_B, self.num_classes).to(whole_BC.dtype)
        summary_BC = torch.cat([whole_BC, one_hot_BK], dim=-1)
        spread_BQC = summary_BC.unsqueeze(1).expand(-1, queries_BQ3.shape[1], -1)
        return self.out(self.head(torch.cat([*self._levels(queries_BQ3), spread_BQC], dim=-1)))  # type: ignore[no-any-return]

    def _levels(self, points_BN3: Tensor) -> list[Tensor]:
        low = self.low(points_BN3)
        middle = self.middle(low)
        return [low, middle, self.high(middle)]


@torch.no_grad()
def predict(network: PointNet, clouds: LabeledClouds, class_parts: dict[int, tuple[int, ...]]) -> list[Any]:
    """Returns the class of every cloud, or the parts of its original points."""
    network.eval()
    if not clouds.parts:
        batches = []
        for start in range(0, len(clouds), TEST_BATCH):
            points_BN3, mask_BN = pad(clouds.points[start : start + TEST_BATCH])
            labels_B = clouds.labels_n[start : start + TEST_BATCH]
            batches.append(network(points_BN3, mask_BN, labels_B, None).argmax(dim=1))
        return torch.cat(batches).tolist()
    found = []
    for points_M3, queries_N3, label in zip(clouds.points, clouds.queries, clouds.labels_n, strict=True):
        scores_NP = network(points_M3[None], None, label[None], queries_N3[None])[0]
        allowed = torch.tensor(class_parts[int(label)])
        found.append(allowed[scores_NP[:, allowed].argmax(dim=1)].numpy())
    return found


def score(
    network: PointNet, clouds: LabeledClouds, class_parts: dict[int, tuple[int, ...]]
) -> dict[str, float]:
    """Accuracy, or the means of the parts' intersection over union."""
    predicted = predict(network, clouds, class_parts)
    if not clouds.parts:
        return {"accuracy": float(np.mean(np.array(predicted) == clouds.labels_n.numpy()))}
    truth = [parts_N.numpy() for parts_N in clouds.parts]
    found = part_scores(predicted, truth, clouds.labels_n.tolist(), class_parts)
    return {"instance_miou": found.instance_miou, "class_miou": found.class_miou, "accuracy": found.accuracy}


def train(
    network: PointNet, clouds: LabeledClouds, validation: LabeledClouds,
    task: Task, up_axis: Axis, class_parts: dict[int, tuple[int, ...]],
) -> int:  # fmt: skip
    """Trains with AdamW on a warm-up and a cosine, and returns the epoch whose weights it leaves."""
    seed, optim, schedule = task.config.seed, task.config.optim, task.config.schedule
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=optim.weight_decay)
    steps = schedule.epochs * len(epoch_batches(seed, 0, len(clouds), optim.batch_size))
    rate = Rate(optim.learning_rate, warmup_steps=round(optim.warmup_share * steps))
    best, best_epoch, weights, done = -1.0, 0, copy.deepcopy(network.state_dict()), 0
    for epoch in range(schedule.epochs):
        network.train()
        for row_B in epoch_batches(seed, epoch, len(clouds), optim.batch_size):
            rows = row_B.tolist()
            shapes, queries = (generators(seed, kind, epoch, rows) for kind in (SHAPE, QUERY))
            batch = task.make_batch(clouds, rows, up_axis, shapes, queries)
            torch.manual_seed(dropout_seed(seed, epoch, done))
            scores = network(batch.points_BN3, batch.mask_BN, batch.label_B, batch.queries_BQ3)
            optimizer.zero_grad()
            torch.autograd.backward(task.loss(scores, batch, None))
            nn.utils.clip_grad_norm_(network.parameters(), optim.gradient_clip)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(rate, done, steps)
            optimizer.step()
            done += 1
        figures = score(network, validation, class_parts)
        value = figures.get("instance_miou", figures["accuracy"])
        if value > best:
            best, best_epoch, weights = value, epoch + 1, copy.deepcopy(network.state_dict())
        if epoch + 1 - best_epoch >= schedule.patience:
            break
    network.load_state_dict(weights)
    return best_epoch


def main() -> None:
    """Trains, tests once, and prints the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--data-set", metavar="NAME", help="which data set it is, see `crossjepa data list`")
    parser.add_argument("--task", default="classification", choices=("classification", "partseg"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--patience", type=int, default=15)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--per-class", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--up-axis", default="", choices=("x", "y", "z"), help="if the data set does not say")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    others = ("data", "data_set", "output", "json")
    changes = {key: value for key, value in vars(options).items() if key not in others}
    config = FinetuneConfig.of(from_scratch=True, **changes)
    task = make_task(config)
    started = time.perf_counter()
    encoder = start_encoder(config)
    dataset = open_data(options.data, task, encoder.processor, options.data_set)
    split = split_dataset(dataset, config.data.validation_share, config.data.test_share, config.seed)
    clouds = read_clouds(dataset, encoder.processor, with_parts=task.with_parts, progress=False)
    head = task.head_config(dataset, clouds)
    class_parts = dict(enumerate(head.class_parts))
    torch.manual_seed(config.seed)
    network = PointNet(len(head.classes), len(head.part_names), head.dropout)
    best_epoch = train(
        network, clouds.select(split.train_n), clouds.select(split.validation_n),
        task, encoder.processor.config.up_axis, class_parts,
    )  # fmt: skip
    result = Result(
        protocol=f"pointnet-{config.task}",
        description="PointNet from random weights; the epoch chosen on validation clouds, tested once",
        metrics=score(network, clouds.select(split.test_n), class_parts) if len(split.test_n) else {},
        table=[],
        settings={**config.flat(), "model": "pointnet", "best epoch": best_epoch},
        model={"name": "pointnet", "parameters": sum(value.numel() for value in network.parameters())},
        data={
            "name": dataset.name, "checksum": dataset.checksum(), "division": split.rule,
            "train": len(split.train_n), "validation": len(split.validation_n), "test": len(split.test_n),
        },
        versions=versions(),
        seconds={"all": time.perf_counter() - started},
        seed=config.seed,
    )  # fmt: skip
    options.output.mkdir(parents=True, exist_ok=True)
    write_json(options.output / "result.json", result.to_dict())
    print(result.to_json() if options.json else result.to_text())


if __name__ == "__main__":
    main()
