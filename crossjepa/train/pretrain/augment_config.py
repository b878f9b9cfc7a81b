"""Augmentations that turn clean clouds into what scanners see; all are off by default."""

from dataclasses import dataclass
from typing import Annotated

from crossjepa.config_fields import Checked, Limit, NonNegative, Share

Factor = Annotated[float, Limit(lambda value: 1 <= value <= 10, "from 1 to 10")]
Angle = Annotated[float, Limit(lambda value: 0 <= value <= 180, "from 0 to 180")]
PartShare = Annotated[float, Limit(lambda value: 0 <= value < 1, "from 0 to below 1")]


@dataclass(frozen=True)
class AugmentSection(Checked):
    """Augmentations that turn clean clouds into what scanners see.

    Each has a probability, by default 0, with which it acts on a cloud; several may act on the same cloud.
    Noise and sizes are in radii of the cloud before the final normalization. The targets stay those of the
    clean object.

    Attributes:
        stretch_probability: share of the clouds that are stretched much more than `scale_range` says.
        stretch: each axis of such a cloud is scaled by 1 / stretch to stretch, uniform in the logarithm.
        tilt_probability: share of the clouds that are tilted, together with their cameras.
        tilt: largest angle of a rotation about a random horizontal axis, in degrees.
        noise_probability: share of the clouds with more noise than `jitter`.
        noise: largest standard deviation of the noise of such a cloud; each has its own.
        dropout_global_probability: share of the clouds with fewer points than the others.
        dropout_global: largest share of the points that are missing.
        dropout_local_probability: share of the clouds with one to seven holes.
        dropout_local: largest share of the surface that is cut out for the holes of a cloud.
        density_probability: share of the clouds whose density falls with the distance from a random place.
        density: how much denser the nearest part of such a cloud is than its farthest part, at most.
        outlier_probability: share of the clouds with stray points, uniform in the ball around the cloud.
        outliers: largest share of stray points.
        clutter_probability: share of the clouds with one to seven clusters of extra points.
        clutter: largest share of points in clusters.
        single_view_probability: share of the clouds of which only what a depth camera sees is left.
        second_view: share of these that two cameras see.
        depth_noise: largest standard deviation of the cameras' noise along the line of sight, at the distance
            of the object's center; it grows with the square of the distance. Some points at edges lie between
            the surfaces before and behind the edge.
        background_probability: share of the clouds with a piece of floor, and some with a wall behind the
            object or a box beside it.
        background: largest share of points on floor, wall and box.
    """

    stretch_probability: Share = 0.0
    stretch: Factor = 2.0
    tilt_probability: Share = 0.0
    tilt: Angle = 30.0
    noise_probability: Share = 0.0
    noise: NonNegative = 0.03
    dropout_global_probability: Share = 0.0
    dropout_global: PartShare = 0.75
    dropout_local_probability: Share = 0.0
    dropout_local: PartShare = 0.5
    density_probability: Share = 0.0
    density: Annotated[float, Limit(lambda value: 1 <= value <= 1000, "from 1 to 1000")] = 20.0
    outlier_probability: Share = 0.0
    outliers: PartShare = 0.05
    clutter_probability: Share = 0.0
    clutter: PartShare = 0.33
    single_view_probability: Share = 0.0
    second_view: Share = 0.3
    depth_noise: NonNegative = 0.02
    background_probability: Share = 0.0
    background: PartShare = 0.5

    @property
    def probabilities(self) -> dict[str, float]:
        """Probability of each augmentation by its name."""
        ending = "_probability"
        return {
            name.removesuffix(ending): value for name, value in vars(self).items() if name.endswith(ending)
        }

    @property
    def is_off(self) -> bool:
        """Whether no cloud is augmented in any of these ways."""
        return not any(self.probabilities.values())

    @property
    def leaves_out_points(self) -> bool:
        """Whether clouds may have fewer points than asked for."""
        fewer = ("dropout_global", "dropout_local", "density", "single_view")
        return any(self.probabilities[name] for name in fewer)
