"""Runs a protocol, and finds the source of its features by name."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossjepa.datasets import Dataset, find_folds, load_fold
from crossjepa.datasets.splits import divide, limit, with_folds
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.evaluate.baselines import CALIBRATION_CLOUDS, ShapeDistributions, untrained_encoder
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import EncoderFeatures, Extractor, FeatureCache
from crossjepa.evaluate.fewshot import FROZEN_SVM, run_published_folds
from crossjepa.evaluate.fewshot_tuned import FINETUNED
from crossjepa.evaluate.protocols import Protocol, ProtocolOptions, find_protocol
from crossjepa.hashing import file_digest
from crossjepa.result import Outcome, Result, versions

if TYPE_CHECKING:
    from typing_extensions import Unpack

FOLDS_NAME = "modelnet40-fewshot"


def evaluate(
    protocol: str,
    dataset: Dataset,
    extractor: Extractor | CrossJEPAEncoder,
    *,
    seed: int = 0,
    holdout: bool = False,
    per_class: int | None = None,
    cache: FeatureCache | None = None,
    batch_size: int = 32,
    jobs: int = 1,
    progress: bool | None = None,
    **options: Unpack[ProtocolOptions],
) -> Result:
    """Runs a protocol.

    The test split is used once, for the metrics; everything that is chosen is chosen on the training split.

    Args:
        protocol: one of `list_protocols()`.
        dataset: from `crossjepa.datasets.load`.
        extractor: an encoder, or what `find_extractor` returns.
        seed: seed of all random numbers.
        holdout: leave the test split alone and test on a fifth of the training split; for development.
        per_class: keep at most this many clouds of every class in every split; for quick tests.
        cache: cache of features; none by default.
        batch_size: clouds per batch.
        jobs: number of parallel fits.
        progress: show progress bars; by default for longer work.
        **options: `folds` and `settings` of few-shot protocols, `corrupted` and `test_clouds` of protocols on
            corrupted clouds, `cad` and `class_map` of `realscan`, see
            `crossjepa.evaluate.protocols.ProtocolOptions`.

    Returns:
        The metrics, and all that is needed to repeat them.

    Raises:
        ValueError: the protocol is unknown, or does not fit the data set.
        PointCloudError: a file of the data set is damaged.
        ImportError: scikit-learn is missing; install `crossjepa[eval]`.

    Example:
        >>> dataset = crossjepa.datasets.load("folder", "shapes")
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> evaluate("linear", dataset, encoder).metrics["accuracy"]
        1.0
    """
    rule = find_protocol(protocol)
    numbers = [options.get("folds"), *(number for pair in options.get("settings") or () for number in pair)]
    if min((number for number in numbers if number is not None), default=1) < 1:
        raise ValueError(f"folds, ways and shots must be at least 1: {options}")
    run = rule.with_options(**options)
    if rule.folds and not holdout:
        dataset = with_folds(dataset, rule.folds, seed)
    if per_class is not None:
        dataset = limit(dataset, per_class, seed)
    if isinstance(extractor, CrossJEPAEncoder):
        extractor = EncoderFeatures(extractor, "encoder")
    context = EvaluationContext(dataset, extractor, seed, holdout, cache, batch_size, jobs, progress)
    facts = context.facts() if per_class is None else {**context.facts(), "per_class": per_class}
    if rule.division:
        if holdout:
            raise ValueError(f"protocol {protocol} has folds of its own and no holdout")
        facts["division"] = rule.division
    return _run(context, rule, run, facts)


def evaluate_folds(
    folder: str | os.PathLike[str],
    extractor: Extractor | CrossJEPAEncoder,
    *,
    tuned: bool = False,
    seed: int = 0,
    cache: FeatureCache | None = None,
    batch_size: int = 32,
    progress: bool | None = None,
) -> Result:
    """Runs "fewshot", or "fewshot-finetuned", on Point-BERT's split files.

    Args:
        folder: `ModelNetFewshot`, or one of its settings.
        extractor: an encoder, or what `find_extractor` returns.
        tuned: fine-tune the encoder on every fold.
        seed: seed of the fine-tuning; the files fix everything else.
        cache: cache of features; none by default.
        batch_size: clouds per batch.
        progress: show progress bars.

    Raises:
        PointCloudError: there are no folds, or one is damaged.
        ImportError: scikit-learn is missing.
    """
    files = [file for fold in find_folds(Path(folder)).values() for file in fold]
    first = load_fold(files[0])
    if isinstance(extractor, CrossJEPAEncoder):
        extractor = EncoderFeatures(extractor, "encoder")
    context = EvaluationContext(first, extractor, seed, cache=cache, batch_size=batch_size, progress=progress)
    digests = "".join(f"{file.parent.name}/{file.name} {file_digest(file)}\n" for file in files)
    checksum = hashlib.sha256(digests.encode()).hexdigest()
    facts = {"name": FOLDS_NAME, "folds": len(files), "checksum": checksum, "up_axis": first.up_axis}
    rule = find_protocol("fewshot-finetuned" if tuned else "fewshot")
    scorer = FINETUNED if tuned else FROZEN_SVM
    return _run(context, rule, partial(run_published_folds, folder=folder, scorer=scorer), facts)


def find_extractor(
    name: str,
    dataset: Dataset,
    *,
    seed: int = 0,
    device: str = "cpu",
    holdout: bool = False,
    remove_outliers: bool | None = None,
) -> Extractor:
    """Makes the source of features from its name on the command line.

    Args:
        name: "untrained", "d2", "shape-distributions", or whatever `from_pretrained` takes.
        dataset: its training clouds, without labels, set the batch norms of the untrained encoder.
        seed: seed of the untrained weights.
        device: torch device of an encoder.
        holdout: as in `evaluate`.
        remove_outliers: whether an encoder removes outliers; by default as it is configured.

    Raises:
        WeightsError: the weights cannot be found or do not fit.
        ValueError: it is no encoder, and `remove_outliers` is given.
    """
    if name in ("d2", "shape-distributions"):
        if remove_outliers is not None:
            raise ValueError(f"{name} has no preprocessing that could remove or keep outliers")
        return ShapeDistributions(name)
    if name != "untrained":
        encoder = CrossJEPAEncoder.from_pretrained(name, device=device)
        if remove_outliers is not None:
            encoder.processor = encoder.processor.with_outlier_removal(remove_outliers)
        return EncoderFeatures(encoder, name)
    train_n = divide(dataset, seed, holdout).partitions[0].train_n
    drawn = np.random.default_rng(seed).permutation(train_n)[:CALIBRATION_CLOUDS]
    clouds = [dataset[int(place)].points_N3 for place in drawn]
    encoder = untrained_encoder(clouds, seed, up_axis=dataset.up_axis)
    if remove_outliers is not None:
        encoder.processor = encoder.processor.with_outlier_removal(remove_outliers)
    return EncoderFeatures(encoder.to(device), f"untrained, seed {seed}", trained=False)


def _run(
    context: EvaluationContext,
    rule: Protocol,
    run: Callable[[EvaluationContext], Outcome],
    data: dict[str, Any],
) -> Result:
    start = time.perf_counter()
    outcome = run(context)
    total = time.perf_counter() - start
    extractor = context.extractor
    return Result(
        protocol=rule.name,
        description=rule.description,
        metrics=outcome.metrics,
        table=outcome.table,
        settings=outcome.settings,
        model={"name": extractor.name, "pool": extractor.pooling, **extractor.describe()},
        data=data,
        versions=versions(),
        seconds={"features": context.feature_seconds, "protocol": total - context.feature_seconds},
        seed=context.seed,
        predictions=outcome.predictions,
    )
