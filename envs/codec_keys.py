"""Keys of codecs in the sections and groups of experts: what each sends, and their limits."""

from envs.channel.config import ChannelConfig
from envs.codec import CODECS, Codecs
from envs.expert_section import ExpertConfig
from envs.geometry.models import MODEL, Model, mistake
from envs.groups import CODEC, Groups, given_to_each
from envs.section import default_of

KNOWLEDGE = "shared_knowledge"


def codecs_of(experts: ExpertConfig, groups: Groups | None, count: int) -> Codecs:
    """Return the codecs of `count` experts: those of their groups, else of the section."""
    return Codecs.of(given_to_each(groups, CODEC, experts.codec, count))


def check_codecs(experts: ExpertConfig, groups: Groups | None, channel: ChannelConfig) -> None:
    """Check that codecs are made for the channel, and that what experts share matters to them.

    Raises:
        ValidationError: a codec is not; it has the path of the key.
        ValueError: `shared_knowledge` is given, and has no effect.
    """
    used: dict[tuple[str, ...], Model] = {("experts", CODEC): experts.codec}
    for name, given in (groups or {}).items():
        codec = given.get(CODEC, experts.codec)
        used["expert_groups", name, CODEC] = codec
        if KNOWLEDGE in given and not _reads_knowledge(codec):
            key = f"expert_groups.{name}.{KNOWLEDGE}"
            raise ValueError(f"{key} has no effect with codec: {codec[MODEL]}")
    changed = getattr(experts, KNOWLEDGE) != default_of(experts, KNOWLEDGE)
    if changed and not any(map(_reads_knowledge, used.values())):
        raise ValueError(
            f"experts.{KNOWLEDGE} has no effect with codec: {experts.codec[MODEL]}; leave it out, "
            "or use a codec that depends on it"
        )
    for path, section in used.items():
        try:
            CODECS.made_of(section).check(channel)
        except ValueError as error:
            raise mistake(error, *path, value=section) from None


def _reads_knowledge(codec: Model) -> bool:
    return CODECS.made_of(codec).reads_knowledge
