"""The figures, one a file; they are listed in the order in which they are imported here."""

# ruff: noqa: F401 - a module registers its figures when it is imported
# isort: off
import paper_figures.plots.reward_curves
import paper_figures.plots.sample_efficiency
import paper_figures.plots.final_rewards
import paper_figures.plots.policies
import paper_figures.plots.reliability
import paper_figures.plots.contention
import paper_figures.plots.price_of_anarchy
import paper_figures.plots.pricing
import paper_figures.plots.price_response
import paper_figures.plots.price_paths
import paper_figures.plots.budgets
import paper_figures.plots.manipulation
import paper_figures.plots.sensitivity
import paper_figures.plots.two_sided
import paper_figures.plots.reports
import paper_figures.plots.exploitability
