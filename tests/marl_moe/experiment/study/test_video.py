"""Films of an episode: a frame a slot, written whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.animation import writers
from PIL import Image

import mechanisms
from envs import Slot, World, WorldConfig
from envs.render import WorldRenderer
from marl_moe.experiment.study import video
from marl_moe.experiment.study.video import record_video
from marl_moe.policies.base import acted
from marl_moe.policies.heuristics import Random
from marl_moe.seeds import evaluation_seed

FREE, PAID = mechanisms.make("none"), mechanisms.make("posted_price")


def somebody() -> Random:
    return Random(np.random.default_rng(0))


def test_a_gif_has_a_frame_for_each_slot(patchy_world: WorldConfig, tmp_path: Path) -> None:
    path = tmp_path / "episode.gif"
    record_video(somebody(), patchy_world, PAID, seed=0, path=path, fps=5)
    with Image.open(path) as film:
        assert film.format == "GIF"
        assert film.n_frames == patchy_world.episode_slots
        assert film.size == (1280, 880)
        for frame in range(film.n_frames):
            film.seek(frame)
            film.load()
            assert film.info["duration"] == 200
    assert list(tmp_path.iterdir()) == [path]


def test_the_film_is_of_the_first_evaluation_world(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    played: list[np.ndarray] = []

    class Witness(Random):
        def act(self, slot: Slot) -> np.ndarray:
            played.append(slot.observation.copy())
            return super().act(slot)

    record_video(
        Witness(np.random.default_rng(0)),
        small_world,
        FREE,
        seed=3,
        path=tmp_path / "film.gif",
        fps=4,
    )
    world = World(small_world, 1, evaluation_seed(3, 0), FREE)
    np.testing.assert_array_equal(played[0], world.reset())
    assert len(played) == small_world.episode_slots


def test_an_unknown_suffix_raises_and_names_one_that_works(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"'\.avi' is not known; \.gif.* or \.png"):
        record_video(somebody(), small_world, FREE, seed=0, path=tmp_path / "film.avi")
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_ffmpeg_raises_and_names_what_works(
    small_world: WorldConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(writers), "is_available", lambda self, name: False)
    with pytest.raises(ValueError, match=r"needs ffmpeg.*; \.gif or \.png works here"):
        record_video(somebody(), small_world, FREE, seed=0, path=tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not writers.is_available("ffmpeg"), reason="matplotlib finds no ffmpeg on this machine"
)
def test_an_mp4_is_written_where_there_is_ffmpeg(small_world: WorldConfig, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    record_video(somebody(), small_world, FREE, seed=0, path=path)
    assert path.read_bytes()[4:8] == b"ftyp"
    assert list(tmp_path.iterdir()) == [path]


def test_a_film_that_fails_on_the_way_leaves_the_earlier_one(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    class Quitter(Random):
        def act(self, slot: Slot) -> np.ndarray:
            if slot.index == 2:
                raise RuntimeError("enough")
            return super().act(slot)

    path = tmp_path / "film.gif"
    path.write_bytes(b"the earlier one")
    with pytest.raises(RuntimeError, match="enough"):
        record_video(Quitter(np.random.default_rng(0)), small_world, FREE, seed=0, path=path)
    assert path.read_bytes() == b"the earlier one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fps", [0, 51])
def test_impossible_frame_rates_raise(fps: int, small_world: WorldConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fps"):
        record_video(somebody(), small_world, FREE, seed=0, path=tmp_path / "film.gif", fps=fps)


def test_a_folder_that_does_not_exist_raises_before_the_episode(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        record_video(somebody(), small_world, FREE, seed=0, path=tmp_path / "nowhere" / "film.gif")


def test_the_palette_of_a_gif_has_room_for_all_colours() -> None:
    palette = video._palette().getpalette()
    assert palette is not None
    assert len(palette) <= 3 * 256


def test_a_picture_is_of_the_slot_in_the_middle_of_the_episode(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    path = tmp_path / "slot.png"
    record_video(somebody(), small_world, FREE, seed=3, path=path)
    policy, world = somebody(), World(small_world, 1, evaluation_seed(3, 0), FREE)
    renderer = WorldRenderer(world.slot, title=policy.name)
    for _ in range(-(-small_world.episode_slots // 2)):
        actions = acted(policy, world.slot)
        *_, result = world.step(actions)
        renderer.show(actions, result, world.slot)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), renderer.frame()[..., :3])
