"""Experts, judges and fusions that can be chosen by name."""
