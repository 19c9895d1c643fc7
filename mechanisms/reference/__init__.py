"""The mechanisms' programs in CVXPY: slow references that the direct paths are held to."""
