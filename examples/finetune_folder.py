"""Learn the classes of a folder, then name other files.

    python examples/finetune_folder.py FOLDER MODEL [FILE ...]

FOLDER has a folder of files for every class; MODEL is where the result goes. The same command again
resumes an interrupted run, and answers at once after the run has ended.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from crossjepa import CrossJEPAEncoder
from crossjepa.train.finetune import FinetuneConfig, finetune


def main() -> None:
    """Fine-tunes, prints the one test, and names the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("files", metavar="FILE", type=Path, nargs="*", help="files to name")
    parser.add_argument(
        "--epochs", type=int, default=10, help="of the whole network; 0 trains the head alone"
    )
    parser.add_argument("--up-axis", choices=("y", "z"), default="y", help="what points up in the files")
    options = parser.parse_args()

    config = FinetuneConfig.of(epochs=options.epochs, up_axis=options.up_axis)
    result = finetune(options.folder, options.model, config)
    for name, value in result.metrics.items():
        print(f"{name}: {value:.1%}")

    model = CrossJEPAEncoder.from_pretrained(options.model)
    print(f"it knows {', '.join(model.classes)}")
    for file in options.files:
        answer = model.predict(file)
        print(f"{file.name} is a {answer.label} ({answer.probability:.0%})")


if __name__ == "__main__":
    main()
