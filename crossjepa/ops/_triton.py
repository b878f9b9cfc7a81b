"""When Triton kernels are run, and what happens if they cannot be."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

_BROKEN = threading.Event()


def try_triton(launch: Callable[[], Tensor], device: int) -> Tensor | None:
    """Returns the result of `launch`, which imports Triton, on the GPU of that number; -1 is the CPU.

    None if the environment variable CROSSJEPA_TRITON is 0, or if Triton is missing or has failed, which is
    logged once.
    """
    # What AMD's compiler contracts has not been looked at, and it decides whether results are the same.
    if os.environ.get("CROSSJEPA_TRITON") == "0" or _BROKEN.is_set() or torch.version.hip:
        return None
    try:
        with torch.cuda.device(device):
            return launch()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # no Triton, no C compiler, a GPU that it does not know: torch still works
        _BROKEN.set()
        reason = str(error).strip().splitlines()
        logger.warning(
            "sampling and neighbors are computed without Triton, which is slower (%s: %s); "
            "CROSSJEPA_TRITON=0 turns this message off",
            type(error).__name__,
            reason[0] if reason else "no message",
        )
        return None
