"""An episode as a film: one world, one policy, one frame a slot."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.animation import FFMpegWriter, writers
from matplotlib.colors import to_rgb, to_rgba_array
from PIL import Image

from envs import World, WorldConfig
from envs.render import WorldRenderer, style
from marl_moe.experiment.evaluation import evaluation_seed
from marl_moe.policies.heuristics import Policy
from mechanisms import Mechanism

SHADES = (
    15  # of each colour of the picture, from itself to nearly white: what antialiasing makes of it
)


def record_video(
    policy: Policy, config: WorldConfig, mechanism: Mechanism, seed: int, path: Path, fps: int = 4
) -> None:
    """Play one episode and write it as an animation of one frame a slot, whole or not at all.

    The world is apart from every training world, and the same for every policy under the same seed.

    Args:
        policy: anything with `act(world)`; its name heads the picture.
        config: the world.
        mechanism: sets prices and payments.
        seed: seed of the world.
        path: `.gif`, or `.mp4` where matplotlib finds ffmpeg; the suffix decides.
        fps: frames (slots) a second. A GIF counts time in hundredths of a second and is rounded to
            them.

    Raises ValueError for a suffix that cannot be written on this machine, or fps outside 0..50 (the
    most that viewers of GIFs follow); FileNotFoundError where the folder of `path` does not exist.
    All of them before the episode.
    """
    write = {".gif": _write_gif, ".mp4": _write_mp4}.get(path.suffix.lower())
    if write is None or (write is _write_mp4 and not writers.is_available("ffmpeg")):
        reason = (
            "is not known"
            if write is None
            else "needs ffmpeg, which matplotlib does not find on this machine"
        )
        works = ".gif or .mp4" if writers.is_available("ffmpeg") else ".gif"
        raise ValueError(f"{path}: the suffix {path.suffix!r} {reason}; {works} works here")
    if not 0 < fps <= 50:
        raise ValueError(f"fps should be above 0 and at most 50, got {fps}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    world = World(config, 1, evaluation_seed(seed, 0), mechanism)
    renderer = WorldRenderer(world, title=policy.name)
    partial = path.with_name(
        f".{path.stem}.{os.getpid()}{path.suffix}"
    )  # ffmpeg reads the format from the suffix
    try:
        write(renderer, _slots(policy, world, renderer), partial, fps)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _slots(policy: Policy, world: World, renderer: WorldRenderer) -> Iterator[None]:
    """Play the episode; after each slot the renderer shows it."""
    while not world.done:
        actions = policy.act(world)
        _, _, info = world.step(actions)
        renderer.show(actions, info)
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


def _palette() -> Image.Image:
    """The colours of all frames, so that none flickers from one to the next."""
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
    with writer.saving(renderer.figure, str(path), dpi=renderer.figure.dpi):
        for _ in slots:
            writer.grab_frame()
