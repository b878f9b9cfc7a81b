"""Triton kernels of farthest point sampling against torch, in Triton's interpreter and on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling
from crossjepa.ops.triton_fps import sample_with_triton
from tests.helpers.clouds import cloud
from tests.helpers.interpreter import run_python, why_not_interpreted

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
# Clouds, points, picks.
SHAPES = [(512, 1024, 64), (512, 512, 32), (64, 2048, 1024), (4, 8192, 1024), (2, 100_000, 1024)]


@pytest.mark.slow
@pytest.mark.skipif(why_not_interpreted() != "", reason=why_not_interpreted())
def test_kernels_take_the_same_points_as_torch() -> None:
    result = run_python("-W", "ignore", "-m", "tests.helpers.interpret_kernels", "fps", TRITON_INTERPRET="1")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not line.endswith(" True")] == []


SAMPLE_TWICE = """
import sys, torch
from crossjepa.ops.triton_fps import sample_with_triton

if sys.argv[1] == "missing":
    sys.modules["triton"] = None  # importing it raises ImportError
else:
    sys.path.insert(0, sys.argv[1])
plane = torch.arange(4.0).expand(2, 4).contiguous()
for _ in range(2):
    print(sample_with_triton((plane, plane, plane), plane + torch.inf, torch.zeros(2, 1).long(), 3))
"""


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_triton_that_is_missing_or_broken_is_logged_once(state: str, tmp_path: Path) -> None:
    (tmp_path / "triton.py").write_text("raise OSError('libtriton.so: cannot open shared object file')\n")
    result = run_python("-c", SAMPLE_TWICE, "missing" if state == "missing" else str(tmp_path))
    assert (result.returncode, result.stdout) == (0, "None\nNone\n"), result.stderr
    assert result.stderr.count("computed without Triton") == 1
    assert ("libtriton.so" in result.stderr) == (state == "broken")


def test_the_package_does_not_import_triton() -> None:
    result = run_python("-c", "import sys, torch, crossjepa.ops; print('triton' in sys.modules)")
    assert (result.returncode, result.stdout) == (0, "False\n"), result.stderr


def test_environment_variable_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    plane = torch.zeros(2, 4)
    assert sample_with_triton((plane, plane, plane), plane, torch.zeros(2, 1).long(), 3) is None


def test_compiler_sees_one_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    points_BN3 = cloud(1, 3, 40)
    expected_BG = farthest_point_sampling(points_BN3, 9)
    x_BN, y_BN, z_BN = (plane.contiguous() for plane in points_BN3.unbind(-1))
    operator = torch.ops.crossjepa.farthest_points.default
    arguments = (x_BN, y_BN, z_BN, torch.full_like(x_BN, torch.inf), expected_BG[:, :1], 9)
    assert torch.equal(operator(*arguments), expected_BG)
    torch.library.opcheck(operator, arguments)


def gpu_cloud(batch: int, points: int, *, copies: bool = False) -> Tensor:
    points_BN3 = cloud(points, batch, points)
    return (points_BN3.mul(2).round() if copies else points_BN3).cuda()


def mask_like(points_BN3: Tensor) -> Tensor:
    """Masks half of the points, and in the last cloud all but five."""
    mask_BN = torch.rand(points_BN3.shape[:2], generator=torch.Generator().manual_seed(1)) < 0.5
    mask_BN[-1] = torch.arange(mask_BN.shape[1]) < 5
    return mask_BN.to(points_BN3.device)


def both_ways(
    monkeypatch: pytest.MonkeyPatch, points_BN3: Tensor, count: int, mask_BN: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns the picks of the kernels and those of torch."""
    monkeypatch.delenv("CROSSJEPA_TRITON", raising=False)
    plane = torch.zeros(2, 4, device="cuda")
    picks = sample_with_triton((plane, plane, plane), plane, torch.zeros(2, 1, device="cuda").long(), 2)
    assert picks is not None, "Triton does not work here"
    kernels_BG = farthest_point_sampling(points_BN3, count, mask_BN)
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    return kernels_BG, farthest_point_sampling(points_BN3, count, mask_BN)


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("batch", "points", "count"), SHAPES)
def test_kernels_on_a_gpu_take_the_same_points_as_torch(
    monkeypatch: pytest.MonkeyPatch, batch: int, points: int, count: int, masked: bool
) -> None:
    points_BN3 = gpu_cloud(batch, points)
    mask_BN = mask_like(points_BN3) if masked else None
    kernels_BG, torch_BG = both_ways(monkeypatch, points_BN3, count, mask_BN)
    assert kernels_BG.dtype == torch.int64
    assert torch.equal(kernels_BG, torch_BG)


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("points", [1, 2, 33, 300, 1000, 5000, 9000])
def test_ties_and_copies_on_a_gpu(monkeypatch: pytest.MonkeyPatch, points: int) -> None:
    points_BN3 = gpu_cloud(3, points, copies=True)
    for mask_BN in (None, mask_like(points_BN3)):
        kernels_BG, torch_BG = both_ways(monkeypatch, points_BN3, 400, mask_BN)
        assert torch.equal(kernels_BG, torch_BG)


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("batch", "points", "count"), [(512, 1024, 64), (2, 20_000, 256)])
def test_kernels_in_a_cuda_graph(
    monkeypatch: pytest.MonkeyPatch, batch: int, points: int, count: int, masked: bool
) -> None:
    monkeypatch.delenv("CROSSJEPA_TRITON", raising=False)
    points_BN3 = gpu_cloud(batch, points)
    mask_BN = mask_like(points_BN3) if masked else None
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        farthest_point_sampling(points_BN3, count, mask_BN)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        picks_BG = farthest_point_sampling(points_BN3, count, mask_BN)
    points_BN3.copy_(cloud(7, batch, points))
    graph.replay()
    monkeypatch.setenv("CROSSJEPA_TRITON", "0")
    assert torch.equal(picks_BG, farthest_point_sampling(points_BN3, count, mask_BN))


@pytest.mark.cuda
@needs_gpu
def test_nothing_waits_for_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSJEPA_TRITON", raising=False)
    points_BN3 = gpu_cloud(4, 1024)
    mask_BN = mask_like(points_BN3)
    expected_BG = farthest_point_sampling(points_BN3, 64, mask_BN)
    torch.cuda.set_sync_debug_mode("error")
    try:
        picks_BG = farthest_point_sampling(points_BN3, 64, mask_BN)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(picks_BG, expected_BG)


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_sampled_by_torch(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    points_BN3 = gpu_cloud(3, 200).to(dtype)
    kernels_BG, torch_BG = both_ways(monkeypatch, points_BN3, 32, None)
    assert torch.equal(kernels_BG, torch_BG)


@pytest.mark.cuda
@needs_gpu
def test_compiled_call_takes_the_same_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSJEPA_TRITON", raising=False)
    points_BN3 = gpu_cloud(8, 512)
    compiled = torch.compile(farthest_point_sampling, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(points_BN3, 64), farthest_point_sampling(points_BN3, 64))
