"""Few-shot classification by fine-tuning the whole encoder on the support of every fold."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.config import HeadConfig
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import EncoderFeatures
from crossjepa.evaluate.fewshot import Fold, Scorer
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneConfig, FinetuneOptions
from crossjepa.train.finetune.tasks import make_task
from crossjepa.train.finetune.trainer import Finetuner

TEST_BATCH = 32


def recipe_of(context: EvaluationContext) -> FinetuneConfig:
    """Returns the schedule: fixed, since a few clouds cannot spare any for validation.

    Raises:
        ValueError: the features do not come from an encoder.
    """
    trained = _encoder_features(context).trained
    return FinetuneConfig.of(
        from_scratch=not trained,
        frozen_epochs=60,
        epochs=10 if trained else 40,
        validation_share=0.0,
        seed=context.seed,
    )


def describe_tuning(context: EvaluationContext) -> dict[str, Any]:
    """Says what is done to every fold."""
    config = recipe_of(context)
    head = "" if config.from_scratch else f"the head for {config.schedule.frozen_epochs} epochs, then "
    optim = config.optim
    return {
        "classifier": f"{head}the whole network for {config.schedule.epochs} epochs, the last one taken",
        "learning rate": optim.scratch_learning_rate if config.from_scratch else optim.learning_rate,
        "batch size": optim.batch_size,
    }


def score_tuned(context: EvaluationContext, fold: Fold) -> float:
    """Fine-tunes a copy of the encoder on the support and returns its accuracy on the queries.

    Raises:
        ValueError: the features do not come from an encoder.
    """
    encoder, dataset = copy.deepcopy(_encoder_features(context).encoder), context.dataset
    classes = np.unique(context.labels(fold.support_n))

    def clouds_of(places: NDArray[np.int64]) -> LabeledClouds:
        points = [
            encoder.preprocess(dataset[place].points_N3, up_axis=dataset.up_axis) for place in places.tolist()
        ]
        return LabeledClouds(
            tuple(points), torch.from_numpy(np.searchsorted(classes, context.labels(places)))
        )

    task = make_task(recipe_of(context))
    torch.manual_seed(context.seed)
    size = task.config.head
    head = HeadConfig("classification", tuple(map(str, classes)), hidden=size.hidden, dropout=size.dropout)
    encoder.reset_classifier(head)
    options = FinetuneOptions(device=str(encoder.device), progress=False)
    support, queries = clouds_of(fold.support_n), clouds_of(fold.queries_m)
    nothing = support.select(np.zeros(0, np.int64))
    Finetuner(encoder, task, support, nothing, None, options).train()
    probabilities_nK = encoder.predict_proba(queries.prepared(), batch_size=TEST_BATCH, progress=False)
    found_n = torch.from_numpy(probabilities_nK.argmax(axis=1))
    return float((found_n == queries.labels_n).float().mean())


FINETUNED = Scorer(describe_tuning, score_tuned)


def _encoder_features(context: EvaluationContext) -> EncoderFeatures:
    if not isinstance(context.extractor, EncoderFeatures):
        raise ValueError(f"{context.extractor.name} has no weights to fine-tune")
    return context.extractor
