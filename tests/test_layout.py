"""The tests mirror the package: tests/<room>/test_<module>.py for every module, and nothing else."""

from __future__ import annotations

from pathlib import Path

import crossjepa
from tests.conftest import REPOSITORY

PACKAGE = Path(crossjepa.__file__).parent
TESTS = REPOSITORY / "tests"
# Files of tests that are of no single module, and what they are of.
CROSS_CUTTING = {
    "io/test_color.py": "colors of all formats",
    "io/test_corpus.py": "a corpus of files as other programs write them",
    "io/test_fuzz.py": "damaged files of all formats",
    "models/test_encoder_contract.py": "what every named size promises",
    "test_documents.py": "blocks of code and commands in README and docs",
    "test_docstrings.py": "examples in docstrings",
    "test_examples.py": "scripts in examples/",
    "test_imports.py": "imports of the package: light, and possible on Windows",
    "test_layout.py": "this file",
    "test_notebooks.py": "notebooks in examples/",
    "test_packaging.py": "pyproject.toml",
    "test_startup.py": "what is imported for which answer",
    "train/cache/test_repair.py": "caches whose files are repaired or changed",
    "train/pretrain/test_compile.py": "pretraining, compiled",
    "train/pretrain/test_golden_losses.py": "pretraining, against a golden file",
    "train/pretrain/test_gradient_checkpointing.py": "pretraining, with activations computed again",
    "train/pretrain/test_resume.py": "recipes that a run resumes with",
    "train/pretrain/test_run_options.py": "options of a run",
    "train/pretrain/test_two_processes.py": "pretraining in two processes",
    "train/pretrain/test_update.py": "one step of pretraining",
    "train/test_in_use.py": "runs in folders that another run uses",
}


def test_every_module_has_its_test_file() -> None:
    modules = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
    public = [module for module in modules if not module.stem.startswith("_")]
    assert len(public) > 100
    mirrored = [module.with_name(f"test_{module.name}") for module in public]
    assert [path.as_posix() for path in mirrored if not (TESTS / path).is_file()] == []


def test_every_test_file_has_its_module() -> None:
    """The name may go on after that of the module: test_finetune_parts.py is of finetune.py."""
    strays = []
    for path in sorted(TESTS.rglob("test_*.py")):
        file, words = path.relative_to(TESTS), path.stem.split("_")[1:]
        names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        folders = [PACKAGE / file.parent, REPOSITORY / "examples" / file.parent]
        if not any((folder / f"{name}.py").is_file() for folder in folders for name in names):
            strays.append(file.as_posix())
    assert strays == sorted(CROSS_CUTTING)
