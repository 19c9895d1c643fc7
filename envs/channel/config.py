"""The section `env.channel`: the process of the SNR, and how a band is used and shared."""

from dataclasses import fields
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import InitErrorDetails, PydanticCustomError

from envs.channel.modulation import Modulation, bits_per_symbol
from envs.channel.process import ChannelProcess
from envs.channel.registry import CHANNELS, clips, keys_read, make
from envs.geometry.config import GeometryConfig
from envs.geometry.of_groups import NO_GROUPS, AgentGroups
from envs.quantity import PositiveQuantity
from envs.section import STRICT, Interval, Probability, Section, default_of

# Keys that matter to a process alone: one that does not read them refuses them.
OF_PROCESS = (
    "snr_db",
    "correlation",
    "speed_m_s",
    "decorrelation_distance_m",
    "sigma_db",
    "trace",
    "geometry",
)
AGENT_GROUPS = "agent_groups"  # a parameter of processes that is given the world's groups


@dataclass(frozen=True, config=STRICT)
class ChannelConfig(Section):
    """Fading channels between each user and each expert, and how an expert's band is shared."""

    process: str = Field(
        default="iid",
        description="SNR from slot to slot: iid, gauss_markov, geometric, trace, or one of your "
        "own (docs/extending/channel.md)",
    )
    parameters: dict[str, JsonValue] | None = Field(
        default_factory=dict,
        description="Parameters of a process of your own; null: none, as {} is",
    )
    snr_db: Interval = Field(
        default=(5.0, 20.0), description="Range of the SNR of iid and gauss_markov, dB"
    )
    correlation: Probability | None = Field(
        default=None, description="rho of gauss_markov from one slot to the next"
    )
    speed_m_s: float | None = Field(
        default=None, ge=0, description="Users' speed, m/s; gives rho in place of correlation"
    )
    decorrelation_distance_m: float = Field(
        default=20.0, gt=0, description="Gudmundson's decorrelation distance, m"
    )
    sigma_db: float = Field(
        default=3.0, ge=0, description="Spread of the gauss_markov latent SNR about its mean, dB"
    )
    trace: str | None = Field(
        default=None,
        description="File of the SNRs of trace, Parquet or CSV with columns slot, user, expert, "
        "snr_db and, if any, episode, relative to the experiment (docs/traces.md)",
    )
    geometry: GeometryConfig | None = Field(
        default=None,
        description="Places, movement and path loss of geometric, which needs this section "
        "(docs/geometry.md); {}: all of its defaults",
    )
    bandwidth_hz: PositiveQuantity = Field(
        default=1000.0, description="Band of an expert, shared by those it serves, Hz"
    )
    split: Literal["equal", "min_delay"] = Field(
        default="equal", description="How an expert's band is shared"
    )
    access: Literal["spectral_density", "total_power"] = Field(
        default="spectral_density",
        description="What a share of the band is sent with: its share of the power, or all of it",
    )
    ber: Literal["none", "qam", "snr"] = Field(
        default="none",
        description="Shannon rates, adaptive QAM at a bit error rate, or one modulation whose bit "
        "error rate follows the SNR",
    )
    target_ber: float = Field(default=1e-4, gt=0, lt=0.2, description="Bit error rate of ber: qam")
    modulation: Modulation = Field(default="qpsk", description="Modulation of ber: snr")
    max_spectral_efficiency: float | None = Field(
        default=8.0,
        gt=0,
        description="Greatest spectral efficiency of a link at any SNR and share, bit/s/Hz; null: "
        "none",
    )
    min_snr_db: float | None = Field(
        default=-5.0,
        ge=-200,
        le=200,
        description="A pair of less SNR is out of coverage: users cannot choose it, dB; null: none "
        "is",
    )
    tx_power_w: PositiveQuantity = Field(default=0.1, description="Transmit power, each way, W")
    bits_per_word: float = Field(default=48.0, gt=0, description="Bits a word (assumption)")
    prompt_words: float = Field(default=30.0, ge=0, description="Words sent up with a subtask")

    @field_validator("process")
    @classmethod
    def _registered(cls, name: str) -> str:
        CHANNELS[name]
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.access == "total_power":
            for key, value in (("split", "min_delay"), ("ber", "snr")):
                if getattr(self, key) == value:
                    raise ValueError(f"access: total_power cannot be combined with {key}: {value}")
        if self.ber != "snr" and self._given("modulation"):
            raise ValueError(f"modulation has no effect with ber: {self.ber}; use ber: snr")
        if self.ber != "qam" and self._given("target_ber"):
            raise ValueError(f"target_ber has no effect with ber: {self.ber}; use ber: qam")
        read = keys_read(self.process, OF_PROCESS)
        for key in OF_PROCESS:
            if key not in read and self._given(key):
                raise ValueError(_without_effect(key, self.process))
        if self.correlation is not None and self._given("decorrelation_distance_m"):
            raise ValueError(
                "decorrelation_distance_m has no effect with correlation; leave it out, or give "
                "speed_m_s in place of correlation"
            )
        try:
            process = self.made()
        except (TypeError, ValueError) as error:
            if not self.parameters:
                raise
            raise _of_key("parameters", str(error), self.parameters) from None
        if self.ber == "snr":
            self._check_modulation(process)
        return self

    def _given(self, key: str) -> bool:
        """Return whether a key has another value than by default."""
        return bool(getattr(self, key) != default_of(self, key))

    def _check_modulation(self, process: ChannelProcess) -> None:
        """Raise ValueError where a fixed modulation does not go with the other keys."""
        sent, most = bits_per_symbol(self.modulation), self.max_spectral_efficiency
        if most is not None and sent > most:
            raise ValueError(
                f"modulation: {self.modulation} sends {sent:g} bit/s/Hz, above "
                f"max_spectral_efficiency {most:g}"
            )
        if process.rician_k() is not None:
            raise ValueError(
                "ber: snr cannot be combined with fading within a slot, since its errors would "
                "depend on how code words spread over fades: use fading: none, or ber: none or qam"
            )

    @property
    def reads_groups(self) -> bool:
        """True where agents of groups may have places of their own."""
        return bool(keys_read(self.process, (AGENT_GROUPS,)))

    @property
    def clips(self) -> bool:
        """True where the process keeps the SNR within `snr_db`."""
        return clips(self.process)

    @cached_property
    def rician_k(self) -> float | None:
        """Rician factor of the fading within a slot, `ChannelProcess.rician_k`."""
        return self.made().rician_k()

    def made(self, groups: AgentGroups = NO_GROUPS) -> ChannelProcess:
        """Return the process, made of its parameters and of the keys that it reads.

        Args:
            groups: groups of agents, which a process with the parameter `agent_groups` is given.
        """
        keys = {field.name: getattr(self, field.name) for field in fields(self)}
        del keys["process"], keys["parameters"]
        keys[AGENT_GROUPS] = groups
        return make(self.process, keys, self.parameters or {})


def _without_effect(key: str, process: str) -> str:
    readers = [name for name in CHANNELS.names() if keys_read(name, (key,))]
    return f"{key} has no effect with process: {process}; use process: {' or '.join(readers)}"


def _of_key(key: str, message: str, value: Any) -> ValidationError:
    """Return the error of a key of the section, which has the path of the key."""
    mistake = PydanticCustomError("value_error", "{message}", {"message": message})
    details = InitErrorDetails(type=mistake, loc=(key,), input=value)
    return ValidationError.from_exception_data("ChannelConfig", [details])
