"""How much of reading is hidden behind the network: `encode` of files by number of workers.

For each number of workers it prints the seconds of reading alone, of the network alone and of `encode`, and
the ratio of `encode` to the slower of the other two.

    python examples/benchmarks/many_files.py --copies 40 --workers 0 1 2
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import torch

import crossjepa
from crossjepa.batching import prepare_each

SAMPLES = Path(__file__).resolve().parent.parent / "files"


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=40, help="of each of the eight sample meshes")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    encoder = crossjepa.CrossJEPAEncoder.from_pretrained(
        "crossjepa-base", device=chosen.device, dtype=getattr(torch, chosen.dtype)
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [
            Path(folder) / f"{path.stem}-{copy}.obj"
            for copy in range(chosen.copies)
            for path in sorted(SAMPLES.glob("*.obj"))
        ]
        for file in files:
            shutil.copy(SAMPLES / f"{file.stem.rpartition('-')[0]}.obj", file)
        prepared = [encoder.processor.prepare(file) for file in files]
        encoder.encode(prepared[:32], progress=False)
        print(
            f"{len(files)} files, {encoder.device}, {chosen.dtype}, {torch.get_num_threads()} threads; "
            "seconds, with the start of the workers"
        )
        print("workers  reading  network  encode  ratio  files/s")
        for workers in chosen.workers:
            started = time.perf_counter()
            for _ in prepare_each(files, encoder.processor, workers=workers, ahead=32, points_only=True):
                pass
            read = time.perf_counter()
            encoder.encode(prepared, progress=False)
            ran = time.perf_counter()
            encoder.encode(files, workers=workers, progress=False)
            encoded = time.perf_counter() - ran
            slower = max(read - started, ran - read)
            row = f"{workers:7d}  {read - started:7.2f}  {ran - read:7.2f}  {encoded:6.2f}"
            print(f"{row}  {encoded / slower:5.2f}  {len(files) / encoded:7.1f}")


if __name__ == "__main__":
    main()
