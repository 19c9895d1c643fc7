"""RLlib callbacks that tests name by their dotted paths."""

from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback


class Logs(RLlibCallback):
    """Log on env runners and on the algorithm, by every reduction."""

    def on_algorithm_init(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("at_first", 7)

    def on_sample_end(self, *, metrics_logger: Any, samples: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("fragments", 1, reduce="sum")
        metrics_logger.log_value("fragments_so_far", 1, reduce="lifetime_sum")
        metrics_logger.log_value(("fragment", "size"), len(getattr(samples, "starts", ())))

    def on_train_result(
        self, *, algorithm: Any, metrics_logger: Any, result: dict[str, Any], **kwargs: Any
    ) -> None:
        epoch = result["training_iteration"]
        metrics_logger.log_value("epoch_told", epoch)
        for value in (epoch, 3 * epoch):
            metrics_logger.log_value("mean_told", value)
            metrics_logger.log_value("sum_told", value, reduce="sum")
            metrics_logger.log_value("smooth", value, reduce="ema", ema_coeff=0.5)
            metrics_logger.log_value("so_far", value, reduce="lifetime_sum")
            metrics_logger.log_value("lowest", value, reduce="min")
            metrics_logger.log_value("last", value, window=1)
        seen = metrics_logger.peek(("env_runners", "num_env_steps_sampled_lifetime"))
        metrics_logger.log_dict({"seen": {"env_steps": seen}})
        if epoch >= 3:
            metrics_logger.log_value("from_the_third", epoch)


class StepsEpisodes(RLlibCallback):
    """Log in every step of an episode."""

    def on_episode_step(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("steps", 1, reduce="sum")


class Misspelt(RLlibCallback):
    """Have a hook that is none."""

    def on_trian_result(self, **kwargs: Any) -> None:
        pass


class LogsAColumn(RLlibCallback):
    """Log under the name of a column."""

    def on_train_result(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("gain", 1.0)


class LogsTheReturn(RLlibCallback):
    """Log, on env runners, under a name that TensorBoard shows already."""

    def on_sample_end(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("return", 1.0)


class LogsAMetric(RLlibCallback):
    """Log under the name of a metric."""

    def on_train_result(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("late", 1.0)


class LogsTwice(RLlibCallback):
    """Log one name on env runners and on the algorithm."""

    def on_sample_end(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("twice", 1.0)

    def on_train_result(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("twice", 2.0)


class LogsText(RLlibCallback):
    """Log a text."""

    def on_sample_end(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("mood", "good")


class LogsAList(RLlibCallback):
    """Log what stays a list."""

    def on_train_result(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        metrics_logger.log_value("all", 1.0, reduce="item_series")


class Fails(RLlibCallback):
    """Fail on env runners."""

    def on_sample_end(self, **kwargs: Any) -> None:
        raise KeyError("nothing of that name")


def told_by_a_function(*, metrics_logger: Any, **kwargs: Any) -> None:
    """Log one number; a hook may be a function."""
    metrics_logger.log_value("by_a_function", 3.0)


class FailsOnTheAlgorithm(RLlibCallback):
    def on_train_result(self, *, algorithm: Any, **kwargs: Any) -> None:
        raise KeyError("nothing of that name")
