"""The tasks of fine-tuning."""

from crossjepa.train.finetune.config import FinetuneConfig
from crossjepa.train.finetune.tasks.classification import ClassificationTask
from crossjepa.train.finetune.tasks.partseg import PartSegmentationTask
from crossjepa.train.finetune.tasks.task import Batch, Score, Task

__all__ = ["Batch", "ClassificationTask", "PartSegmentationTask", "Score", "Task", "make_task"]

_TASKS: dict[str, type[Task]] = {"classification": ClassificationTask, "partseg": PartSegmentationTask}


def make_task(config: FinetuneConfig) -> Task:
    """Returns the task of a recipe."""
    return _TASKS[config.task](config)
