"""Parts of `gpu.py`: the card, parity with the CPU, the network, `encode`, and farthest point sampling.

B clouds, N points, G groups, K neighbors
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from encode_speed import patch_embedding_operations, transformer_operations
from gpu_timing import Bench, captured, driver, first_of, tf32
from torch import Tensor

from crossjepa import CrossJEPAEncoder, ModelConfig
from crossjepa.config import NAMED_SIZES
from crossjepa.io import Mesh, read
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.ops import farthest_point_sampling, gather_points, nearest_neighbors, reduce_points
from crossjepa.ops.order import canonical_order
from crossjepa.processor import sample_mesh

FILES = sorted((Path(__file__).resolve().parent.parent / "files").glob("*.obj"))
PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
BATCHES = (1, 32, 512, 128, 1024, 2048)


def balls(batch: int, points: int, device: torch.device | str = "cpu", seed: int = 0) -> Tensor:
    """Returns (batch, points, 3) random points in the unit sphere."""
    points_BN3 = torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))
    radius_B11 = points_BN3.norm(dim=-1).amax(dim=1)[:, None, None]
    return torch.div(points_BN3, radius_B11).to(device)


def random_encoder() -> CrossJEPAEncoder:
    """Returns an encoder of the base size, with random weights and used batch norms: weights cost no time."""
    torch.manual_seed(0)
    encoder = CrossJEPAEncoder(ModelConfig(encoder=NAMED_SIZES["crossjepa-base"]))
    with torch.no_grad():
        encoder.train()(balls(4, 1024))
    return encoder.eval()


def networks(bench: Bench) -> dict[str, PointEncoder]:
    """Returns the network on the device in each precision."""
    network = random_encoder().network.to(bench.device)
    return {name: copy.deepcopy(network).to(dtype) for name, dtype in PRECISIONS.items()}


def card(bench: Bench) -> None:
    """Says what is measured, and measures the peaks of its matrix products."""
    print(f"{bench.card}; torch {torch.__version__}, CUDA {torch.version.cuda}, driver {driver()}")
    size = 8192 if bench.on_gpu else 512
    bench.table("peaks", f"matrix products of {size} x {size}", "precision", "TFLOP/s")
    for name, dtype in PRECISIONS.items():
        left, right = (torch.randn(size, size, device=bench.device).to(dtype) for _ in range(2))
        out = torch.empty_like(left)
        with tf32(name == "tf32"):
            spent = bench.seconds(partial(torch.mm, left, right, out=out), 0.01)
        bench.peaks[name] = 2 * size**3 / spent
        bench.row(name, bench.peaks[name] / 1e12)
    if bench.on_gpu:
        source = torch.randn(2**28, device=bench.device)
        spent = bench.seconds(lambda: source.clone(), 0.005)
        bench.row("copy, TB/s", 2 * source.numel() * 4 / spent / 1e12)


def sample_clouds(encoder: CrossJEPAEncoder) -> Tensor:
    """Returns (16, 1024, 3): the sample files, each sampled in two ways."""
    clouds = []
    for path in FILES:
        mesh = read(path)
        assert isinstance(mesh, Mesh)
        clouds += [encoder.preprocess(mesh), encoder.preprocess(sample_mesh(mesh, 1024, seed=1))]
    return torch.stack(clouds)


@torch.inference_mode()
def parity(bench: Bench) -> None:
    """Compares features and samples with those of the CPU in float32."""
    encoder = random_encoder()
    points_BN3 = sample_clouds(encoder)
    expected = encoder.network(points_BN3)
    bench.table("parity", "16 sample clouds against the CPU in float32", "what", "largest", "twice", "order")
    moved_BN3, order_N = points_BN3.to(bench.device), torch.randperm(1024).to(bench.device)
    for name, network in networks(bench).items():
        with tf32(name == "tf32"):
            found, again = network(moved_BN3), network(moved_BN3)
            shuffled = network(moved_BN3[:, order_N])
        error_B = (found.pooled.double().cpu() - expected.pooled).norm(dim=1) / expected.pooled.norm(dim=1)
        equal = [bool(torch.equal(found.tokens, other.tokens)) for other in (again, shuffled)]
        bench.row(
            f"features, {name}", float(error_B.max()), *("same" if each else "DIFFER" for each in equal)
        )
    dense_BN3 = balls(16, 4096)
    for points, count in ((points_BN3, 64), (points_BN3, 1024), (dense_BN3, 1024)):
        wanted = farthest_point_sampling(points, count)
        picked = farthest_point_sampling(points.to(bench.device), count).cpu()
        bench.row(
            f"FPS {count} of {points.shape[1]}, share equal", float((picked == wanted).float().mean()), "", ""
        )
    reduced, _ = reduce_points(dense_BN3.to(bench.device), 1024)
    same = torch.equal(reduced.cpu(), reduce_points(dense_BN3, 1024)[0])
    bench.row("ordered and reduced, 1 if equal", float(same), "", "")


@torch.inference_mode()
def network(bench: Bench) -> None:
    """Measures the network by batch size and precision, started kernel by kernel and replayed as a graph."""
    config = NAMED_SIZES["crossjepa-base"]
    work = patch_embedding_operations(config) + transformer_operations(config)
    title = f"network, {work / 1e9:.2f} GFLOP per cloud of 1,024 points"
    columns = ("precision, batch", "clouds/s", "of peak", "graph", "of peak graph")
    bench.table("network", title, *columns)
    best: dict[str, float] = {}
    every = networks(bench)
    for batch in first_of(BATCHES, bench, 1):
        points_BN3 = balls(batch, 1024, bench.device)
        for name, net in every.items():
            rates: list[float | None] = []
            for way in ("eager", "graph") if bench.on_gpu else ("eager",):
                try:
                    with tf32(name == "tf32"):
                        call = partial(net, points_BN3)
                        spent = bench.seconds(captured(call) if way == "graph" else call)
                    rates.append(batch / spent)
                except RuntimeError as error:
                    print(f"{name}, {batch}, {way}: {str(error).splitlines()[0]}", flush=True)
                    rates.append(None)
                bench.clean()
            rates += [None] * (2 - len(rates))
            shares = [rate and rate * work / bench.peaks[name] for rate in rates]
            bench.row(f"{name}, {batch}", rates[0], shares[0], rates[1], shares[1])
            best[name] = max(best.get(name, 0.0), *(rate or 0.0 for rate in rates))
    bench.results["best clouds/s"] = best


@torch.inference_mode()
def breakdown(bench: Bench) -> None:
    """Measures the parts of the network one by one."""
    batch = 512 if bench.on_gpu else 2
    bench.table("breakdown", f"parts of the network, batch {batch}", "part", "ms", "share")
    config, points_BN3 = NAMED_SIZES["crossjepa-base"], balls(batch, 1024, bench.device)
    every = networks(bench)
    picks_BG = farthest_point_sampling(points_BN3, config.num_groups)
    centers_BG3 = gather_points(points_BN3, picks_BG)

    def neighbors() -> Tensor:
        index_BGK = nearest_neighbors(centers_BG3, points_BN3, config.group_size)[1]
        return gather_points(points_BN3, index_BGK) - centers_BG3.unsqueeze(2)

    def by_cdist() -> Tensor:
        exact = "donot_use_mm_for_euclid_dist"
        return (
            torch.cdist(centers_BG3, points_BN3, compute_mode=exact).topk(32, dim=-1, largest=False).indices
        )

    groups = every["float32"].group(points_BN3)
    parts: list[tuple[str, str, Callable[[], object]]] = [
        ("canonical order", "", lambda: canonical_order(points_BN3)),
        ("FPS, 64 of 1,024", "", lambda: farthest_point_sampling(points_BN3, config.num_groups)),
        ("neighbors and gather", "", neighbors),
        ("neighbors by torch.cdist instead", "other", by_cdist),
        ("all of these", "other", lambda: every["float32"].group(points_BN3)),
    ]
    for name, net in every.items():
        dtype = net.norm.weight.dtype
        groups_BGK3, (tokens_BGC, position_BGC) = groups.groups_BGK3.to(dtype), net.embed(groups)

        def transform(
            net: PointEncoder = net, tokens: Tensor = tokens_BGC, at: Tensor = position_BGC
        ) -> Tensor:
            for block in net.blocks:
                tokens = block(tokens + at, None)
            normed: Tensor = net.norm(tokens)
            return normed

        parts += [
            (f"patch embedding, {name}", name, partial(net.patch_embedding, groups_BGK3)),
            (f"transformer, {name}", name, transform),
        ]
    spent = {}
    for part, kind, call in parts:
        with tf32(kind == "tf32"):
            spent[part, kind] = bench.seconds(call)
    shared = sum(value for (_, kind), value in spent.items() if not kind)
    for (part, kind), value in spent.items():
        of = shared + sum(each for (_, other), each in spent.items() if other == (kind or "bfloat16"))
        bench.row(part, 1e3 * value, None if kind == "other" else value / of)


def encode(bench: Bench) -> None:
    """Measures `encode` of arrays and files, end to end."""
    bench.table("encode", "encode, end to end, bfloat16", "input", "clouds/s", "prepare", "copy+net")
    encoder = random_encoder().to(bench.device, torch.bfloat16)
    for name, count, points in (("1,024 points", 1024, 1024), ("3,000 points", 128, 3000)):
        count = count if bench.on_gpu else 4
        arrays = list(balls(count, points).numpy().astype(np.float64))
        prepared = [encoder.processor.prepare(array) for array in arrays]
        batch = min(512, count)
        spent = bench.seconds(
            partial(encoder.encode, arrays, batch_size=batch, progress=False), wall=True, warm=1
        )
        alone = bench.seconds(
            partial(encoder.encode, prepared, batch_size=batch, progress=False), wall=True, warm=1
        )
        bench.row(f"arrays, {name}", count / spent, count / max(spent - alone, 1e-9), count / alone)
    spent = bench.seconds(lambda: encoder.encode(FILES, progress=False), wall=True, warm=1)
    bench.row("sample files (8)", len(FILES) / spent, None, None)


def sampling(bench: Bench) -> None:
    """Measures farthest point sampling of large clouds."""
    bench.table("fps", "farthest point sampling to 1,024 points, ms", "points", "device", "CPU", "equal")
    for count in first_of((10_000, 100_000, 1_000_000), bench, 1):
        points_1N3 = balls(1, count)
        moved_1N3 = points_1N3.to(bench.device)
        spent = bench.seconds(partial(farthest_point_sampling, moved_1N3, 1024), warm=1)
        before = time.perf_counter()
        wanted = farthest_point_sampling(points_1N3, 1024)
        own = time.perf_counter() - before
        same = float((farthest_point_sampling(moved_1N3, 1024).cpu() == wanted).float().mean())
        bench.row(f"{count:,}", 1e3 * spent, 1e3 * own, same)
