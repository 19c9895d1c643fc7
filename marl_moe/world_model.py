"""The model of the world that a run or a policy was made with: only the present one is played."""

from envs import MODEL

FIRST = 1  # the model of runs and policies that name none


def other_model(what: str, model: int, made_by: str = "") -> str:
    """Return the message for what was made with another model of the world and would be played.

    Args:
        what: file or folder, and what it is.
        model: the model that it was made with.
        made_by: the version that made it, empty where nobody knows.
    """
    version = made_by or "the version of marl-moe"
    return (
        f"{what} of model {model} of the world, and worlds are played by model {MODEL}: train it "
        f"anew, or use {version}, which made it"
    )
