"""Measurements: policies played in worlds, and mechanisms audited in markets sampled from them."""
