"""`crossjepa push`."""

from __future__ import annotations

import json as plain
from typing import Annotated

from tyro.conf import Positional, arg

from crossjepa.cli import options


def push(
    source: Annotated[str, Positional, arg(metavar="FOLDER-or-NAME")],
    repo: Annotated[str, Positional, arg(metavar="ORG/REPO")],
    private: options.Flag = False,
    revision: Annotated[str | None, options.unset("main")] = None,
    message: str = "Upload crossjepa weights",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Upload weights and a model card to the Hugging Face Hub.

    Prints the address of the commit. The token is that of `hf auth login`, or HF_TOKEN.

    Args:
        source: folder of weights, or a registered name.
        repo: repository, created if it does not exist.
        private: make a new repository private.
        revision: branch to commit to.
        message: message of the commit.
    """
    from crossjepa import hub
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.file_sets import file_of_set
    from crossjepa.model import CrossJEPA
    from crossjepa.model_files import PREDICTOR_NAME

    folder = hub.locate(source)
    kind = CrossJEPA if file_of_set(folder, PREDICTOR_NAME).is_file() else CrossJEPAEncoder
    model = kind.from_pretrained(folder)
    if quiet:
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
    commit = model.push_to_hub(repo, private=private, revision=revision, commit_message=message)
    print(plain.dumps({"repo": repo, "commit": commit}, indent=2) if json else commit)
    return 0
