"""The frozen image model whose embeddings of views are learned.

V views, H x W pixels, D teacher width
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DEFAULT_TEACHER = "vit_base_patch14_dinov2.lvd142m"


class Teacher:
    """A timm image model without its classifier, in evaluation mode.

    Args:
        name: timm architecture with its pretrained tag, as for `timm.create_model`; its weights come from
            the Hub. Or a local `ARCHITECTURE.safetensors`, named after the timm architecture that it fills.
        image_size: height and width of the images that will be given.
        device: where to run.
    """

    def __init__(self, name: str = DEFAULT_TEACHER, image_size: int = 224, device: str = "cpu") -> None:
        import timm
        from timm.data.config import resolve_model_data_config

        path = Path(name)
        local = path.suffix == ".safetensors"
        overlay = {"file": os.fspath(path)} if local else None
        if local and not path.is_file():
            raise FileNotFoundError(f"{path}: no such teacher file")
        architecture = path.stem if local else name
        arguments: dict[str, Any] = {"img_size": image_size} if architecture.startswith("vit") else {}
        model: nn.Module = timm.create_model(
            architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **arguments
        )
        settings = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
        self.name = architecture
        self.timm_version: str = timm.__version__
        self.image_size = image_size
        self.width: int = model.num_features  # type: ignore[assignment]
        self.device = torch.device(device)
        self.mean_3 = torch.tensor(settings["mean"], device=self.device)
        self.std_3 = torch.tensor(settings["std"], device=self.device)
        self.model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def embed(self, images_VHW3: NDArray[np.uint8]) -> Tensor:
        """Embeds images.

        Args:
            images_VHW3: (V, H, W, 3) uint8 RGB.

        Returns:
            (V, D) float32 pooled or CLS embeddings, as the model pools them.
        """
        images = torch.from_numpy(np.ascontiguousarray(images_VHW3)).to(self.device)
        pixels = ((images.float() / 255.0 - self.mean_3) / self.std_3).permute(0, 3, 1, 2)
        with torch.autocast(self.device.type, torch.bfloat16):
            embeddings_VD: Tensor = self.model(pixels.contiguous(memory_format=torch.channels_last))
        return embeddings_VD.float()
