"""Few-shot classification by fine-tuning the whole encoder on the support of every fold."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from crossjepa.config import HeadConfig
from crossjepa.evaluate.context import Session
from crossjepa.evaluate.features import EncoderFeatures

if TYPE_CHECKING:
    from crossjepa.evaluate.fewshot import Fold
    from crossjepa.train.finetune import FinetuneConfig

TEST_BATCH = 32


def recipe_of(session: Session) -> FinetuneConfig:
    """Returns the schedule: fixed, since a few clouds cannot spare any for validation."""
    from crossjepa.train.finetune import FinetuneConfig

    untrained = session.extractor.name.startswith("untrained, seed")  # see find_extractor
    epochs = 40 if untrained else 10
    return FinetuneConfig(
        from_scratch=untrained, frozen_epochs=60, epochs=epochs, validation_share=0.0, seed=session.seed
    )


def describe_tuning(session: Session) -> dict[str, Any]:
    """Says what is done to every fold."""
    config = recipe_of(session)
    head = "" if config.from_scratch else f"the head for {config.frozen_epochs} epochs, then "
    return {
        "classifier": f"{head}the whole network for {config.epochs} epochs, the last one taken",
        "learning rate": config.scratch_learning_rate if config.from_scratch else config.learning_rate,
        "batch size": config.batch_size,
    }


def score_tuned(session: Session, fold: Fold) -> float:
    """Fine-tunes a copy of the encoder on the support and returns its accuracy on the queries.

    Raises:
        ValueError: the features do not come from an encoder.
    """
    from crossjepa.train.finetune.clouds import LabeledClouds
    from crossjepa.train.finetune.trainer import FinetuneOptions, Finetuner

    extractor = session.extractor
    if not isinstance(extractor, EncoderFeatures):
        raise ValueError(f"{extractor.name} has no weights to fine-tune")
    encoder, dataset = copy.deepcopy(extractor.encoder), session.dataset
    classes = np.unique(session.labels(fold.support_n))

    def clouds_of(places: np.ndarray[Any, np.dtype[np.int64]]) -> LabeledClouds:
        points = [
            encoder.preprocess(dataset[place].points_N3, up_axis=dataset.up_axis) for place in places.tolist()
        ]
        return LabeledClouds(
            tuple(points), torch.from_numpy(np.searchsorted(classes, session.labels(places)))
        )

    config = recipe_of(session)
    torch.manual_seed(session.seed)
    head = HeadConfig(
        "classification", tuple(map(str, classes)), hidden=config.hidden, dropout=config.dropout
    )
    encoder.reset_classifier(head)
    options = FinetuneOptions(device=str(encoder.device), progress=False)
    support, queries = clouds_of(fold.support_n), clouds_of(fold.queries_m)
    nothing = support.select(np.zeros(0, np.int64))
    Finetuner(encoder, support, nothing, config, None, options).train()
    probabilities_nK = encoder.predict_proba(queries.prepared(), batch_size=TEST_BATCH, progress=False)
    found_n = torch.from_numpy(probabilities_nK.argmax(axis=1))
    return float((found_n == queries.labels_n).float().mean())
