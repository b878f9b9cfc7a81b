"""The work on a cache: killed, in several processes, and under torchrun: the same bytes in the end.

`CROSSJEPA_KILLS=20` kills that many times instead of three.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.datasets import open_dataset
from crossjepa.train.cache import ARRAYS, CacheConfig, check_cache, make_cache, open_cache, partial_folder
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_teacher

KILLS = int(os.environ.get("CROSSJEPA_KILLS", "3"))
RENDER = RenderConfig(image_size=48, stored_points=256)
OPTIONS = ["--size", "48", "--points", "256", "--no-progress"]

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen files, so that a run can be killed at many places."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(2):
        for path in SAMPLES.glob("*.obj"):
            (folder / f"{path.stem}{number}.obj").write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path, teacher: str) -> tuple[Path, float]:
    """A cache that was made without interruption, and the seconds that it took."""
    torch.set_num_threads(1)
    folder, start = tmp_path_factory.mktemp("whole") / "cache", time.monotonic()
    make_cache(open_dataset([data]), folder, CacheConfig(teacher, render=RENDER), progress=False)
    return folder, time.monotonic() - start


def assert_same(found: Path, expected: Path) -> None:
    for name in ARRAYS:
        a, b = np.load(found / f"{name}.npy"), np.load(expected / f"{name}.npy")
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert open_cache(found).manifest == open_cache(expected).manifest
    assert check_cache(found).problems == []


def start(data: Path, folder: Path, teacher: str) -> int:
    """Makes the cache in a process of its own; a fork saves importing everything once more."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            make_cache(open_dataset([data]), folder, CacheConfig(teacher, render=RENDER), progress=False)
            status = 0
        finally:
            os._exit(status)
    return child


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(
    whole: tuple[Path, float], data: Path, teacher: str, tmp_path: Path
) -> None:
    folder, (expected, seconds) = tmp_path / "cache", whole
    chance, interrupted, done = random.Random(KILLS), 0, 0
    for _ in range(KILLS):
        child = start(data, folder, teacher)
        # The kills spread over the whole run, since each resumes where the one before it was killed.
        time.sleep(chance.uniform(0, 2 * seconds / KILLS + 0.2 * seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        interrupted += os.WIFSIGNALED(status)
        if (partial_folder(folder) / "manifest.json").is_file():
            rows = open_cache(partial_folder(folder), writable=True).done_S
            assert rows.sum() >= done
            done = int(rows.sum())
    assert interrupted
    _, status = os.waitpid(start(data, folder, teacher), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert_same(folder, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def command(data: Path, folder: Path, teacher: str, *options: str) -> list[str]:
    return [
        "-m",
        "crossjepa",
        "cache",
        str(data),
        "-o",
        str(folder),
        "--teacher",
        teacher,
        *OPTIONS,
        *options,
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_two_workers_end_with_their_parent(
    whole: tuple[Path, float], data: Path, teacher: str, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    folder = tmp_path / "cache"
    arguments = [sys.executable, *command(data, folder, teacher, "--workers", "2")]
    # What shells start in the background ignores SIGINT, and so would this process.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, preexec_fn=heard)
    for _ in range(6000):
        manifest = partial_folder(folder) / "manifest.json"
        if process.poll() is not None or (
            manifest.is_file() and open_cache(partial_folder(folder), writable=True).done_S.sum() >= 3
        ):
            break
        time.sleep(0.02)
    process.send_signal(sent)
    process.communicate()
    assert process.returncode == code
    assert open_cache(partial_folder(folder), writable=True).done_S.sum() < 16
    if sent == signal.SIGKILL:
        result = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert "16 objects, 8 views each" in result.stdout
    else:
        make_cache(open_dataset([data]), folder, CacheConfig(teacher, render=RENDER), progress=False)
    assert_same(folder, whole[0])


@pytest.mark.slow
def test_two_ranks_of_torchrun_make_one_cache(
    whole: tuple[Path, float], data: Path, teacher: str, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [*launcher, *command(data, folder, teacher)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("16 objects, 8 views each") >= 1
    assert_same(folder, whole[0])
