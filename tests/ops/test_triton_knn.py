"""The Triton kernel of nearest neighbors against a sort, in Triton's interpreter and on a GPU."""

from __future__ import annotations

import pytest
import torch

from crossjepa.ops import farthest_point_sampling, gather_points, nearest_neighbors
from crossjepa.ops.knn import _find_on_gpu
from crossjepa.ops.triton_knn import neighbors_with_triton
from tests.helpers.clouds import cloud
from tests.helpers.interpret_kernels import neighbors_by_sorting
from tests.helpers.interpreter import run_python, why_not_interpreted

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.slow
@pytest.mark.skipif(why_not_interpreted() != "", reason=why_not_interpreted())
def test_kernel_finds_what_a_sort_finds() -> None:
    result = run_python("-W", "ignore", "-m", "tests.helpers.interpret_kernels", "knn", TRITON_INTERPRET="1")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) > 40
    assert [line for line in lines if not line.endswith(" True")] == []


def test_environment_variable_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    assert neighbors_with_triton(cloud(1, 2, 5), cloud(2, 2, 20), 4) is None


@pytest.mark.parametrize("masked", [False, True])
def test_torch_without_triton_finds_the_same(monkeypatch: pytest.MonkeyPatch, masked: bool) -> None:
    """What runs on a GPU without Triton, run on the CPU."""
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    points_BN3, queries_BQ3 = cloud(3, 2, 60), cloud(4, 2, 9)
    mask_BN = torch.arange(60) < torch.tensor([[60], [5]]) if masked else None
    expected_BQK = neighbors_by_sorting(queries_BQ3, points_BN3, 8, mask_BN)
    assert torch.equal(_find_on_gpu(queries_BQ3, points_BN3, 8, mask_BN), expected_BQK)
    assert torch.equal(nearest_neighbors(queries_BQ3, points_BN3, 8, mask_BN)[1], expected_BQK)


def test_compiler_sees_one_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    operator = torch.ops.crossjepa.nearest_points.default
    points_BN3, queries_BQ3 = cloud(3, 2, 60), cloud(4, 2, 9)
    for mask_BN in (None, torch.arange(60).expand(2, 60) < 5):
        expected_BQK = neighbors_by_sorting(queries_BQ3, points_BN3, 8, mask_BN)
        assert torch.equal(operator(queries_BQ3, points_BN3, 8, mask_BN), expected_BQK)
        torch.library.opcheck(operator, (queries_BQ3, points_BN3, 8, mask_BN))


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("batch", "queries", "points", "count"),
    [
        (512, 64, 1024, 32),
        (64, 64, 1024, 32),
        (8, 1000, 64, 3),
        (4, 50, 4096, 64),
        (3, 7, 1, 1),
        (3, 9, 33, 33),
    ],
)
def test_kernel_on_a_gpu_finds_what_a_sort_finds(
    monkeypatch: pytest.MonkeyPatch, batch: int, queries: int, points: int, count: int, masked: bool
) -> None:
    monkeypatch.delenv("CROSSJEPA_TRITON", raising=False)
    points_BN3, queries_BQ3 = cloud(1, batch, points).cuda(), cloud(2, batch, queries).cuda()
    mask_BN = cloud(3, batch, points)[..., 0].cuda() < 0 if masked else None
    if mask_BN is not None:
        mask_BN[-1] = torch.arange(points, device="cuda") < 5
    index_BQK = neighbors_with_triton(queries_BQ3, points_BN3, count, mask_BN)
    assert index_BQK is not None, "Triton does not work here"
    assert torch.equal(index_BQK, neighbors_by_sorting(queries_BQ3, points_BN3, count, mask_BN))
    distance_BQK, found_BQK = nearest_neighbors(queries_BQ3, points_BN3, count, mask_BN)
    assert torch.equal(found_BQK, index_BQK)
    on_cpu_BQK, _ = nearest_neighbors(
        queries_BQ3.cpu(), points_BN3.cpu(), count, None if mask_BN is None else mask_BN.cpu()
    )
    is_real_BQK = torch.isfinite(on_cpu_BQK)
    torch.testing.assert_close(distance_BQK.cpu()[is_real_BQK], on_cpu_BQK[is_real_BQK], rtol=1e-5, atol=1e-6)


@pytest.mark.cuda
@needs_gpu
def test_grouping_in_a_cuda_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSJEPA_TRITON", raising=False)
    points_BN3 = cloud(1, 16, 1024).cuda()

    def group() -> torch.Tensor:
        centers_BG3 = gather_points(points_BN3, farthest_point_sampling(points_BN3, 64))
        return gather_points(points_BN3, nearest_neighbors(centers_BG3, points_BN3, 32)[1])

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        group()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        groups_BGK3 = group()
    points_BN3.copy_(cloud(2, 16, 1024))
    graph.replay()
    assert torch.equal(groups_BGK3, group())
