"""Pictures of a world at play: choices of users in a slot, their gains, and the experts.

`envs` does not import this package, which imports matplotlib.

>>> from envs.render import WorldRenderer
>>> renderer = WorldRenderer(world.slot)
>>> _, _, result = world.step(actions)
>>> renderer.show(actions, result, world.slot)
>>> image = renderer.frame()
"""

from envs.render.renderer import WorldRenderer

__all__ = ["WorldRenderer"]
