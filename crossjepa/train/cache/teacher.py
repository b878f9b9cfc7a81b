"""The frozen image model whose embeddings of views are learned.

V views, H x W pixels, K patches, D teacher width
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from crossjepa.defaults import DEFAULT_TEACHER as DEFAULT_TEACHER
from crossjepa.defaults import Embedding as Embedding

# The last blocks of a transformer, or resolutions of a convolutional network, that "layers" takes.
LAYERS = 2
# Those whose maps dense targets take.
MAPS = 3


class Teacher:
    """A timm image model without its classifier, in evaluation mode.

    Args:
        name: timm architecture with its pretrained tag, as for `timm.create_model`, whose weights come from
            the Hub; or a local `ARCHITECTURE.safetensors`, named after the timm architecture.
        image_size: height and width of the images.
        device: where to run.
        embedding: "cls", the embedding of the image: the class token of a vision transformer or the pooled
            map of a convolutional network; "patch", the mean of the patch tokens or of the map; "both", one
            after the other; "layers", mean and maximum of the tokens of each of the last two blocks, or of
            the maps of the last two resolutions, which is less specific to the teacher's classes.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: its weights cannot be downloaded from the Hub.
        ValueError: the architecture is unknown, the weights do not fit it, it does not take images of that
            size, "both" would be the same embedding twice, or the model gives no access to its layers.
    """

    def __init__(
        self,
        name: str = DEFAULT_TEACHER,
        image_size: int = 224,
        device: str = "cpu",
        *,
        embedding: Embedding = "cls",
    ) -> None:
        from timm import __version__ as timm_version
        from timm.data.config import resolve_model_data_config

        model = _load(name, image_size)
        settings = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
        self.name = Path(name).stem if name.endswith(".safetensors") else name
        self.timm_version: str = timm_version
        self.image_size, self.embedding = image_size, embedding
        self.prefix_tokens = int(getattr(model, "num_prefix_tokens", 0))
        if embedding == "both" and not self.prefix_tokens:
            raise ValueError(
                f"{self.name} has no class token, so its embedding is the mean of its patches: use "
                "--embedding cls"
            )
        if embedding == "layers" and not hasattr(model, "forward_intermediates"):
            raise ValueError(f"{self.name} does not show its layers: use --embedding cls or patch")
        self.device = torch.device(device)
        self.mean_3 = torch.tensor(settings["mean"], device=self.device)
        self.std_3 = torch.tensor(settings["std"], device=self.device)
        self.weights_sha256 = _digest(model)
        self.model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)
        names = ("cls", "patch") if embedding == "both" else (embedding,)
        black_1HW3 = np.zeros((1, image_size, image_size, 3), np.uint8)
        try:
            self.width = self.embed(black_1HW3).shape[1]
        except (AssertionError, RuntimeError) as error:  # of timm and torch, if sizes do not fit
            raise _wrong_size(self.name, image_size, error) from error
        width = self.width // len(names)
        self.parts = {part: (width * place, width * (place + 1)) for place, part in enumerate(names)}

    def facts(self) -> dict[str, Any]:
        """Returns everything that determines the embeddings, as plain values."""
        return {
            "name": self.name,
            "weights_sha256": self.weights_sha256,
            "image_size": self.image_size,
            "embedding": self.embedding,
            "mean": [round(value, 6) for value in self.mean_3.tolist()],
            "std": [round(value, 6) for value in self.std_3.tolist()],
        }

    @torch.inference_mode()
    def embed(self, images_VHW3: NDArray[np.uint8]) -> Tensor:
        """Embeds images.

        Args:
            images_VHW3: (V, H, W, 3) uint8 RGB.

        Returns:
            (V, D) float32 embeddings, on the CPU.
        """
        with torch.autocast(self.device.type, torch.bfloat16):
            embeddings_VD = self._embed(self._pixels(images_VHW3))
        return embeddings_VD.float().cpu()

    @torch.inference_mode()
    def embed_with_maps(self, images_VHW3: NDArray[np.uint8]) -> tuple[Tensor, list[Tensor]]:
        """Embeds images and keeps the maps of the last three resolutions, or blocks of a transformer.

        Args:
            images_VHW3: (V, H, W, 3) uint8 RGB.

        Returns:
            embeddings_VD: (V, D) float32, those of `embed`, on the CPU.
            maps: (V, C, h, w) float32 each, from earlier to later, on the CPU.

        Raises:
            ValueError: the model gives no access to its layers.
        """
        if not hasattr(self.model, "forward_intermediates"):
            raise ValueError(f"{self.name} does not show its layers, which dense targets need")
        model: Any = self.model
        with torch.autocast(self.device.type, torch.bfloat16):
            features, maps = model.forward_intermediates(self._pixels(images_VHW3), indices=MAPS, norm=True)
            if self.embedding == "layers":
                embeddings_VD = _statistics(maps[-LAYERS:])
            elif self.embedding == "cls":
                embeddings_VD = model.forward_head(features)
            else:
                embeddings_VD = self._with_patches(features)
        return embeddings_VD.float().cpu(), [map_VCHW.float().cpu() for map_VCHW in maps]

    def _pixels(self, images_VHW3: NDArray[np.uint8]) -> Tensor:
        images = torch.from_numpy(np.array(images_VHW3)).to(self.device)
        pixels = ((images.float() / 255.0 - self.mean_3) / self.std_3).permute(0, 3, 1, 2)
        return pixels.contiguous(memory_format=torch.channels_last)

    def _embed(self, pixels: Tensor) -> Tensor:
        model: Any = self.model
        if self.embedding == "cls":
            pooled_VD: Tensor = model(pixels)
            return pooled_VD
        if self.embedding == "layers":
            maps = model.forward_intermediates(pixels, indices=LAYERS, norm=True, intermediates_only=True)
            return _statistics(maps)
        return self._with_patches(model.forward_features(pixels))

    def _with_patches(self, features: Tensor) -> Tensor:
        patch_VD = self._mean_patch(features.float())
        if self.embedding == "patch":
            return patch_VD
        model: Any = self.model
        return torch.cat([model.forward_head(features, pre_logits=True).float(), patch_VD], dim=1)

    def _mean_patch(self, features: Tensor) -> Tensor:
        if features.ndim == 3:  # tokens (V, K, D) of transformers
            return features[:, self.prefix_tokens :].mean(dim=1)
        # Maps (V, D, H, W) of convolutional networks, (V, H, W, D) of some with windows.
        channels_last = features.shape[1] != self.model.num_features
        return features.mean(dim=(1, 2) if channels_last else (2, 3))


def _statistics(maps: list[Tensor]) -> Tensor:
    """Returns mean and maximum of each of some (V, C, H, W) maps, one after another: (V, D)."""
    flat = [map_VCHW.float().flatten(2) for map_VCHW in maps]
    return torch.cat([part for map_VCK in flat for part in (map_VCK.mean(2), map_VCK.amax(2))], dim=1)


def _load(name: str, image_size: int) -> nn.Module:
    import timm

    path = Path(name)
    local = path.suffix == ".safetensors"
    if local and not path.is_file():
        raise FileNotFoundError(f"{path}: no such teacher file")
    architecture = path.stem if local else name
    overlay = {"file": os.fspath(path)} if local else None
    try:
        model: nn.Module = timm.create_model(
            architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0
        )
    except (RuntimeError, SafetensorError) as error:
        # Unknown names, names without weights, weights that do not fit, and damaged files.
        raise ValueError(f"teacher {name}: {_first_line(error)}") from error
    except Exception as error:  # of the Hub's client, or of its HTTP library, depending on its version
        if local:
            raise
        raise OSError(
            f"teacher {name}: no weights from the Hugging Face Hub ({_first_line(error)}); without a "
            f"network, give a local file that is named after the architecture: FOLDER/{name}.safetensors"
        ) from error
    if local:  # timm would leave weights that the file lacks random
        with safe_open(path, framework="pt") as file:
            missing = sorted(set(model.state_dict()) - set(file.keys()))
        if missing:
            raise ValueError(f"teacher {path}: {len(missing)} weights are missing, such as {missing[0]}")
    # Transformers have position embeddings for one image size; convolutional networks take any.
    set_input_size: Any = getattr(model, "set_input_size", None)
    if set_input_size is not None:
        try:
            set_input_size(img_size=image_size)
        except (AssertionError, RuntimeError) as error:
            raise _wrong_size(architecture, image_size, error) from error
    return model


def _wrong_size(name: str, image_size: int, error: Exception) -> ValueError:
    return ValueError(
        f"teacher {name} cannot embed pictures of {image_size} x {image_size} pixels: {_first_line(error)}"
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _digest(model: nn.Module) -> str:
    """Returns a checksum of the weights of a model that does not depend on the file they come from."""
    hasher = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        hasher.update(name.encode())
        hasher.update(np.ascontiguousarray(value.float().numpy()).tobytes())
    return hasher.hexdigest()
