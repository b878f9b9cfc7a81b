"""Runs of pretraining in two processes without torchrun, and several of them in the same two.

Starting processes takes longer than what they do in tests.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from crossjepa.train.common.distributed import leave_group
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.runs import ONE_THREAD, QUIET


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def run_twice(words: list[str]) -> tuple[list[int], list[str]]:
    """Runs a command in two processes that find each other as those of torchrun do.

    Returns:
        Their statuses and what each printed to its stderr.
    """
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports(1)[0]), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            words,
            stderr=subprocess.PIPE,
            text=True,
            env={**ONE_THREAD, **where, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    said = [process.communicate()[1] for process in processes]
    return [process.returncode for process in processes], said


def pretrain_in_two_processes(configs: Mapping[Path, PretrainConfig], stop_after: int) -> None:
    """Pretrains several times in the same two processes, each time in two parts: the second resumes.

    Args:
        configs: recipes by the folder of their run.
        stop_after: steps of the first part.
    """
    recipes = {str(run): config.flat() for run, config in configs.items()}
    ports = json.dumps(free_ports(2 * len(recipes)))
    code = "from tests.helpers.many_runs import child; child()"
    statuses, said = run_twice([sys.executable, "-c", code, json.dumps(recipes), str(stop_after), ports])
    assert statuses == [0, 0], said[0][-4000:] + said[1][-4000:]


def child() -> None:
    """What each of the processes does. Runs meet at ports of their own: what one left there stays there."""
    torch.set_num_threads(1)
    sys.modules["matplotlib.figure"] = None  # type: ignore[assignment]  # drawing takes longer than a run
    recipes, stop_after, ports = map(json.loads, sys.argv[1:])
    for run, recipe in recipes.items():
        for stop in (stop_after, 0):
            os.environ["MASTER_PORT"] = str(ports.pop())
            pretrain(PretrainConfig.of(**recipe), run, replace(QUIET, log_every=1, stop_after=stop))
    leave_group()
