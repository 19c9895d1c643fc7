"""Texts of a picture: at every size, none overlaps another."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from envs.render import WorldRenderer

AnyActions = Callable[[World, np.random.Generator], np.ndarray]
SIZES = [(1, 30), (8, 30), (32, 30), (8, 300), (3, 1), (90, 7), (100, 100), (10, 14)]
# Users crowd about two places, where they hide each other and the experts.
CITY = ChannelConfig(
    process="geometric",
    bandwidth_hz=1e6,
    tx_power_w=0.1,
    geometry={
        "users": {
            "placement": {"model": "hotspots", "count": 2},
            "mobility": {"model": "gauss_markov"},
        }
    },
)
GROUPED = {
    "user_groups": {
        name: {"count": 5} for name in ("_pedestrians", "$buses$ and other vehicles on the road")
    },
    "expert_groups": {f"towers_of_kind_{kind}": {"count": 2} for kind in range(7)},
}


def visible_texts(renderer: WorldRenderer) -> list[Text]:
    """Return all texts but labels of ticks beyond the end of their axis, which are not drawn."""
    beyond = set()
    for axes in renderer.figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            beyond |= {
                tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high
            }
    texts = renderer.figure.findobj(Text)
    return [
        text
        for text in texts
        if text.get_visible() and text.get_text().strip() and text not in beyond
    ]


@pytest.mark.parametrize("channel", [ChannelConfig(), CITY], ids=["diagram", "map"])
@pytest.mark.parametrize(("num_users", "num_experts"), SIZES)
def test_no_text_overlaps_another_or_leaves_the_picture(
    num_users: int, num_experts: int, channel: ChannelConfig, any_actions: AnyActions
) -> None:
    config = WorldConfig(
        num_users=num_users,
        num_experts=num_experts,
        channel=channel,
        episode_slots=12,
        requests=RequestConfig(arrival_probability=0.8),
        experts=ExpertConfig(availability_probability=0.8, max_concurrent=3),
    )
    if (num_users, num_experts) == (10, 14):
        config = replace(config, **GROUPED)
    world = World(config, seed=0, mechanism=mechanisms.make("posted_price"))
    renderer = WorldRenderer(world.slot, title="better_response_stochastic")
    rng = np.random.default_rng(0)
    for _ in range(3):
        actions = any_actions(world, rng)
        _, _, result = world.step(actions)
        renderer.show(actions, result, world.slot)
    height, width, _ = renderer.frame().shape
    texts = visible_texts(renderer)
    boxes = np.array([text.get_window_extent().extents for text in texts])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [width, height]).all()
    # The box of a text holds room above and below its letters, so boxes may touch by that much.
    low, high = boxes[:, :2] + [0, 2], boxes[:, 2:] - [0, 2]
    overlap = (np.minimum(high[:, None], high) > np.maximum(low[:, None], low)).all(axis=-1)
    pairs = [
        (texts[i].get_text(), texts[j].get_text()) for i, j in np.argwhere(np.triu(overlap, 1))
    ]
    assert pairs == []
