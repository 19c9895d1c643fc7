"""Play: what becomes of a mechanism's promises where edge devices learn what to report."""
