"""The contrast with the batch and with the cache.

B clouds, M objects, D teacher width
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossjepa.train.pretrain.losses import ContrastLoss


def test_contrast_with_the_cache_wants_the_teachers_neighbors() -> None:
    objects_MD = torch.nn.functional.normalize(
        torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    )
    contrast = ContrastLoss(16, 16)
    contrast.compare_with(3 * objects_MD)
    contrast.log_scale.data.fill_(float(np.log(ContrastLoss.TEACHER_SCALE)))
    contrast.requires_grad_(False)
    mean_BD = objects_MD[:4]
    nearness = (ContrastLoss.TEACHER_SCALE * mean_BD @ objects_MD.T).softmax(dim=-1)
    entropy = float(-(nearness * nearness.log()).sum(dim=-1).mean())
    # The loss is never below the entropy of the teacher's distribution, and there for the teacher's own.
    assert float(contrast(mean_BD, mean_BD)) == pytest.approx(entropy, abs=1e-5)
    assert float(contrast(mean_BD.flip(0), mean_BD)) > entropy + 1


def test_contrast_with_the_batch_is_info_nce_in_both_directions() -> None:
    torch.manual_seed(0)
    contrast = ContrastLoss(16, 8).requires_grad_(False)
    readout_BD, mean_BD = torch.randn(5, 8), torch.randn(5, 8)
    scores_BB = torch.nn.functional.cosine_similarity(readout_BD[:, None], mean_BD[None], dim=-1)
    logits_BB = contrast.log_scale.exp() * scores_BB
    rows, columns = (logits.log_softmax(dim=-1).diagonal().mean() for logits in (logits_BB, logits_BB.T))
    torch.testing.assert_close(contrast(readout_BD, mean_BD), -(rows + columns) / 2)
    assert sorted(contrast.state_dict()) == ["log_scale", "readout.bias", "readout.weight"]
