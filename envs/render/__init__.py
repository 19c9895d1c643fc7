"""Pictures of a world at play: who chose whom in a slot, what it brought them, and how the experts
stood.

`envs` does not import this package, which imports matplotlib.

>>> from envs.render import WorldRenderer
>>> renderer = WorldRenderer(world)
>>> _, _, info = world.step(actions)
>>> renderer.show(actions, info)
>>> image = renderer.frame()
"""

from envs.render.renderer import WorldRenderer

__all__ = ["WorldRenderer"]
