"""What an epoch of pretraining costs with cached teacher embeddings, and without.

    python examples/benchmarks/cached_epoch.py DATA [DATA ...] --teacher NAME|FILE [--objects 96]

A spread of the objects is rendered and embedded as `crossjepa cache` does, with one process per core; then
steps of the recipe are measured. Without a cache, every epoch would do both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from crossjepa.datasets import open_dataset
from crossjepa.train.cache import CacheConfig, default_workers, make_cache
from crossjepa.train.pretrain import load_config
from crossjepa.train.pretrain.dry_run import dry_run
from crossjepa.train.render.views import RenderConfig


def main() -> None:
    """Prints the seconds of each part for one object, and of an epoch of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", metavar="DATA", help="as for `crossjepa cache`")
    parser.add_argument("--teacher", required=True, help="timm name or ARCHITECTURE.safetensors")
    parser.add_argument("--rig", default="orbit8")
    parser.add_argument("--config", default="bundled")
    parser.add_argument("--objects", type=int, default=96, help="objects to render and embed")
    options = parser.parse_args()
    everything = open_dataset(options.data)
    count = min(options.objects, len(everything))
    some = everything.select(np.arange(count) * len(everything) // count)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        config = CacheConfig(options.teacher, render=RenderConfig(rig=options.rig))
        started = time.perf_counter()
        make_cache(some, cache, config, workers=default_workers("cpu"), progress=False)
        views = (time.perf_counter() - started) / len(some)
        recipe = load_config(options.config).change(cache=str(cache), held_out=0)
        measured = dry_run(recipe, device="cpu")
    half, full = (
        measured.seconds_first / recipe.data.batch_size,
        measured.seconds_last / recipe.data.batch_size,
    )
    print(f"render and embed, {options.rig:<10} {views * 1e3:>8.1f} ms per object")
    print(f"{'step':<10} {'ms per object':>13} {'epoch, cached':>14} {'not cached':>11} {'ratio':>6}")
    for name, seconds in (("half size", half), ("full size", full)):
        minutes = [len(everything) * value / 60 for value in (seconds, seconds + views)]
        print(
            f"{name:<10} {seconds * 1e3:>13.1f} {minutes[0]:>10.1f} min {minutes[1]:>7.1f} min "
            f"{minutes[1] / minutes[0]:>6.1f}"
        )
    print(f"{len(everything)} objects; the cache is made once, in {len(everything) * views / 60:.0f} minutes")


if __name__ == "__main__":
    main()
