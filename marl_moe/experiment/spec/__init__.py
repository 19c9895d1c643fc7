"""An experiment: its sections and keys, read from YAML, checked, and spread out over its sweep."""
