"""The section `env.channel.geometry`: places, movement, and what is lost on the way."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from envs.geometry.area import Area
from envs.geometry.mobility import MOBILITIES, Mobility
from envs.geometry.models import MODEL, Model, mistake
from envs.geometry.path_loss import PATH_LOSSES, PathLoss
from envs.geometry.paths import Span
from envs.geometry.placement import PLACEMENTS, Placement
from envs.geometry.shadowing import ShadowingConfig
from envs.section import STRICT, Section

Side = Annotated[float, Field(ge=1, le=1e6)]


def _model(description: str, **default: Any) -> Any:
    """Return the field of a section `{model: NAME, ...}`."""
    return Field(
        default_factory=lambda: dict(default),
        description=description,
        json_schema_extra={"default": default},
    )


def _path_loss(section: Model) -> Model:
    PATH_LOSSES.made_of(section)
    return section


PathLossModel = Annotated[Model, AfterValidator(_path_loss)]
_PATH_LOSS = (
    "Loss of a path, {model: NAME, ...}: free_space, log_distance, umi_38901, air_to_ground, or "
    "your own"
)
_PLACEMENT = "Places when an episode begins, {model: NAME, ...}: uniform, grid, hotspots, file"
_MOBILITY = "Movement, {model: NAME, ...}: static, random_waypoint, gauss_markov, or your own"


@dataclass(frozen=True, config=STRICT)
class EndConfig(Section):
    """One end of the paths: users, or experts."""

    placement: Model = _model(_PLACEMENT, model="uniform")
    mobility: Model = _model(_MOBILITY, model="static")
    height_m: float = Field(
        default=1.5, ge=0, description="Height of the antenna, where the placement has none, m"
    )
    antenna_gain_db: float = Field(default=0.0, description="Gain of the antenna, dBi")

    @field_validator("placement")
    @classmethod
    def _placement(cls, section: Model) -> Model:
        PLACEMENTS.made_of(section)
        return section

    @field_validator("mobility")
    @classmethod
    def _mobility(cls, section: Model) -> Model:
        MOBILITIES.made_of(section)
        return section

    @model_validator(mode="after")
    def _placed_once(self) -> Self:
        if self.made_mobility().starts_by_itself and self.placement[MODEL] != "uniform":
            error = ValueError(
                f"{self.mobility[MODEL]} would begin elsewhere than placement: "
                f"{self.placement[MODEL]} says; add start_at: placement"
            )
            raise mistake(error, "mobility", value=self.mobility)
        return self

    def made_placement(self) -> Placement:
        """Return the placement."""
        return PLACEMENTS.made_of(self.placement)

    def made_mobility(self) -> Mobility:
        """Return the mobility."""
        return MOBILITIES.made_of(self.mobility)


@dataclass(frozen=True, config=STRICT)
class UsersConfig(EndConfig):
    """Where users are, and how they move."""

    mobility: Model = _model(_MOBILITY, model="random_waypoint")


@dataclass(frozen=True, config=STRICT)
class ExpertsConfig(EndConfig):
    """Where experts are, and how they move."""

    placement: Model = _model(_PLACEMENT, model="grid")
    height_m: float = Field(
        default=10.0, ge=0, description="Height of the antenna, where the placement has none, m"
    )


@dataclass(frozen=True, config=STRICT)
class PathsOfGroup(Section):
    """The key of a group of experts that is one of all paths, and of no end."""

    path_loss: PathLossModel = _model(_PATH_LOSS, model="umi_38901")


@dataclass(frozen=True, config=STRICT)
class GeometryConfig(Section):
    """Places of users and experts, of which the SNR of `process: geometric` follows."""

    area_m: tuple[Side, Side] = Field(
        default=(1000.0, 1000.0), description="Width and depth of the area, 1 to 1e6 m"
    )
    users: UsersConfig = Field(default_factory=UsersConfig)
    experts: ExpertsConfig = Field(default_factory=ExpertsConfig)
    path_loss: PathLossModel = _model(_PATH_LOSS, model="umi_38901")
    carrier_ghz: float = Field(default=3.5, gt=0, description="Carrier frequency, GHz")
    shadowing: ShadowingConfig = Field(default_factory=ShadowingConfig)
    fading: Literal["none", "rayleigh", "rician"] = Field(
        default="rayleigh", description="Fading within a slot, over which the rate is averaged"
    )
    rician_k_db: float | None = Field(
        default=None,
        ge=-20,
        le=40,
        description="Power of the constant part over that of the rest, with fading: rician, dB",
    )
    noise_figure_db: float = Field(
        default=9.0, ge=0, le=100, description="Noise beyond the thermal -174 dBm/Hz, dB"
    )
    propagation_delay: bool = Field(
        default=False,
        description="Does a transfer take the time of its path too, distance / c each way?",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.fading == "rician") != (self.rician_k_db is not None):
            raise ValueError("fading: rician and rician_k_db are given together, or neither")
        for name, end in (("users", self.users), ("experts", self.experts)):
            try:
                end.made_placement().check(self.area)
            except ValueError as error:
                raise mistake(error, name, "placement", value=end.placement) from None
        heights = (self.users.height_m, self.users.height_m), (self.experts.height_m,) * 2
        try:
            self.made_path_loss().check(self.span(*heights))
        except ValueError as error:
            raise mistake(error, "path_loss", value=self.path_loss) from None
        return self

    @property
    def area(self) -> Area:
        """The area."""
        return Area(*self.area_m)

    @property
    def rician_k(self) -> float | None:
        """Rician factor of the fading, linear, 0 for Rayleigh; None where there is no fading."""
        if self.fading == "none":
            return None
        return 0.0 if self.rician_k_db is None else float(10 ** (self.rician_k_db / 10))

    def made_path_loss(self) -> PathLoss:
        """Return the path loss."""
        return PATH_LOSSES.made_of(self.path_loss)

    def span(self, users_m: tuple[float, float], experts_m: tuple[float, float]) -> Span:
        """Return the span of paths, given the least and greatest heights of both ends."""
        return Span(self.carrier_ghz, users_m, experts_m, self.area.diagonal_m)
