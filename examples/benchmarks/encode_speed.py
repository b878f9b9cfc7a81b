"""Clouds per second of `encode`, split into its parts, and the share of the machine's own matmul peak.

    python examples/benchmarks/encode_speed.py [FILES] [--dtype float32] [--batch-size 16] [--threads 2]

The peak is measured in the same run, so the shares can be compared between machines; the seconds cannot.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import EncoderConfig
from crossjepa.io import read
from crossjepa.models.tokenizer import HIDDEN_WIDTHS

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


def seconds(work: Callable[[], object], minimum: float = 2.0) -> float:
    """Seconds of one call: the median of as many as fit into `minimum` seconds, at least five."""
    work()
    times: list[float] = []
    while len(times) < 5 or sum(times) < minimum:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def matmul_peak(dtype: torch.dtype, device: str) -> float:
    """Operations a second of a large matrix product."""
    left, right = (torch.randn(*shape, device=device).to(dtype) for shape in ((4096, 384), (384, 1536)))
    return 2 * 4096 * 384 * 1536 / seconds(lambda: (left @ right)[0, 0].item())


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
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype, batch = getattr(torch, options.dtype), options.batch_size

    encoder = CrossJEPAEncoder.from_pretrained(options.model, device=options.device, dtype=dtype)
    files = [options.files[number % len(options.files)] for number in range(batch)]
    shapes = [read(path) for path in files]
    clouds = [encoder.preprocess(shape) for shape in shapes]
    points_BN3 = torch.stack(clouds).to(options.device)
    with torch.inference_mode():
        groups = encoder.group(points_BN3)
        parts = {
            "read files": (seconds(lambda: [read(path) for path in files]), 0),
            "preprocess": (seconds(lambda: [encoder.preprocess(shape) for shape in shapes]), 0),
            "FPS and kNN": (seconds(lambda: encoder.group(points_BN3).centers_BG3.sum().item()), 0),
            "patch embedding": (
                seconds(lambda: encoder.embed(groups)[0].sum().item()),
                patch_embedding_operations(encoder.config),
            ),
        }
        network = seconds(lambda: encoder(points_BN3).pooled.sum().item())
    blocks = network - parts["FPS and kNN"][0] - parts["patch embedding"][0]
    parts["transformer"] = (max(blocks, 1e-9), transformer_operations(encoder.config))
    parts["network"] = (network, sum(count for _, count in parts.values()))
    peak = matmul_peak(dtype, options.device)
    total = seconds(lambda: encoder.encode(files, batch_size=batch, progress=False))

    print(
        f"{options.model}, {options.dtype}, {options.device}, {options.threads} threads, batches of {batch}"
    )
    print(f"matmul peak of this machine in this run: {peak / 1e9:.0f} GFLOP/s")
    print(f"{'part':<16} {'ms/cloud':>9} {'GFLOP':>6} {'of peak':>8}")
    for name, (duration, operations) in parts.items():
        share = f"{operations * batch / duration / peak:>8.0%}" if operations else f"{'':>8}"
        print(f"{name:<16} {duration / batch * 1e3:>9.2f} {operations / 1e9:>6.2f} {share}")
    from_files, from_points = batch / total, batch / network
    print(f"encode: {from_files:.1f} clouds/s from files, {from_points:.1f} from preprocessed points")


if __name__ == "__main__":
    main()
