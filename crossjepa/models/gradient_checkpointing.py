"""Gradient checkpointing: what lies between a module's input and output is computed again, not kept."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run(module: nn.Module, *values: Tensor | None, recompute: bool) -> Tensor:
    """Calls a module.

    Args:
        module: what to call.
        values: its arguments.
        recompute: in training, keep only the arguments for the backward pass and call the module again there.

    Returns:
        Its result, the same either way.
    """
    if not (recompute and module.training and torch.is_grad_enabled()):
        return module(*values)  # type: ignore[no-any-return]
    if torch.compiler.is_compiling():  # the compiler moves the statistics once, and knows no such contexts
        return checkpoint(module, *values, use_reentrant=False)  # type: ignore[no-any-return]
    return checkpoint(  # type: ignore[no-any-return]
        module, *values, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_kept(module))
    )


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Keeps running statistics of batch norms where they are: the first call has moved them already."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm1d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
