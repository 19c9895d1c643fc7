"""Labels of sweep points in figures: their mechanism and what else they set, told apart."""

from collections.abc import Sequence

from paper_figures.letters import distinct
from paper_figures.settings import TEXT, Settings, last_key, point_text, section
from paper_figures.style import as_text

_MECHANISMS = {"none": "Free edge devices", "vcg": "VCG"}  # those whose name alone would not do


def mechanism_label(name: str) -> str:
    """Return the name of a mechanism in a figure: `budgeted_price` is "Budgeted price"."""
    return as_text(_MECHANISMS.get(name, name.replace("_", " ").capitalize()))


def point_label(settings: Settings) -> str:
    """Return the settings of a sweep point for an axis, such as "Budgeted price, budget 8".

    Keys lose their sections, and a mechanism's name stands for itself.
    """
    mechanism, parameters = _mechanism_and_parameters(settings)
    return ", ".join([mechanism_label(mechanism), *parameters] if mechanism else parameters)


def parameters_label(settings: Settings) -> str:
    """Return the label of a sweep point without the name of its mechanism: "budget 8".

    A point that sets nothing else has that of its mechanism.
    """
    _, parameters = _mechanism_and_parameters(settings)
    return ", ".join(parameters) or point_label(settings)


def told_apart(labels: Sequence[str], points: Sequence[Settings]) -> list[str]:
    """Return labels of sweep points, the whole settings of those that would have the same.

    Those that look alike even so have a number behind them.
    """
    return distinct(
        label if label and labels.count(label) == 1 else as_text(point_text(settings))
        for label, settings in zip(labels, points, strict=True)
    )


def _mechanism_and_parameters(settings: Settings) -> tuple[str, list[str]]:
    """Return the name of a point's mechanism, "" without one, and words for the other settings."""
    mechanism = ""
    words: list[str] = []
    for key, value in settings.items():
        name, parameters = section(key, value)
        if key == "mechanism.name":
            mechanism = str(value)
            continue
        if key == "mechanism":
            mechanism = name
        elif name:
            words.append(f"{last_key(key)} {name}")
        for parameter, inner in parameters:
            shown = last_key(parameter).replace("_", " ")
            words.append(as_text(f"{shown} {inner}" if parameter != TEXT else str(inner)))
    return mechanism, words
