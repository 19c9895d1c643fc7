"""Files that a run leaves behind: tables with documented columns, environment.json."""
