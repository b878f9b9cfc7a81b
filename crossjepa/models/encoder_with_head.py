"""A point encoder that can carry a head, under the names that timm's models use.

B clouds, N points, G groups, C encoder width, Q query points
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from crossjepa.config import Axis, EncoderConfig, HeadConfig, Pooling, Task
from crossjepa.errors import NoHeadError
from crossjepa.models.heads import Head, HeadFeatures, make_head
from crossjepa.models.point_encoder import EncoderOutput, PointEncoder

_PREFIX = "network."
# What clouds in the unit sphere do not reach, however they are augmented, and what all of them do.
LARGEST_COORDINATE, SMALLEST_COORDINATE = 1.5, 0.2


class EncoderWithHead(nn.Module):
    """A network with an optional head.

    The keys of its state are those of the network without a prefix (`blocks.0...`), and `head...`: a file of
    weights does not say how the classes are nested.

    Args:
        config: shape of the network.
        head: what the head predicts, None for a bare encoder.
        device: where to put the parameters.
        dtype: their type.

    Attributes:
        network: the point encoder.
        head: the head, None for a bare encoder.
        head_config: what the head predicts, None for a bare encoder.
        expects_unit_sphere: whether `forward` warns of clouds that are not in the unit sphere.
    """

    expects_unit_sphere = True
    head: Head | None
    head_config: HeadConfig | None

    def __init__(
        self,
        config: EncoderConfig,
        head: HeadConfig | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.network = PointEncoder(config, device=device, dtype=dtype)
        self.reset_classifier(head)
        self.register_state_dict_post_hook(_without_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_with_prefix)  # type: ignore[no-untyped-call]

    @property
    def config(self) -> EncoderConfig:
        """Shape of the network."""
        return self.network.config

    @property
    def num_features(self) -> int:
        """Channels of a token (C)."""
        return self.network.num_features

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.network.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.network.dtype

    def forward(
        self, points_BN3: Tensor, mask_BN: Tensor | None = None, *, pool: Pooling | None = None
    ) -> EncoderOutput:
        """Encodes normalized (B, N, 3) clouds, as `preprocess` returns them; see `PointEncoder.forward`.

        Outside of compiled and exported models, clouds that are not normalized give a warning.
        """
        is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if self.expects_unit_sphere and not is_traced:
            _warn_if_not_normalized(points_BN3)
        return self.network(points_BN3, mask_BN, pool=pool)  # type: ignore[no-any-return]

    def forward_features(self, points_BN3: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Returns the (B, G, C) tokens after the final norm; arguments as in `forward`."""
        return self.network.forward_features(points_BN3, mask_BN)

    def forward_intermediates(
        self, points_BN3: Tensor, indices: int | Sequence[int] | None = None, **options: Any
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Returns the tokens after chosen blocks; see `PointEncoder.forward_intermediates`."""
        return self.network.forward_intermediates(points_BN3, indices, **options)

    def get_intermediate_layers(
        self, points_BN3: Tensor, n: int | Sequence[int] = 1, **options: Any
    ) -> tuple[Tensor, ...]:
        """Returns the tokens of the last n blocks; see `PointEncoder.get_intermediate_layers`."""
        return self.network.get_intermediate_layers(points_BN3, n, **options)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recomputes activations of patch embedding and blocks in the backward pass to save memory."""
        self.network.set_grad_checkpointing(enable)

    def no_weight_decay(self) -> set[str]:
        """Names of parameters without weight decay besides biases and norms (timm's hook)."""
        return {_PREFIX + name for name in self.network.no_weight_decay()}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """Patterns that order parameters by depth, for timm's layer-wise learning-rate decay."""
        return self.network.group_matcher(coarse, prefix=_PREFIX)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the head knows, () without a head."""
        return self.head_config.classes if self.head_config else ()

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts that the head knows, () without a part segmentation head."""
        return self.head_config.part_names if self.head_config else ()

    @property
    def class_parts(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the parts of each class, () without a part segmentation head."""
        return self.head_config.class_parts if self.head_config else ()

    @property
    def head_up_axis(self) -> Axis | None:
        """The axis that points up in the clouds the head was trained on; None for that of the weights."""
        return self.head_config.up_axis if self.head_config else None

    def class_number(self, label: str | None) -> int:
        """Returns the number of a class; None for the only one.

        Raises:
            ValueError: the class is unknown, or None although there are several; the message lists them.
        """
        if label is None and len(self.classes) == 1:
            return 0
        if label not in self.classes:
            known = list(self.classes)
            raise ValueError(f"label must be the class of the object, one of {known}, not {label!r}")
        return self.classes.index(label)

    def get_classifier(self) -> Head | None:
        """Returns the head, None for a bare encoder."""
        return self.head

    def reset_classifier(self, config: HeadConfig | Literal[0] | None = None) -> None:
        """Replaces the head by one with random weights, or removes it.

        Args:
            config: what the new head predicts; None or 0 for no head.
        """
        if isinstance(config, int) and config != 0:
            raise TypeError(f"a head needs a HeadConfig, which names its classes, not {config!r}")
        self.head_config = config or None
        self.head = make_head(config, self.config).to(self.device, self.dtype) if config else None

    def head_features(self, points_BN3: Tensor, mask_BN: Tensor | None = None) -> HeadFeatures:
        """Returns what the head reads of clouds; arguments as in `forward`.

        Raises:
            NoHeadError: there is no head.
        """
        return self.require_head().read(self.network, points_BN3, mask_BN)

    def forward_head(
        self,
        features: EncoderOutput | HeadFeatures,
        queries_BQ3: Tensor | None = None,
        label_B: Tensor | None = None,
    ) -> Tensor:
        """Runs the head.

        Args:
            features: what `head_features` returned; for classification also the output of the encoder.
            queries_BQ3: (B, Q, 3) points to label, in the frame of the clouds, for part segmentation only.
            label_B: (B,) int64 class of each cloud, for part segmentation only.

        Returns:
            (B, K) scores of the classes, or (B, Q, P) scores of the parts.

        Raises:
            NoHeadError: there is no head.
        """
        return self.require_head()(features, queries_BQ3, label_B)  # type: ignore[no-any-return]

    def require_head(self, task: Task | None = None) -> Head:
        """Returns the head.

        Args:
            task: the task it must be for, None for any.

        Raises:
            NoHeadError: there is no head, or it is for another task; the message says what to do.
        """
        if self.head is None or self.head_config is None:
            raise NoHeadError(
                "this encoder has no head and can only encode: fine-tune it first, "
                "`crossjepa finetune DATA -o FOLDER`, and load that folder"
            )
        if task not in (None, self.head_config.task):
            verb = "predict_parts" if self.head_config.task == "partseg" else "predict"
            raise NoHeadError(f"this model was fine-tuned for {self.head_config.task}: use {verb}()")
        return self.head


def _warn_if_not_normalized(points_BN3: Tensor) -> None:
    """Warns of coordinates beyond any augmentation of the unit sphere; of a GPU, nothing is waited for."""
    if type(points_BN3) is not Tensor or points_BN3.device.type != "cpu" or not points_BN3.numel():
        return
    largest = float(points_BN3.detach().abs().max())
    if largest > LARGEST_COORDINATE or 0 < largest < SMALLEST_COORDINATE:
        warnings.warn(
            f"the largest coordinate of these clouds is {largest:.3g}, but the network expects clouds in the "
            "unit sphere: call `encode`, or `preprocess` before `forward`",
            stacklevel=5,
        )


def _without_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Takes the prefix of the network from the keys of a state, in their order."""
    for name in [name for name in state if name.startswith(prefix)]:
        state[prefix + name[len(prefix) :].removeprefix(_PREFIX)] = state.pop(name)


def _with_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Gives the keys of a state back what `_without_prefix` took."""
    for name in [name for name in state if name.startswith(prefix)]:
        if not name.startswith(prefix + "head."):
            state[prefix + _PREFIX + name[len(prefix) :]] = state.pop(name)
