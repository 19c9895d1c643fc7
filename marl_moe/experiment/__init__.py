"""An experiment from YAML to records: read and checked, run job by job, evaluated, written down.

Each package below imports those before it: `records`, `spec`, `study`, `training`, `run`.
"""
