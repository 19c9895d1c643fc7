"""Commands of the text pipeline: `generate`, `calibrate`, `upgrade-gate`, `serve-local-llm`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from marl_moe.errors import MissingExtraError
from marl_moe.experiment.records.secrets import redacted
from marl_moe.extras import check_text
from marl_moe.terminal.console import (
    INTERRUPTED,
    complain,
    complaints,
    in_line,
    result,
    say,
    show,
    shown,
    stdout,
)
from marl_moe.terminal.once import OnceTyper
from marl_moe.terminal.options import Trust
from marl_moe.text.backends.names import Backend, JudgeName

app = OnceTyper()


BackendOption = Annotated[
    Backend,
    typer.Option(
        help="Experts: `phrases` (retrieval, no language model) or `openai` (any compatible "
        "endpoint)."
    ),
]
JudgeOption = Annotated[
    JudgeName, typer.Option(help="Judge: `embedding`, or the `openai` endpoint.")
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Endpoint of `openai`, ending in /v1 as a rule; the key is read from OPENAI_API_KEY.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Model to ask for at that endpoint.")
]
BankOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="A further topic's bank; the gate is retrained for it (`upgrade-gate`).",
    ),
]


@app.command(
    epilog='Examples: `marl-moe generate "A scarred captain sails into a storm, and the crew '
    'whisper of mutiny."` · '
    "`marl-moe generate PROMPT --run results/quickstart --local-compute 1` · "
    "`marl-moe generate PROMPT --backend openai --base-url http://127.0.0.1:8080/v1 "
    "--model smollm2`"
)
def generate(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to write about, in a clause or more.")
    ],
    backend: BackendOption = Backend.PHRASES,
    base_url: UrlOption = None,
    model: ModelOption = None,
    judge: JudgeOption = JudgeName.EMBEDDING,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Policy that picks experts; if left out greedy, or RUN's first."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="A run folder: its world, mechanism and policies; else quickstart's world.",
        ),
    ] = None,
    point: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Sweep point of RUN; its first if left out.")
    ] = None,
    local_compute: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0, help="Compute units of the device; 0.75 a subtask if left out."
        ),
    ] = None,
    topics: Annotated[
        int, typer.Option(metavar="K", min=1, help="Topics a clause: k of the gate's top-k.")
    ] = 1,
    words: Annotated[
        int, typer.Option(metavar="N", min=1, help="Words of an answer to a clause of mean length.")
    ] = 200,
    bank: BankOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the world and of the experts.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON instead.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Answer a prompt in the paper's four steps and score the answer.

    The steps are: decompose, assess, transfer, integrate.
    """
    _check_installed("generate")
    from marl_moe.errors import SpecError
    from marl_moe.text.account import account
    from marl_moe.text.assembly import network_of, pipeline_of, writers_of
    from marl_moe.text.bank import BankError, load_banks
    from marl_moe.text.decomposition import PromptError
    from marl_moe.text.pipeline import Result

    if trust and run is None:
        complain("--trust: is of a run; give --run RUN", 2)
    try:
        with _failures(SpecError, BankError, PromptError), complaints.status("loading") as status:
            banks = load_banks(bank or ())
            network = network_of(run, point, policy, len(banks), trust=trust)
            writers = writers_of(backend, judge, base_url, model, seed, banks, _note)

            def tell(step: str) -> None:
                status.update(Text(in_line(step)))

            pipeline = pipeline_of(writers, network, seed, topics, words, on_step=tell)
            answer = pipeline.run(prompt, local_compute)
    except KeyboardInterrupt:
        complain("interrupted", INTERRUPTED)
    names = {"policy": network.policy.name, "mechanism": network.mechanism.name}
    if as_json:
        told: dict[str, Any] = {**names, "topics": pipeline.gate.topics}
        if writers.endpoint is not None:
            told["endpoint_changes"] = writers.endpoint.dialect.changes
        told.update(json.loads(TypeAdapter(Result).dump_json(answer)))  # null in place of NaN
        result(json.dumps(told, indent=2))
    else:
        result(account(answer, pipeline.gate.topics, **names))


@app.command(
    epilog="Examples: `marl-moe calibrate --out phrases.json` · "
    "`marl-moe calibrate --backend openai --base-url URL --model NAME --per-cell 10`; then "
    "`marl-moe run contention --set env.experts.competence=phrases.json`"
)
def calibrate(
    backend: BackendOption = Backend.PHRASES,
    base_url: UrlOption = None,
    model: ModelOption = None,
    judge: JudgeOption = JudgeName.EMBEDDING,
    per_cell: Annotated[
        int, typer.Option(metavar="N", min=2, help="Held-out subtasks a cell of the table.")
    ] = 30,
    words: Annotated[
        int, typer.Option(metavar="N", min=1, help="Requested words of an answer.")
    ] = 200,
    bank: BankOption = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the order of subtasks and of the experts.")
    ] = 0,
    file: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the table goes.")
    ] = Path("competence.json"),
) -> None:
    """Measure the competence of experts of each topic for subtasks of each topic.

    The table is for `env.experts.competence: FILE`. An interrupted measurement goes on when the
    command is called again.
    """
    _check_installed("calibrate")
    from marl_moe.errors import SpecError
    from marl_moe.text.assembly import calibration_of, writers_of
    from marl_moe.text.bank import BankError, load_banks
    from marl_moe.text.calibration import calibrate as measure
    from marl_moe.text.competence import CalibrationError
    from marl_moe.text.tables import competence_table

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with _failures(SpecError, BankError, CalibrationError):
            writers = writers_of(
                backend, judge, base_url, model, seed, load_banks(bank or ()), _note
            )
            calibration = calibration_of(writers, words, seed)
            with Progress(
                *columns, console=complaints, transient=True, disable=not complaints.is_terminal
            ) as bar:
                task = bar.add_task("texts scored", total=calibration.num_texts(per_cell))
                table = measure(calibration, per_cell, file, lambda texts: bar.advance(task, texts))
    except KeyboardInterrupt:
        complain(
            f"interrupted; called again with the same options and --out {file} it goes on",
            INTERRUPTED,
        )
    show(competence_table(table))
    say(f"table    {file}")


@app.command(
    "upgrade-gate",
    epilog="Examples: `marl-moe upgrade-gate food` · `marl-moe upgrade-gate my_topic.json`; then "
    "`marl-moe generate PROMPT --bank my_topic.json`",
)
def upgrade_gate(
    bank: Annotated[
        str,
        typer.Argument(
            metavar="BANK",
            help="A JSON file with topic, persona, phrases, held_out; or `food`, which is shipped.",
        ),
    ],
) -> None:
    """Add a topic to the gate, the paper's model upgrade.

    Prints how well the gate routes held-out subtasks before and after.
    """
    _check_installed("upgrade-gate")
    from marl_moe.text.bank import BankError, load_banks
    from marl_moe.text.embedding import Embedding
    from marl_moe.text.gate import load_gate
    from marl_moe.text.gate_report import upgrade
    from marl_moe.text.tables import upgrade_table

    with _failures(BankError), complaints.status("retraining the gate"):
        *known, new = load_banks([bank])
        _, report = upgrade(load_gate(), known, new, Embedding())
    result(upgrade_table(report, new.topic))


@app.command("serve-local-llm", epilog="Example: `marl-moe serve-local-llm --port 8080`")
def serve_local_llm(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on loopback; 0: a free one.")
    ] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the model.")] = 1,
) -> None:
    """Serve SmolLM2 on loopback as an OpenAI-compatible endpoint until Ctrl-C.

    Prints the endpoint's address.
    """
    from marl_moe.text.backends.local_llm import LocalLLM, serve

    def tell(server: LocalLLM) -> None:
        say(
            f"model    {server.model}",
            f"address  {server.base_url}",
            "try      marl-moe generate PROMPT --backend openai "
            f"--base-url {server.base_url} --model {server.model}",
        )
        stdout.flush()

    with _failures():
        serve(port, threads, on_ready=tell)


def _note(change: str) -> None:
    """Print on stderr what is done in another way than was meant."""
    complaints.print(shown(f"note: {redacted(change)}"))


def _check_installed(command: str) -> None:
    """Exit with code 2, and a line that says how it is installed, where a command needs more."""
    with _failures():
        check_text(command)


@contextmanager
def _failures(*mistakes: type[Exception]) -> Iterator[None]:
    """Turn an exception into one line and an exit code.

    The code is 2 for `mistakes` of the caller and missing extras, 1 for failures on the way.
    """
    from marl_moe.text.backends.experts import ExpertError

    try:
        yield
    except (OSError, ExpertError) as error:
        complain(error, 1)
    except Exception as error:
        if isinstance(error, (*mistakes, MissingExtraError)):
            complain(error, 2)
        raise
