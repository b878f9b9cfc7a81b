"""The teacher's embeddings of a batch: read from the cache, or kept on a GPU that has room for all of them.

S objects, B clouds, V views, D teacher width
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from crossjepa.train.cache import Cache
from crossjepa.train.cache.concat import JoinedCaches

# Of the free memory of a GPU, the share that the embeddings may take.
LARGEST_SHARE = 0.25
# From (B,) rows and (B, V) views to (B, V, D) float32 embeddings on the device.
EmbeddingRows = Callable[[Tensor, Tensor], Tensor]


def embedding_rows(cache: Cache | JoinedCaches, device: torch.device) -> EmbeddingRows:
    """Returns a function that looks up embeddings of views; where they lie does not change them.

    Args:
        cache: one cache or several.
        device: where the embeddings are needed.
    """
    table_SVD = _table(cache, device) if device.type == "cuda" else None

    def look_up(row_B: Tensor, view_BV: Tensor) -> Tensor:
        if table_SVD is None:
            return torch.from_numpy(cache.embeddings_of(row_B.numpy(), view_BV.numpy())).to(device)
        row_B1 = row_B.to(device, non_blocking=True)[:, None]
        return table_SVD[row_B1, view_BV.to(device, non_blocking=True)].float()

    return look_up


def _table(cache: Cache | JoinedCaches, device: torch.device) -> Tensor | None:
    """Returns all embeddings in bfloat16 on a GPU; None if they are stored otherwise, or are too many."""
    caches = cache.caches if isinstance(cache, JoinedCaches) else [cache]
    arrays = [each.embeddings_SVD for each in caches]
    free, _ = torch.cuda.mem_get_info(device)
    if not all(array.is_bfloat16 for array in arrays):
        return None
    if sum(array.stored.nbytes for array in arrays) > LARGEST_SHARE * free:
        return None
    parts = [torch.from_numpy(np.array(array.stored)).to(device).view(torch.bfloat16) for array in arrays]
    return torch.cat(parts)
