"""The list of what there is: shipped experiments, and parts by name."""

import mechanisms
from envs.channel import CHANNELS
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.metrics import METRICS
from marl_moe.plugins import load_installed
from marl_moe.policies import POLICIES
from marl_moe.terminal.console import in_line
from paper_figures import FIGURES


def catalogue() -> list[str]:
    """Return a line for each shipped experiment, and one for each kind of parts.

    Raises:
        SpecError: a plugin cannot be imported.
    """
    load_installed()
    rows = [("experiment", "sizes", "file")]
    for name, path in shipped_experiments().items():
        rows.append((name, ", ".join(load_experiment(name).sizes), str(path)))
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    lines = [f"{name:<{widths[0]}}  {sizes:<{widths[1]}}  {file}" for name, sizes, file in rows]
    for kind, names in (
        ("policies", POLICIES),
        ("mechanisms", mechanisms.names()),
        ("channel processes", CHANNELS.names()),
        ("figures", FIGURES),
        ("metrics", METRICS.names()),
    ):
        if names:  # of metrics only plugins have any
            lines.append(f"{kind}: {', '.join(map(in_line, names))}")
    return lines
