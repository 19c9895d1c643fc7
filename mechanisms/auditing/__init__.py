"""Audits: measurements of a mechanism, held against what it claims."""
