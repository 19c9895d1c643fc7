"""An experiment from YAML to records: read and checked, run job by job, evaluated, written down.

Each package below imports those before it: `spec`, `records`, `study`, `training`, `run`.
"""
