"""The tests mirror the package: tests/<room>/test_<module>.py for every module."""

from __future__ import annotations

from pathlib import Path

import crossjepa
from tests.conftest import REPOSITORY

PACKAGE = Path(crossjepa.__file__).parent
# Modules that are parts of others, and the file that tests them through these.
ELSEWHERE = {
    "datasets/catalog.py": "datasets/test_published.py",
    "datasets/dataset.py": "datasets/test_own.py",
    "datasets/detect.py": "datasets/test_published.py",
    "datasets/fewshot.py": "datasets/test_published.py",
    "datasets/files.py": "datasets/test_damaged.py",
    "datasets/folder.py": "datasets/test_own.py",
    "datasets/h5.py": "datasets/test_damaged.py",
    "datasets/memory.py": "datasets/test_own.py",
    "datasets/modelnet.py": "datasets/test_published.py",
    "datasets/npz.py": "datasets/test_own.py",
    "datasets/scanobjectnn.py": "datasets/test_published.py",
    "datasets/shapenet55.py": "datasets/test_published.py",
    "datasets/shapenetpart.py": "datasets/test_published.py",
    "datasets/splits.py": "datasets/test_published.py",
    "datasets/unpickle.py": "datasets/test_damaged.py",
    "datasets/verify.py": "datasets/test_published.py",
    "io/appearance.py": "io/test_color.py",
    "io/gltf_buffers.py": "io/test_gltf.py",
    "io/gltf_color.py": "io/test_color.py",
    "io/obj_color.py": "io/test_color.py",
    "io/ply_body.py": "io/test_ply.py",
    "model_card.py": "test_hub.py",
    "model_files.py": "test_weights.py",
    "models/gradient_checkpointing.py": "train/pretrain/test_gradient_checkpointing.py",
    "models/point_encoder.py": "models/test_encoder_contract.py",
    "models/tokenizer.py": "models/test_encoder_contract.py",
    "models/transformer.py": "models/test_encoder_contract.py",
    "registry.py": "test_encoder.py",
    "train/cache/build.py": "train/cache/test_cache.py",
    "train/cache/recipe.py": "train/cache/test_cache.py",
    "train/cache/work.py": "train/cache/test_kill.py",
    "train/finetune/tasks/task.py": "train/finetune/tasks/test_classification.py",
}


def test_every_module_has_its_test_file() -> None:
    lacking = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem.startswith("_"):
            continue
        module = path.relative_to(PACKAGE)
        mirror = module.with_name(f"test_{module.name}")
        tested_by = ELSEWHERE.get(module.as_posix(), mirror.as_posix())
        if not (REPOSITORY / "tests" / tested_by).is_file():
            lacking.append(f"{module.as_posix()} lacks tests/{tested_by}")
    assert not lacking, "\n".join(lacking)


def test_exceptions_are_needed() -> None:
    assert all((PACKAGE / module).is_file() for module in ELSEWHERE)
