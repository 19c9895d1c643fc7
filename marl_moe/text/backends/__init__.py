"""Experts, judges and fusions of the text pipeline, chosen by name in `choice`."""
