"""The README.md of a repository on the Hub, made from the config."""

from collections.abc import Mapping

from crossjepa.config import ModelConfig


def model_card(config: ModelConfig, repo: str) -> str:
    """Writes the README.md of a Hub repository from the provenance in the config."""
    license = str(config.provenance.get("license", "")).lower()
    front = ["---", "library_name: crossjepa", "pipeline_tag: feature-extraction"]
    front += [f"license: {license}"] if license else []
    front += ["tags: [point-cloud, 3d, self-supervised, crossjepa]", "---"]
    width = config.encoder.width * (2 if config.encoder.pool == "max+mean" else 1)
    prediction = []
    if config.predictor:
        teachers = config.predictor.each_teacher
        prediction = [
            "",
            f'model = crossjepa.CrossJEPA.from_pretrained("{repo}")',
            'cloud_N3 = model.encoder.preprocess("chair.obj")',
            f"# what {' and '.join(each.name for each in teachers)} would see in a picture from the front",
            "embedding = model.predict_view(cloud_N3[None], azimuth=0, elevation=20)  # "
            f"(1, {teachers[0].width}) float32",
        ]
        if len(teachers) > 1:
            shapes = ", ".join(f'"{each.name}": (1, {each.width})' for each in teachers)
            prediction[-2:] = [
                prediction[-2],
                "embeddings = model.predict_view(cloud_N3[None], azimuth=0, elevation=20)",
                f"# {{{shapes}}} float32",
            ]
    usage = [
        f"# {repo.split('/')[-1]}",
        "",
        "A [crossjepa](https://pypi.org/project/crossjepa/) point-cloud encoder.",
        "",
        "```python",
        "import crossjepa",
        "",
        f'encoder = crossjepa.CrossJEPAEncoder.from_pretrained("{repo}")',
        f'features = encoder.encode(["chair.obj"])  # (1, {width}) float32',
        *prediction,
        "```",
        "",
        "| | |",
        "|---|---|",
    ]
    rows = [f"| {name.replace('_', ' ')} | {_plain(value)} |" for name, value in config.provenance.items()]
    return "\n".join([*front, "", *usage, *rows, ""])


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")
