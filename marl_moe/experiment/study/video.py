"""Films of an episode, one world, one policy, one frame a slot; or a picture of one slot."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

import paper_figures  # noqa: F401 - imports matplotlib, whatever the user set of it

# isort: split
from matplotlib.animation import FFMpegWriter, writers
from matplotlib.colors import to_rgb, to_rgba_array

from envs import World, WorldConfig
from envs.render import WorldRenderer, style
from marl_moe.policies.base import Policy, acted
from marl_moe.policies.sides import NOBODY, Sides
from marl_moe.seeds import evaluation_seed
from marl_moe.whole_file import whole_file
from mechanisms import Mechanism

# Of each colour of the picture, from itself to nearly white: antialiasing makes these.
SHADES = 15


def record_video(
    policy: Policy,
    config: WorldConfig,
    mechanism: Mechanism,
    seed: int,
    path: Path,
    fps: int = 4,
    sides: Sides = NOBODY,
) -> None:
    """Play one episode and write it as an animation of one frame a slot, whole or not at all.

    A picture is of the slot in the middle of the episode.

    The world is apart from every training world, and the same for every policy under the same seed.

    Args:
        policy: anything with `act(slot)`; its name heads the picture.
        config: the world.
        mechanism: sets prices and payments.
        seed: seed of the world.
        path: `.gif`, or `.mp4` where matplotlib finds ffmpeg, or `.png` for a picture; the suffix
            decides.
        fps: frames (slots) a second. A GIF counts time in hundredths of a second and is rounded to
            them.
        sides: who plays edge devices and the platform.

    Raises:
        ValueError: the suffix cannot be written on this machine, or fps lies outside 0..50 (the
            most that viewers of GIFs follow).
        FileNotFoundError: the folder of `path` does not exist.
    """
    has_ffmpeg = writers.is_available("ffmpeg")
    works = ".gif, .mp4 or .png" if has_ffmpeg else ".gif or .png"
    writes = {".gif": _write_gif, ".mp4": _write_mp4, ".png": _write_png}
    write = writes.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"{path}: the suffix {path.suffix!r} is not known; {works} works here")
    if write is _write_mp4 and not has_ffmpeg:
        raise ValueError(
            f"{path}: the suffix {path.suffix!r} needs ffmpeg, which matplotlib does not find on "
            f"this machine; {works} works here"
        )
    if not 0 < fps <= 50:
        raise ValueError(f"fps should be above 0 and at most 50, got {fps}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    world = World(config, 1, evaluation_seed(seed, 0), mechanism)
    renderer = WorldRenderer(world.slot, title=policy.name)
    # ffmpeg reads the format from the suffix.
    with whole_file(path, suffix=path.suffix) as partial:
        write(renderer, _slots(policy, world, renderer, sides), partial, fps)


def _slots(policy: Policy, world: World, renderer: WorldRenderer, sides: Sides) -> Iterator[None]:
    """Play the episode; after each slot the renderer shows it."""
    while not world.done:
        actions = acted(policy, world.slot)
        _, _, result = world.step(actions, **sides.choices(world))
        renderer.show(actions, result, world.slot)
        yield


def _write_gif(renderer: WorldRenderer, slots: Iterator[None], path: Path, fps: int) -> None:
    palette = _palette()
    frames = (
        Image.fromarray(renderer.frame()).quantize(palette=palette, dither=Image.Dither.NONE)
        for _ in slots
    )
    first = next(frames)
    first.save(
        path,
        format="GIF",
        save_all=True,
        append_images=frames,
        duration=1000 / fps,
        loop=0,
        optimize=False,
    )


def _write_png(renderer: WorldRenderer, slots: Iterator[None], path: Path, fps: int) -> None:
    middle = -(-len(renderer.gains) // 2)  # it has an entry for each slot of an episode
    for _ in islice(slots, middle):
        pass
    Image.fromarray(renderer.frame()).save(path, format="PNG")


def _palette() -> Image.Image:
    """Return one palette for all frames, so that no colour flickers from one to the next."""
    greens = [style.GREENS(strength) for strength in np.linspace(0.15, 1, 6)]
    colours = to_rgba_array(
        [style.INK, style.MUTED, style.GOOD, style.BAD, *style.TOPICS, *greens]
    )[:, :3]
    towards_white = np.arange(SHADES)[:, None, None] / SHADES
    shades = colours + towards_white * (1 - colours)
    levels = np.vstack([shades.reshape(-1, 3), np.ones(3), to_rgb(style.GREY_ROW)])
    image = Image.new("P", (1, 1))
    image.putpalette(np.round(255 * levels).astype(np.uint8).tobytes())
    return image


def _write_mp4(renderer: WorldRenderer, slots: Iterator[None], path: Path, fps: int) -> None:
    writer = FFMpegWriter(fps=fps, codec="h264")
    with (
        style.looks(),
        writer.saving(renderer.figure, str(path), dpi=renderer.figure.dpi),
    ):
        for _ in slots:
            writer.grab_frame()
