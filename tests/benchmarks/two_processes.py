"""The world on two cores: half of the worlds in each of two processes, like env runners."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from interleaved import Work
from world_speed import SLOTS, episode


@contextmanager
def two_processes(num_worlds: int, num_users: int, num_experts: int) -> Iterator[dict[str, Work]]:
    """Yield an episode of all worlds by two processes of half each, none for a single world.

    Counts slots.
    """
    if num_worlds < 2:
        yield {}
        return
    context = get_context("spawn")
    pipes, processes = [], []
    for _ in range(2):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_play_on_demand, args=(theirs, num_worlds // 2, num_users, num_experts)
        )
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)

    def work() -> int:
        for pipe in pipes:
            pipe.send(SLOTS)
        for pipe in pipes:
            pipe.recv()
        return SLOTS

    try:
        yield {"World, two processes": work}
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join()


def _play_on_demand(pipe: Connection, num_worlds: int, num_users: int, num_experts: int) -> None:
    """Play as many slots as the other end requests, and report each time, until it closes."""
    play = episode(num_worlds, num_users, num_experts)
    while True:
        try:
            slots = pipe.recv()
        except EOFError:
            return
        for _ in range(slots):
            play()
        pipe.send(slots)
