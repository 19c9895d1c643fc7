"""What reads bytes that others may have written: each harness feeds one reader and lets only its
own errors out.

    python tests/fuzz/harnesses.py yaml --seconds 60   # guided by coverage, with atheris

Without atheris the same functions are driven by hypothesis and by the kept finds
(`test_harnesses.py`).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

Harness = Callable[[bytes], None]
SMALL = b"""name: small
seeds: [3, 4]
env: &env {num_users: 2, channel: {snr_db: [5, 2e1], split: equal}}
mechanism: {name: contract, types: 3}
algorithm: {name: sac, policies: {a: [0], b: [1]}, training: {gamma: 0.9}}
evaluation: {env: *env, policies: [random]}
sweep: {env.num_experts: [3, 4], mechanism: [{name: none}, {label: few, types: 2}]}
sizes: {fast: {<<: *env}}
"""
CORPUS = Path(__file__).parent / "corpus"
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def fuzz_yaml(data: bytes) -> None:
    """The loader of experiments, whole files."""
    from marl_moe.errors import SpecError
    from marl_moe.experiment.spec.reading import load_experiment
    from marl_moe.experiment.spec.sweep import sweep_points

    path = _FOLDER / "experiment.yaml"
    path.write_bytes(data)
    with suppress(SpecError):
        sweep_points(load_experiment(str(path)))


def fuzz_override(data: bytes) -> None:
    """`--set KEY=VALUE`, one a line."""
    from marl_moe.errors import SpecError
    from marl_moe.experiment.spec.reading import load_experiment

    path = _FOLDER / "bare.yaml"
    path.write_text("name: bare\nenv: {num_users: 2}\n")
    with suppress(SpecError):
        load_experiment(str(path), data.decode(errors="replace").splitlines()[:4])


def fuzz_table(data: bytes) -> None:
    """Tables of a run folder, by the run and by the figures."""
    from marl_moe.errors import RecordError
    from marl_moe.experiment.records.tables import read_table
    from paper_figures.tables import CannotDraw, load_tables

    (_FOLDER / "tables").mkdir(exist_ok=True)
    (_FOLDER / "tables" / "evaluation.parquet").write_bytes(data)
    with suppress(RecordError):
        read_table(_FOLDER / "tables", "evaluation")
    with suppress(CannotDraw):
        load_tables(_FOLDER / "tables")


def fuzz_checkpoint(data: bytes) -> None:
    """A state to resume from."""
    from marl_moe.errors import CheckpointError
    from marl_moe.experiment.training.checkpoint import CHECKPOINT, read_checkpoint

    (_FOLDER / CHECKPOINT).write_bytes(data)
    with suppress(CheckpointError):
        read_checkpoint(_FOLDER)


def fuzz_policy(data: bytes) -> None:
    """A trained policy: the length of its JSON in two bytes, the JSON, the weights."""
    from marl_moe.errors import RecordError
    from marl_moe.policies.base import ARCHITECTURE, WEIGHTS
    from marl_moe.policies.learned import load_policy

    length = int.from_bytes(data[:2], "little")
    (_FOLDER / ARCHITECTURE).write_bytes(data[2 : 2 + length])
    (_FOLDER / WEIGHTS).write_bytes(data[2 + length :])
    with suppress(RecordError):
        load_policy(_FOLDER, "sac")


def fuzz_verdict(data: bytes) -> None:
    """What a language model says as the judge."""
    from marl_moe.text.backends.openai_judge import parse_score

    with suppress(ValueError):
        score = parse_score(data.decode(errors="replace"))
        assert all(0 <= points <= 10 for points in (score.points, *score.components.values()))


class _Response:
    def __init__(self, body: bytes) -> None:
        self.text = body.decode(errors="replace")

    def json(self) -> object:
        return json.loads(self.text)


def fuzz_completion(data: bytes) -> None:
    """What an endpoint sends, as an answer and as an error."""
    from marl_moe.text.backends.responses import NonsenseError, read_reply, reason_of, redacted

    response, key = _Response(data), "sk-0123456789"
    with suppress(NonsenseError):
        reply = read_reply(response)
        assert isinstance(reply.text, str)
        assert reply.tokens is None or isinstance(reply.tokens, int)
    assert key not in redacted(reason_of(response) + key, key)


def fuzz_competence(data: bytes) -> None:
    """A measured table of competence."""
    from envs.competence_table import load_competence

    path = _FOLDER / "competence.json"
    path.write_bytes(data)
    with suppress(ValueError):
        table = load_competence(str(path), 2)
        assert table.competence.shape == (len(table.rows) or 2, 2)


def fuzz_trace(data: bytes) -> None:
    """A trace of channels, as CSV and as Parquet."""
    from envs.channel import trace

    for name in ("trace.csv", "trace.parquet"):
        (_FOLDER / name).write_bytes(data)
        with suppress(ValueError):
            snr_db = trace.read(str(_FOLDER / name))
            assert snr_db.ndim == 4
            assert (np.abs(snr_db) <= 200).all()


def fuzz_requests(data: bytes) -> None:
    """A trace of requests, as CSV and as Parquet."""
    from envs import RequestConfig, WorldConfig
    from envs.request_trace import RequestTrace

    for name in ("requests.csv", "requests.parquet"):
        (_FOLDER / name).write_bytes(data)
        requests = RequestConfig(trace=str(_FOLDER / name))
        with suppress(ValueError):
            trace = RequestTrace.of(WorldConfig(episode_slots=2, requests=requests))
            assert trace is not None
            assert ((trace.weight > 0) == (trace.words > 0)).all()


HARNESSES: dict[str, Harness] = {
    name.removeprefix("fuzz_"): harness
    for name, harness in dict(globals()).items()
    if name.startswith("fuzz_")
}


def seeds(name: str) -> list[bytes]:
    """Whole files that a harness begins with."""
    match name:
        case "yaml":
            return [
                SMALL,
                (Path(__file__).parents[2] / "experiments" / "quickstart.yaml").read_bytes(),
            ]
        case "override":
            return [
                b"env.num_users=8",
                b"sweep.env.num_users=[1, 2]\nname=x",
                b"algorithm.training.gamma=1e-3",
            ]
        case "table":
            return [_table()]
        case "checkpoint":
            return [_checkpoint()]
        case "policy":
            return [_policy()]
        case "verdict":
            return [b'{"relevance": 1, "coherence": 2.5, "style": 10, "score": 7}']
        case "completion":
            body = b'{"choices": [{"message": {"content": "A text."}}], '
            body += b'"usage": {"completion_tokens": 3}}'
            return [body, b'{"error": {"message": "busy"}}']
        case "trace":
            return [b"slot,user,expert,snr_db\n1,0,0,-3.5\n0,0,0,12\n", _trace()]
        case "requests":
            header = b"slot,user,weight,words,compute_need,topic,completes\n"
            return [header + b"0,0,0.2,150,1,3,true\n1,0,0,0,0,0,false\n"]
        case _:
            named = b'{"rows": ["a"], "competence": [[1.0, 0.5]]}'
            return [b'{"competence": [[1.0, 0.5], [0.25, 1]]}', named]


def _table() -> bytes:
    from marl_moe.experiment.records.columns import EVALUATION
    from marl_moe.experiment.records.tables import write_table

    frame = pd.DataFrame({name: [0, 1] for name in EVALUATION}).assign(
        point=["a=1", "a=2"],
        settings=['{"a": 1}', '{"a": 2}'],
        policy="sac",
        mechanism="none",
        setting="",
    )
    return write_table(_FOLDER, "evaluation", frame.astype({"seed": int})).read_bytes()


def _trace() -> bytes:
    from envs.channel import trace

    trace.write(_FOLDER / "written.parquet", np.full((1, 2, 1, 3), 12.5))
    return (_FOLDER / "written.parquet").read_bytes()


def _checkpoint() -> bytes:
    from marl_moe.experiment.training.checkpoint import CHECKPOINT, write_checkpoint

    write_checkpoint(
        _FOLDER,
        {"a": {0: np.arange(6.0)}, "b": [1, 2.5, "π", (True, None)], "c": np.array(["", "x"])},
    )
    return (_FOLDER / CHECKPOINT).read_bytes()


def _policy() -> bytes:
    from marl_moe.policies.base import ARCHITECTURE, WEIGHTS
    from marl_moe.policies.learned import save_policy
    from marl_moe.policies.networks import NetworkConfig

    network = NetworkConfig(num_experts=3, hidden=2)
    save_policy(
        _FOLDER, {"shared": network.build(copies=1).state_dict()}, network, {"shared": [0, 1]}
    )
    architecture = (_FOLDER / ARCHITECTURE).read_bytes()
    return len(architecture).to_bytes(2, "little") + architecture + (_FOLDER / WEIGHTS).read_bytes()


def main() -> None:
    """Fuzz one reader for a while; a find ends it, and lies in the present folder as `crash-*`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("harness", choices=HARNESSES)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["marl_moe", "paper_figures", "envs", "yaml"]):
        seeds_of = seeds(asked.harness)
        for data in seeds_of:
            HARNESSES[asked.harness](data)
    corpus = _FOLDER / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds_of):
        (corpus / str(number)).write_bytes(data)
    limits = [
        f"-max_total_time={asked.seconds}",
        "-timeout=60",
        "-rss_limit_mb=4096",
        "-max_len=65536",
        "-len_control=0",
    ]
    atheris.Setup(
        [sys.argv[0], *limits, str(corpus), str(CORPUS / asked.harness)], HARNESSES[asked.harness]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
