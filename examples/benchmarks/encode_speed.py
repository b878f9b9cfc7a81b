"""Clouds per second of `encode`, split into its parts, and the share of the machine's own matmul peak.

    python examples/benchmarks/encode_speed.py [FILES] [--dtype float32] [--batch-size 16] [--threads 2]

All parts and the peak are measured in turn, round after round, and each shows the best of its rounds, so the
shares can be compared between machines; the seconds cannot.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import EncoderConfig
from crossjepa.io import read
from crossjepa.models.tokenizer import HIDDEN_WIDTHS

# Rows, inner size and columns of a product large enough for the machine's best rate.
PEAK_SHAPE = (4096, 384, 1536)
SAMPLES = Path(__file__).resolve().parent.parent / "files"


def patch_embedding_operations(config: EncoderConfig) -> int:
    """Multiplications and additions of the patch embedding of one cloud."""
    first, second, third = HIDDEN_WIDTHS
    per_point = 3 * first + first * second + second * third + third * config.width
    return 2 * (config.num_groups * config.group_size * per_point + config.num_groups * second * third)


def transformer_operations(config: EncoderConfig) -> int:
    """Multiplications and additions of positions, blocks and attention of one cloud."""
    width, groups = config.width, config.num_groups
    block = width * width * (4 + 2 * config.mlp_ratio) + 2 * groups * width
    return int(2 * groups * (config.depth * block + 128 * (3 + width)))


def best_seconds(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Seconds per call of each, the best of several rounds, so that a busy moment spoils no ratio."""
    best = [float("inf")] * len(works)
    for number in range(rounds + 1):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            if number:  # the first round warms up
                best[place] = min(best[place], time.perf_counter() - start)
    return best


def matmul(dtype: torch.dtype, device: str) -> Callable[[], object]:
    """A large matrix product, of `PEAK_SHAPE`."""
    rows, inner, columns = PEAK_SHAPE
    left, right = (
        torch.randn(*shape, device=device).to(dtype) for shape in ((rows, inner), (inner, columns))
    )
    return lambda: (left @ right)[0, 0].item()


@dataclass(frozen=True)
class Part:
    """One row: what is timed and how many matrix-product operations it takes per cloud."""

    name: str
    work: Callable[[], object]
    operations: int = 0


def parts_of(encoder: CrossJEPAEncoder, files: list[Path], device: str) -> list[Part]:
    """The parts of `encode` on a batch of files, each from what the one before it returns."""
    shapes = [read(path) for path in files]
    points_BN3 = torch.stack([encoder.preprocess(shape) for shape in shapes]).to(device)
    groups = encoder.network.group(points_BN3)
    tokens_BGC, position_BGC = encoder.network.embed(groups)
    patches, blocks = patch_embedding_operations(encoder.config), transformer_operations(encoder.config)
    groups_BGK3 = groups.groups_BGK3.to(tokens_BGC.dtype)

    def transform() -> object:
        hidden_BGC = tokens_BGC
        for block in encoder.network.blocks:
            hidden_BGC = block(hidden_BGC + position_BGC, None)
        return encoder.network.norm(hidden_BGC).sum().item()

    return [
        Part("read files", lambda: [read(path) for path in files]),
        Part("preprocess", lambda: [encoder.preprocess(shape) for shape in shapes]),
        Part("FPS and kNN", lambda: encoder.network.group(points_BN3).centers_BG3.sum().item()),
        Part("patch embedding", lambda: encoder.network.patch_embedding(groups_BGK3).sum().item(), patches),
        Part("transformer", transform, blocks),
        Part("network", lambda: encoder(points_BN3).pooled.sum().item(), patches + blocks),
        Part("encode", lambda: encoder.encode(files, batch_size=len(files), progress=False)),
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, default=sorted(SAMPLES.glob("*.obj")))
    parser.add_argument("--model", default="crossjepa-base")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype, batch = getattr(torch, options.dtype), options.batch_size

    encoder = CrossJEPAEncoder.from_pretrained(options.model, device=options.device, dtype=dtype)
    files = [options.files[number % len(options.files)] for number in range(batch)]
    with torch.inference_mode():
        parts = parts_of(encoder, files, options.device)
        works = [matmul(dtype, options.device), *(part.work for part in parts)]
        peak_seconds, *spent = best_seconds(works, options.rounds)
    peak = 2 * math.prod(PEAK_SHAPE) / peak_seconds

    print(
        f"{options.model}, {options.dtype}, {options.device}, {options.threads} threads, batches of {batch}"
    )
    print(f"matmul peak of this machine in this run: {peak / 1e9:.0f} GFLOP/s")
    print(f"{'part':<16} {'ms/cloud':>9} {'clouds/s':>9} {'GFLOP':>6} {'of peak':>8}")
    for part, duration in zip(parts, spent, strict=True):
        row = f"{part.name:<16} {duration / batch * 1e3:>9.2f} {batch / duration:>9.1f}"
        if part.operations:
            row += f" {part.operations / 1e9:>6.2f} {part.operations * batch / duration / peak:>8.0%}"
        print(row)


if __name__ == "__main__":
    main()
