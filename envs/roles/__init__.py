"""The sides of the market as agents: users, edge devices and the platform.

Users choose experts in every slot. An edge device chooses the factor on the costs that it reports,
the platform a factor on what it holds a point to be worth and a margin that users pay on top: both
in the slot before a clearing, which decides by them.
"""
