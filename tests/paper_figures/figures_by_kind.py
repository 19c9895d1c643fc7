"""Figures by what they show, and tables changed for those that need others."""

import pandas as pd

from paper_figures import FIGURES

Tables = dict[str, pd.DataFrame]
OF_TRAINING = {"reward_curves", "sample_efficiency", "final_rewards"}
# Without those that code of other tests has registered, such as a scenario's.
SHIPPED = [
    name for name, kind in FIGURES.items() if kind.plot.__module__.startswith("paper_figures.")
]
OF_SWEEPS = {"contention", "price_of_anarchy", "sensitivity", "upgrade", "fairness"}
OF_USERS = OF_SWEEPS - {"upgrade"}  # of a sweep over the number of users
OF_MARKETS = {"pricing", "price_response", "price_paths", "budgets"}
OF_AUDITS = {"manipulation"}
OF_SIDES = {"two_sided", "reports", "exploitability"}


def with_budgets(tables: Tables) -> Tables:
    """Posted prices of 1, 2 and 3 as budgets."""
    evaluation = tables["evaluation"]
    point = evaluation["point"].str.replace("posted_price price", "budgeted_price budget")
    settings = evaluation["settings"].str.replace('"price"', '"budget"')
    evaluation = evaluation.assign(point=point, settings=settings)
    return {"evaluation": evaluation.assign(welfare=evaluation["gain"] + 0.1)}


def with_joined_experts(tables: Tables) -> Tables:
    """The same, evaluated among more experts than were trained with."""
    settings = tables["evaluation"]["settings"].str.replace(
        "}", ', "evaluation.env.num_experts": 45}'
    )
    return {"evaluation": tables["evaluation"].assign(settings=settings)}


CHANGED = {"budgets": with_budgets, "upgrade": with_joined_experts}  # by the figure that needs it
