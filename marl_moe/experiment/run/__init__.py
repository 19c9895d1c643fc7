"""Runs: an experiment in a folder of its own, its jobs begun, continued and finished."""
