"""`marl-moe generate`, `calibrate` and `upgrade-gate` as a user meets them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marl_moe.cli import app
from marl_moe.text.clauses import words_of

from .backends.misbehaving_server import MisbehavingServer, ok, status, unless

# All but the tests in processes of their own share one model.
pytestmark = pytest.mark.usefixtures("shared_embedding")
STORM = (
    "A sailor with a scarred face walks down the pier. Rain hammers the boats; grief overtakes her."
)
PROMPTS = [
    "fog swallows the harbor",
    "a tall woman with silver hair crosses the pass while snow falls",
    STORM,
    "Write a story in which two sisters argue about a letter, their voices low. Beyond the last "
    "farm, the land rises in long steps. A thunderstorm breaks; the old man trembles with fear. At "
    "midnight somebody steals the crown, and the steward is exposed.",
    "An old king with a scarred hand waits by the window. He is ashamed of what he has become. "
    "Hail batters the roof and the wind howls. His daughter discovers the forged will; she "
    "confronts him, and they shout until dawn. Far below the castle the river bends between dark "
    'hills. An army crosses the border at night. "Open the gate," she orders the guards. Joy and '
    "terror mix in her chest. She wears her mother's green cloak, torn at the hem.",
]


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_of_any_length_is_answered_and_accounted_for(prompt: str) -> None:
    result = marl_moe("generate", prompt, "--local-compute", "1.2", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    subtasks = told["request"]["subtasks"]
    assert sum(subtask["weight"] for subtask in subtasks) == pytest.approx(1)
    assert all(subtask["clause"] in prompt for subtask in subtasks)
    transferred = [transfer for transfer in told["transfers"] if transfer]
    for transfer in transferred:
        if transfer["expert"] is not None:
            assert -5 <= transfer["snr_db"] <= 100  # in coverage, a few metres apart at the least
            assert transfer["served"] != transfer["declined"]  # experts have places for all
            for taken in ("delay_s", "energy_j", "charge", "effort"):
                assert (transfer[taken] > 0) == transfer["served"]
    assert (told["policy"], told["mechanism"]) == ("greedy", "posted_price")
    points = {
        name: told[name]["score"]["points"] for name in ("integrated", "all_local", "dropped")
    }
    assert points["dropped"] <= points["integrated"] <= points["all_local"] + 0.5
    assert 4 < points["all_local"] < 10


def test_the_account_tells_every_step() -> None:
    result = marl_moe("generate", STORM, "--local-compute", "1.2")
    assert result.exit_code == 0, result.stderr
    for said in (
        "1. Decomposition and 2. assessment",
        "Rain hammers the boats",
        "weather",
        "until the compute spent would pass 1.20 units",
        "3. Transfer: greedy chose, posted_price set the prices",
        "SNR, dB",
        "payment",
        "4. Integration",
        "as transferred",
        "all local",
        "drop it",
    ):
        assert said in result.stdout
    assert "…" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([""], "the prompt is empty"),
        (["雨敲打着船。风很大。她怕。"], "no clause of the prompt is in English"),
        (
            ["Compute the tax on 400 dollars"],
            "no clause of the prompt is about a topic that an expert knows",
        ),
        ([STORM, "--policy", "gredy"], "did you mean 'greedy'?"),
        ([STORM, "--policy", "sac"], "policy sac was not trained"),
        ([STORM, "--run", "nowhere"], "nowhere: no run folder"),
        (
            [STORM, "--point", "env.num_users=3"],
            "--point env.num_users=3: no such sweep point; there are: none",
        ),
        ([STORM, "--topics", "7"], "--topics 7: the gate knows 6 topics"),
        ([STORM, "--words", "201"], "--words 201: at most 200, as answers of the world have 300"),
        ([STORM, "--bank", "nowhere.json"], "nowhere.json: cannot be read"),
        ([STORM, "--bank", "weather"], "there is a bank of the topic 'weather' already"),
        ([STORM, "--backend", "openai"], "--base-url URL --model NAME"),
        ([STORM, "--judge", "openai"], "--base-url URL --model NAME"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(arguments: list[str], said: str) -> None:
    result = marl_moe("generate", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_world_of_more_topics_than_there_are_experts_is_refused(
    tiny_experiment: dict, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    experiment = tiny_experiment | {"seeds": 1, "algorithm": None}
    experiment["env"] = {**experiment["env"], "requests": {"num_topics": 8}}
    assert marl_moe("run", write_experiment(experiment), "--out", tmp_path).exit_code == 0
    result = marl_moe("generate", STORM, "--run", tmp_path / "tiny", "--policy", "greedy")
    assert result.exit_code == 2
    assert (
        "the world has 8 topics (env.requests.num_topics), there are text experts of 6"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "bank.json: bank: Invalid JSON"),
        (
            '{"topic": "x", "persona": "p", "phrases": [], "clauses": ["c"], "held_out": ["h"]}',
            "bank.json: phrases: ",
        ),
        (
            '{"topic": "x", "persona": "p", "phrases": ["a"], "clauses": ["c"]}',
            "bank.json: held_out: Field required",
        ),
        (
            '{"topic": "x", "persona": "p", "phrases": ["a"], "clauses": ["c"], "held_out": ["h"], '
            '"y": 1}',
            "bank.json: y: ",
        ),
    ],
)
def test_a_bank_with_a_mistake_is_named_with_its_key(
    tmp_path: Path, content: str, said: str
) -> None:
    bank = tmp_path / "bank.json"
    bank.write_text(content)
    result = marl_moe("upgrade-gate", bank)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_topic_that_was_added_is_written_about_by_its_own_expert() -> None:
    prompt = "the cook prepares a stew from almost nothing, and rain hammers the boats"
    result = marl_moe("generate", prompt, "--bank", "food", "--local-compute", "0", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["topics"][-1] == "food"
    assert [told["topics"][subtask["topic"]] for subtask in told["request"]["subtasks"]] == [
        "food",
        "weather",
    ]


def test_the_upgrade_of_the_gate_is_shown_before_and_after() -> None:
    result = marl_moe("upgrade-gate", "food")
    assert result.exit_code == 0, result.stderr
    for said in ("character", "emotion", "food", "F1 before", "accuracy after", "Forgotten: "):
        assert said in result.stdout


@pytest.mark.usefixtures("ray_started", "one_core")
def test_a_trained_policy_picks_the_edge_device_in_the_world_it_was_trained_for(
    tiny_experiment: dict, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    """In the tiny world of the tests, which trains in seconds."""
    swept = tiny_experiment | {"seeds": 1, "sweep": {"env": {"num_users": [2, 3]}}}
    swept["env"] = {
        **swept["env"],
        "requests": {**swept["env"].get("requests", {}), "num_topics": 6},
    }
    assert marl_moe("run", write_experiment(swept), "--out", tmp_path).exit_code == 0
    run = tmp_path / swept["name"]
    arguments = ["generate", STORM, "--run", run, "--local-compute", "0", "--json"]
    result = marl_moe(*arguments, "--point", "env.num_users=3")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["policy"] == "sac"
    assert all(
        transfer["expert"] is None or transfer["expert"] < swept["env"]["num_experts"]
        for transfer in told["transfers"]
    )
    wrong = marl_moe(*arguments, "--point", "env.num_users=4")
    assert wrong.exit_code == 2
    assert "there are: env.num_users=2, env.num_users=3" in wrong.stderr


def test_a_language_model_served_by_the_command_answers_through_it() -> None:
    """The real SmolLM2 behind `serve-local-llm`, ended by Ctrl-C."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "marl_moe", "serve-local-llm"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    model, address = (serving.stdout.readline().split()[1] for _ in range(2))
    options = ["--backend", "openai", "--base-url", address, "--model", model, "--words", "12"]
    result = marl_moe(
        "generate",
        "rain hammers the boats, and grief overtakes her",
        "--local-compute",
        "1",
        *options,
        "--json",
    )
    serving.send_signal(signal.SIGINT)
    serving.communicate(timeout=120)
    assert serving.returncode == 0
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert [answer["tokens"] > 0 for answer in told["answers"]] == [True, True]
    assert words_of(told["all_local"]["text"])
    after_the_server_ended = marl_moe("generate", "rain hammers the boats", *options)
    assert after_the_server_ended.exit_code == 1


def test_an_endpoint_that_fails_costs_the_subtask_of_an_edge_expert_or_the_request_of_the_device(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-that-nobody-may-see")
    prompt = "rain hammers the boats, and grief overtakes her"
    options = ["--backend", "openai", "--base-url", server.base_url, "--model", "m"]
    options += ["--local-compute", "1", "--words", "12"]
    server.will(ok("Rain fell."), ok("She wept."), status(401), ok("Rain fell while she wept."))
    result = marl_moe("generate", prompt, *options, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    [failure] = filter(None, told["failures"])
    assert failure.startswith(f"expert weather: {server.base_url}, model m: HTTP 401")
    assert told["integrated"] == told["dropped"]
    assert told["all_local"]["text"] == "Rain fell while she wept."
    server.will(status(401))
    failed = marl_moe("generate", prompt, *options)
    assert failed.exit_code == 1
    assert len(failed.stderr.splitlines()) == 1
    assert "HTTP 401" in failed.stderr
    assert all(
        "sk-a-key" not in said
        for said in (result.stdout, result.stderr, failed.stdout, failed.stderr)
    )


def test_what_an_endpoint_does_not_take_is_said_once_and_recorded(
    server: MisbehavingServer,
) -> None:
    said = {"error": {"message": "seed is not supported"}}
    server.will(unless(lambda body: "seed" not in body, 400, said))
    options = ["--backend", "openai", "--base-url", server.base_url, "--model", "m", "--json"]
    result = marl_moe("generate", "rain hammers the boats, and grief overtakes her", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("note: ") == 1
    assert "seed is not sent: its answers need not repeat" in result.stderr
    assert json.loads(result.stdout)["endpoint_changes"] == [
        "seed is not sent: its answers need not repeat"
    ]


def test_nothing_asks_the_network() -> None:
    """In a process that refuses every connection and every name, and counts them."""
    code = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print("asked the network:", event, arguments, file=sys.stderr)
        raise OSError("the network is cut off")

sys.addaudithook(refuse)
from marl_moe.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "generate", STORM], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "asked the network" not in done.stderr
    assert "4. Integration" in done.stdout
