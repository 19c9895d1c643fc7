"""An experiment from YAML to records: read and checked, run job by job, evaluated, written down."""
