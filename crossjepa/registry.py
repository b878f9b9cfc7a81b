"""The pretrained table: what `from_pretrained` knows by name.

It names only what exists. The facts about a checkpoint are in the config.json beside its weights, so that
they cannot drift apart; this table says where that file is.
"""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any

WEIGHTS_FOLDER = Path(str(resources.files("crossjepa"))) / "weights"


@dataclass(frozen=True)
class Checkpoint:
    """A registered checkpoint.

    Attributes:
        name: name for `from_pretrained`.
        description: one line on what it has seen.
        sha256: checksum of its model.safetensors.
        hub_id: "org/repo" of the published weights, None if they come only with the package.
        revision: commit on the Hub that the name refers to.
        predictor_sha256: checksum of its predictor.safetensors, None if it has no predictor.
    """

    name: str
    description: str
    sha256: str
    hub_id: str | None = None
    revision: str | None = None
    predictor_sha256: str | None = None

    @property
    def folder(self) -> Path:
        """Where the bundled files lie."""
        return WEIGHTS_FOLDER / self.name

    def config(self) -> dict[str, Any]:
        """Returns the parsed config.json of the bundled files."""
        values: dict[str, Any] = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return values


CHECKPOINTS: dict[str, Checkpoint] = {
    entry.name: entry
    for entry in (
        Checkpoint(
            name="crossjepa-base",
            description="openly licensed objects and game models, no benchmark data",
            sha256="21c497d9d441c00cb766d438457a703344ef266c1ccb516d4b0347bde524eb6d",
            predictor_sha256="be13918674779ac1923099d96625b6771912f44c9d595587a606d5b6cf1702ce",
        ),
        Checkpoint(
            name="crossjepa-base-modelnet40",
            description="the same, and ModelNet40's training clouds, without labels",
            sha256="7985e13130346239c82b73ab68da05a048519354b3cfc9f83ba51b19a5625b18",
        ),
    )
}


def list_models(pattern: str = "*") -> list[str]:
    """Lists the registered checkpoints.

    Args:
        pattern: shell-style filter on their names, as in timm.

    Returns:
        The names, sorted, each of which `CrossJEPAEncoder.from_pretrained` loads.
    """
    return sorted(name for name in CHECKPOINTS if fnmatch(name, pattern))
