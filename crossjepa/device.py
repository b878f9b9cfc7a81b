"""Where and in which type to compute: checked before anything is moved there."""

import torch


def resolve_device(name: str | torch.device | None) -> torch.device:
    """Returns a device that exists.

    Args:
        name: any torch device; "auto" for CUDA if available, else MPS, else the CPU; None for the CPU.

    Returns:
        The device.

    Raises:
        ValueError: torch does not know the device, or this machine does not have it; the message says why.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name or "cpu")
        if device.type == "cuda":  # a tensor there would take memory of the first GPU in every process
            gpus = torch.cuda.device_count()
            if (device.index or 0) >= gpus:
                raise RuntimeError(f"torch sees {gpus} GPU{'' if gpus == 1 else 's'}")
        else:
            torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(name)!r} cannot be used: {str(error).splitlines()[0]}") from error
    return device


def resolve_dtype(dtype: torch.dtype) -> torch.dtype:
    """Returns a type that a model can have.

    Raises:
        ValueError: it is none of torch.float32, torch.bfloat16 and torch.float16.

    Example:
        >>> resolve_dtype(torch.bfloat16)
        torch.bfloat16
    """
    if dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"dtype must be torch.float32, torch.bfloat16 or torch.float16, not {dtype!r}")
    return dtype
