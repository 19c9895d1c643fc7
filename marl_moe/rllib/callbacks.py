"""RLlib callbacks of an experiment: checked, and what they log becomes columns of the records.

RLlib's logger holds RLlib's own metrics beside those of callbacks, and a callback that logs under a
name of these would change them. So a hook is handed a logger of columns in its place
(`ColumnLogger`). What is logged on env runners lies under the key `COLUMNS` of RLlib's logger,
which brings it to the algorithm. What is logged on the algorithm has a logger of its own:
`on_train_result` comes after RLlib has compiled an iteration, and would be told with the next.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.utils import force_list

from marl_moe.rllib.column_logger import COLUMNS, ColumnLogger
from marl_moe.rllib.metrics import FAILURES, tell_failure
from mechanisms.errors import PartError, described
from mechanisms.registry import nearest

CALLED = (  # hooks that all algorithms call
    "on_algorithm_init",
    "on_environment_created",
    "on_sample_end",
    "on_train_result",
    "on_env_runners_recreated",
)
OF_EPISODES = ("on_episode_created", "on_episode_start", "on_episode_step", "on_episode_end")


def prepared(sections: Mapping[str, Any], called: tuple[str, ...], reason: str) -> dict[str, Any]:
    """Return keys of RLlib's `callbacks` whose hooks log columns.

    Args:
        sections: `callbacks_class`, a class or a list of them, and functions by hook.
        called: hooks that the algorithm calls.
        reason: in words, why it calls no others.

    Raises:
        ValueError: a class is none of RLlib's callbacks, or has a hook that is never called.
    """
    keys: dict[str, Any] = {}
    for key, given in sections.items():
        if key == "callbacks_class":
            for kind in force_list(given):
                _check_class(kind, called, reason)
            keys[key] = [partial(RecordedCallbacks, kind) for kind in force_list(given)]
        else:
            _check_hook(key, "callbacks", called, reason)
            functions = given if isinstance(given, list) else [given]
            keys[key] = [partial(call, key, function) for function in functions]
    return keys


class RecordedCallbacks:
    """Callbacks of an experiment, of which each hook is handed a logger of columns.

    Args:
        kind: their class.
    """

    def __init__(self, kind: type[RLlibCallback]) -> None:
        self._callbacks = kind()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._callbacks, name)
        return partial(call, name, value) if name.startswith("on_") else value


def call(hook: str, function: Callable[..., None], /, **arguments: Any) -> None:
    """Call a hook with RLlib's arguments and a logger of columns.

    One that fails on the algorithm ends training at once (PartError). An error on an env runner is
    kept for the algorithm, which `logged` tells: RLlib would restart a remote env runner that
    raises, and go on for ever.
    """
    runner = arguments.get("env_runner")
    if runner is None:
        if "metrics_logger" in arguments:
            arguments["metrics_logger"] = logger_of(arguments["algorithm"])
        try:
            function(**arguments)
        except PartError:
            raise
        except Exception as error:  # of whatever the function does
            raise PartError(f"callbacks: {hook}: {described(error)}") from error
        return
    columns = runner.metrics.stats.setdefault(COLUMNS, {})
    arguments["metrics_logger"] = ColumnLogger(runner.metrics, columns)
    try:
        function(**arguments)
    except Exception as error:  # of whatever the function does
        tell_failure(runner.metrics, f"callbacks: {hook}: {described(error)}")


def logger_of(algorithm: Any) -> ColumnLogger:
    """Return the logger of what callbacks log on an algorithm, one for all of its life."""
    if not isinstance(vars(algorithm).get("logged"), ColumnLogger):
        algorithm.logged = ColumnLogger(algorithm.metrics, {})
    logger: ColumnLogger = algorithm.logged
    return logger


def logged(algorithm: Any, result: Mapping[str, Any]) -> dict[str, float]:
    """Return what callbacks logged in an iteration, by the names of the columns.

    Args:
        algorithm: the algorithm, after `train`.
        result: what that returned.

    Raises:
        PartError: a hook or a metric failed on an env runner, or a name was logged both there
            and on the algorithm.
    """
    runners = result.get("env_runners", {})
    if runners.get(FAILURES):
        raise PartError(force_list(runners[FAILURES])[0])
    values: dict[str, float] = {}
    for source in (runners.get(COLUMNS, {}), logger_of(algorithm).compile()):
        for name, value in source.items():
            if name in values:
                raise PartError(
                    f"callbacks: {name!r} is logged by hooks of env runners and by hooks of the "
                    "algorithm; give each a name of its own"
                )
            values[name] = float(value)
    return values


def _check_class(kind: Any, called: tuple[str, ...], reason: str) -> None:
    if not isinstance(kind, type) or not issubclass(kind, RLlibCallback):
        raise ValueError(
            f"callbacks_class: should be a subclass of {RLlibCallback.__module__}."
            f"{RLlibCallback.__name__}, {kind!r} is not"
        )
    for name in dir(kind):
        if name.startswith("on_") and getattr(kind, name) is not getattr(RLlibCallback, name, None):
            _check_hook(name, kind.__name__, called, reason)


def _check_hook(hook: str, where: str, called: tuple[str, ...], reason: str) -> None:
    """Raise ValueError for a hook that is not called."""
    if hook in called:
        return
    if not hasattr(RLlibCallback, hook):
        raise ValueError(f"{where}.{hook}: RLlib has no such hook; {nearest(hook, called)}")
    raise ValueError(f"{where}.{hook} is never called: {reason}; called: {', '.join(called)}")
