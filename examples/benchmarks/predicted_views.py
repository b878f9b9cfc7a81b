"""How well the predictor knows views that nobody rendered, of objects that no part of the model has seen.

    python examples/benchmarks/predicted_views.py CACHE [--model crossjepa-base]

CACHE is the one that the model was trained on; scored are the objects that all runs on it held out. Every
view of an object is predicted from its points and compared with the teacher's embedding, centered and scaled
channel by channel:

    explained    share of the variance of all views that the prediction accounts for (R squared)
    object       how often the embedding nearest to the prediction is that of the right object, among the
                 views of the same number of all objects
    view         how often it is that of the right view, among the views of the same object
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa import CrossJEPA
from crossjepa.train.cache import Cache, open_cache
from crossjepa.train.pretrain import PretrainConfig, options_of
from crossjepa.train.pretrain.batches import Batches

STATISTICS_ROWS = 2000


def held_out_rows(cache: Cache, model: CrossJEPA) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the objects that the model's predictor was trained on, and those that were held out.

    Raises:
        ValueError: the model was trained on another cache, so it is unknown what it has seen.
    """
    provenance = model.encoder.model_config.provenance
    recipe = options_of(provenance.get("predictor", provenance)["recipe"])
    if recipe.pop("cache") != cache.hash:
        raise ValueError("the predictor was not trained on this cache")
    recipe.pop("objects")
    batches = Batches(cache, PretrainConfig.of(**recipe))
    return batches.train_rows, batches.held_out_rows


def score(name: str, predicted_nVD: Tensor, target_nVD: Tensor) -> None:
    """Prints a row of the table."""
    error, variance = (predicted_nVD - target_nVD).square().sum(), target_nVD.square().sum()
    predicted, target = (torch.nn.functional.normalize(x, dim=-1) for x in (predicted_nVD, target_nVD))
    object_Vn = torch.einsum("nvd,mvd->vnm", predicted, target).argmax(dim=-1)
    view_nV = torch.einsum("nvd,nwd->nvw", predicted, target).argmax(dim=-1)
    right_object = (object_Vn == torch.arange(len(target))).float().mean()
    right_view = (view_nV == torch.arange(target.shape[1])).float().mean()
    print(f"{name:<32} {1 - error / variance:>9.1%} {right_object:>8.1%} {right_view:>8.1%}")


@torch.inference_mode()
def main() -> None:
    """Prints a row for what the predictor is told, one for a wrong azimuth, and one for chance."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", metavar="CACHE")
    parser.add_argument("--model", default="crossjepa-base")
    options = parser.parse_args()
    cache, model = open_cache(options.cache), CrossJEPA.from_pretrained(options.model)
    train_rows, rows = held_out_rows(cache, model)
    seen = torch.from_numpy(cache.embeddings_of(train_rows[:: max(1, len(train_rows) // STATISTICS_ROWS)]))
    mean_D, std_D = seen.flatten(0, 1).mean(dim=0), seen.flatten(0, 1).std(dim=0)
    views = cache.views_of(rows)
    target_nVD = (torch.from_numpy(views.embeddings_BVD) - mean_D) / std_D
    points_nN3 = torch.stack([model.encoder.preprocess(cloud_P3) for cloud_P3 in cache.points_of(rows)])
    azimuth_nV, elevation_nV, _, distance_nV, _ = torch.from_numpy(views.poses_BV5).unbind(dim=-1)
    told: dict[str, Tensor | None] = {
        "pose and color histogram": torch.from_numpy(views.histograms_BVH),
        "pose alone": None,
    }
    print(f"{len(rows)} objects, {cache.views} views of each, {cache.width} numbers per view")
    print(f"{'told':<32} {'explained':>9} {'object':>8} {'view':>8}")
    for name, histogram in told.items():
        predicted_nVD = model.predict_view(points_nN3, azimuth_nV, elevation_nV, distance_nV, histogram)
        score(name, (predicted_nVD - mean_D) / std_D, target_nVD)
    wrong_nVD = model.predict_view(points_nN3, azimuth_nV + 90, elevation_nV, distance_nV)
    score("pose alone, a quarter turn off", (wrong_nVD - mean_D) / std_D, target_nVD)
    print(f"{'chance':<32} {0:>9.1%} {1 / len(rows):>8.1%} {1 / cache.views:>8.1%}")


if __name__ == "__main__":
    main()
