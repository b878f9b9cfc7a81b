"""Runs of pretraining: in this process, in others, killed at some moment, and what they logged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import yaml

from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.common.distributed import process_group
from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.trainer import Trainer

QUIET = RunOptions(device="cpu", progress=False, save_every=3, log_every=4, probe_every=6)
KILLS = int(os.environ.get("CROSSJEPA_KILLS", "3"))
# As many threads as in this process: sums of other shares round otherwise.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def make_trainer(config: PretrainConfig, run: Path) -> Trainer:
    """A run in this process, to be taken step by step."""
    with process_group("cpu") as process:
        return Trainer(config, run, process, QUIET)


def command(config: PretrainConfig, run: Path, *options: str) -> list[str]:
    """The command line of a run, without the interpreter."""
    recipe = run.parent / f"{run.name}.yaml"
    recipe.write_text(yaml.safe_dump(asdict(config)))
    words = ["-m", "crossjepa", "pretrain", "--config", str(recipe), "-o", str(run), "--device", "cpu"]
    return [*words, "--save-every", "3", "--log-every", "4", "--probe-every", "6", *options]


def run_to_the_end(words: list[str]) -> None:
    """Runs a command, and shows what it printed if it fails."""
    done = subprocess.run(words, capture_output=True, env=ONE_THREAD, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def run_until_killed(words: list[str], run: Path, seconds: float) -> bool:
    """Runs a command, and kills it some time after its next checkpoint.

    Returns:
        Whether it was killed; False if it had ended before.
    """
    before = checkpoints(run)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD)
    while process.poll() is None and checkpoints(run) == before:
        time.sleep(0.005)
    time.sleep(seconds)
    if process.poll() is None:
        for each in family(process.pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def family(pid: int) -> list[int]:
    """A process, what it started, and what that started: torchrun's workers lead groups of their own."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for member in found:
        found.extend(child for child, parent in parents.items() if parent == member)
    return found


def losses(run: Path) -> list[float]:
    """The logged losses of a run."""
    return [line["loss"] for line in read_log(run) if "loss" in line]


def seconds_per_step(config: PretrainConfig, run: Path) -> float:
    """How long a step of a run took."""
    speeds = [line["samples_per_second"] for line in read_log(run) if "loss" in line]
    return config.data.batch_size * len(speeds) / sum(speeds)
