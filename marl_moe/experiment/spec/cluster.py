"""The section `cluster`: the Ray that a run runs on."""

import re
from typing import Any, Self

from pydantic import Field, model_validator

from marl_moe.experiment.spec.section import Section

RUNTIME_ENV_KEYS = (
    "working_dir",
    "py_modules",
    "excludes",
    "pip",
    "uv",
    "conda",
    "image_uri",
    "config",
)
ADDRESS = re.compile(r"auto|local|[^\s/:]+:\d+|\[[0-9A-Fa-f:]+\]:\d+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ClusterSpec(Section):
    """The Ray that a run runs on.

    Everything but the address is kept in the run folder: no secret may stand here.
    """

    address: str | None = Field(
        None,
        description="Ray cluster to run on: host:port, or auto, one that runs on this machine; "
        "null or local: a Ray "
        "of this machine alone, begun and ended with the command. Kept in no run folder: `marl-moe "
        "resume` runs on this machine unless it is given --address",
    )
    namespace: str | None = Field(None, description="Ray's namespace; null: one of the run's own")
    runtime_env: dict[str, Any] = Field(
        default={},
        description="Ray's runtime environment of every process, as {py_modules: [marl_moe, envs, "
        "mechanisms]}: working_dir, py_modules, excludes, pip, uv, conda, image_uri, config",
    )
    env_vars: list[str] = Field(
        default=[],
        description="Names of environment variables that every process is given as they are where "
        "the command runs; names alone, since this is kept in the run folder",
    )
    max_concurrent_trials: int | None = Field(
        None,
        ge=1,
        description="Jobs (sweep points x seeds) at once, at most; null: as many as the cores of "
        "the cluster allow; 1: one after another in the command's process, which alone needs no "
        "folder shared by the nodes",
    )

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.address is not None and self.address.startswith("ray://"):
            raise ValueError(
                "address: ray:// (Ray Client) does not carry RLlib; run the command on a node of "
                "the cluster, or hand it over with `ray job submit -- marl-moe run ...`"
            )
        if self.address is not None and not ADDRESS.fullmatch(self.address):
            raise ValueError(
                f"address: should be host:port, auto, local or null, got {self.address!r}"
            )
        if "env_vars" in self.runtime_env:
            raise ValueError(
                "runtime_env.env_vars: values would be kept in the run folder; list names in "
                "env_vars"
            )
        for key in self.runtime_env:
            if key not in RUNTIME_ENV_KEYS:
                raise ValueError(
                    f"runtime_env: unknown key {key!r}; valid: {', '.join(RUNTIME_ENV_KEYS)}"
                )
        if not all(VARIABLE.fullmatch(name) for name in self.env_vars):
            raise ValueError(  # what was given is not repeated: it may be a secret
                "env_vars: should be names of environment variables, as [HF_HOME]; their values "
                "are taken from the environment of the command"
            )
        return self
