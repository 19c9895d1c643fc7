"""The report of runs: one HTML file, made of sections."""
