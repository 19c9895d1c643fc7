"""Copies of the files that an experiment names, in its run folder: made, and checked when read.

`inputs/` holds the files, by the names that `experiment.yaml` calls them, and `SHA256SUMS`, in the
form of the tool of that name: a copy that was changed would make other worlds.
"""

from hashlib import sha256
from pathlib import Path

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.input_files import DIGESTS, INPUTS
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.whole_file import whole_file, write_text


def copy_inputs(spec: ExperimentSpec, folder: Path) -> ExperimentSpec:
    """Copy the files that an experiment names into its run folder.

    Args:
        spec: the experiment.
        folder: the run folder.

    Returns:
        The experiment that reads the copies.

    Raises:
        OSError: a file cannot be read or written.
    """
    if not spec.inputs:
        return spec
    (folder / INPUTS).mkdir(exist_ok=True)
    digests, copies = [], {}
    for name, path in spec.inputs.items():
        content = Path(path).read_bytes()
        with whole_file(folder / name) as partial:
            partial.write_bytes(content)
        digests.append(f"{sha256(content).hexdigest()}  {Path(name).name}\n")
        copies[name] = str((folder / name).absolute())
    write_text(folder / INPUTS / DIGESTS, "".join(digests))
    return parse_experiment(spec.as_dict(), spec.name, inputs=copies)


def check_inputs(spec: ExperimentSpec, folder: Path) -> None:
    """Check that the files that an experiment names are those that were copied.

    Raises:
        SpecError: one is gone, or was changed.
    """
    if not spec.inputs:
        return
    file = folder / INPUTS / DIGESTS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SpecError(f"{file}: the digests of the inputs are gone; restore it") from None
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in spec.inputs:
        copy = folder / name
        try:
            digest = sha256(copy.read_bytes()).hexdigest()
        except OSError:
            raise SpecError(f"{copy}: the copy of an input is gone; restore it") from None
        if digest != digests.get(Path(name).name):
            raise SpecError(f"{copy}: not the file that the run began with; restore it")
