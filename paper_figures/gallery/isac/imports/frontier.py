"""The figure of the study: sensing against users' gain, and the duty of each expert over time."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures import register, settings, style
from paper_figures.statistics import interval_label, mean_interval
from paper_figures.tables import leading_policy, require

STYLE = style.PRINT | style.DOUBLE_COLUMN
# Who decides of the duty: label, colour, marker, and what tells the points of one kind apart.
KINDS = {
    "fixed": ("Owed: fixed duty", "#004488", "o"),
    "posted": ("Posted price of a unit", "#DDAA33", "s"),
    "paid": ("Paid for by the mechanism", "#BB5566", "^"),
}


def kind(of_point):
    """Return who decides of the duty at a sweep point, and the number that it is swept by."""
    duty = {key: of_point.get(f"env.duty.{key}") for key in ("required", "price")}
    mechanism = of_point.get("mechanism", {})
    if mechanism.get("name") == "sense_and_serve":
        return "paid", mechanism.get("weight", 1)
    if mechanism.get("name") == "posted_price":
        return "posted", duty["price"] or 0
    return "fixed", duty["required"] or 0


def needed(tables):
    """Return the tables "evaluation" and "market" of a run that has the figure."""
    evaluation = require(tables, "evaluation", ("policy", "gain", "detection"))
    columns = ("policy", "seed", "episode", "slot", "num_slots", "expert", "duty_share")
    return evaluation, require(tables, "market", columns)


def frontier(tables):
    """Return mean gain, its interval, and mean detection of each policy at each sweep point."""
    evaluation, _ = needed(tables)
    groups = ["policy", "settings"]
    gain = mean_interval(evaluation, "gain", groups)
    gain["detection"] = mean_interval(evaluation, "detection", groups)["mean"]
    sides = [kind(settings.read(text)) for text in gain["settings"]]
    gain["kind"], gain["swept"] = zip(*sides, strict=True)
    return gain


def best_rule(points):
    """Return the policy of greatest mean gain over all points among those that do not learn."""
    means = points.groupby("policy")["mean"].mean()
    rules = [name for name in means.index if name not in ("sac", "nash")]
    return means[rules].idxmax()


@register("isac", STYLE, needed)
def plot(tables, figure=None):
    """Draw users' gain over the probability of detection, and shares of time of each expert."""
    points = frontier(tables)
    leading, rule = leading_policy(points["policy"].unique()), best_rule(points)
    if figure is None:
        figure = Figure((STYLE["figure.figsize"][0], 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    looks = {leading: ("-", 1.0), rule: ("--", 0.45)}
    for policy, (line, alpha) in looks.items():
        for name, (_, colour, marker) in KINDS.items():
            rows = points[(points["policy"] == policy) & (points["kind"] == name)]
            rows = rows.sort_values("detection")
            left.errorbar(
                rows["detection"],
                rows["mean"],
                yerr=np.nan_to_num([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]),
                color=colour,
                marker=marker,
                linestyle=line,
                alpha=alpha,
                markersize=4,
                capsize=2,
            )
    handles = [
        Line2D([], [], color=colour, marker=marker, label=label, markersize=4)
        for name, (label, colour, marker) in KINDS.items()
        if (points["kind"] == name).any()
    ]
    for policy, (line, alpha) in looks.items():
        label = style.policy_style(policy).label
        handles.append(Line2D([], [], color="black", linestyle=line, alpha=alpha, label=label))
    drawn = points[points["policy"].isin(looks)]
    title = interval_label(drawn)
    figure.legend(handles=handles, title=title, loc="outside lower center", ncols=len(handles))
    left.set_xlabel("Mean probability of detection")
    left.set_ylabel("Users' gain (credits per slot and user)")
    left.set_title("(a) Sensing against service", loc="left")
    _draw_shares(right, tables, leading)
    return figure


def _draw_shares(ax, tables, policy):
    """Draw the share of its time that each expert senses in one episode."""
    _, market = needed(tables)
    market = market[(market["policy"] == policy) & (market["episode"] == 0)]
    paid = [text for text in market["settings"].unique() if kind(settings.read(text))[0] == "paid"]
    among = market[market["settings"].isin(paid)] if paid else market
    spread = among.groupby("settings", sort=False)["duty_share"].std()
    shown = str(spread.idxmax())  # in which experts and slots differ most
    chosen = market[market["settings"] == shown]
    chosen = chosen[chosen["seed"] == chosen["seed"].min()]
    shares = chosen.pivot_table(index="expert", columns="slot", values="duty_share")
    ends = [*shares.columns, int((chosen["slot"] + chosen["num_slots"]).max())]
    edges = np.arange(len(shares) + 1) - 0.5
    mesh = ax.pcolormesh(ends, edges, shares.to_numpy(), cmap="cividis", vmin=0)
    ax.figure.colorbar(mesh, ax=ax, label="Share of a slot spent sensing")
    ax.set_xlabel("Slot")
    ax.set_ylabel("Expert")
    name, swept = kind(settings.read(shown))
    told = {"paid": f"weight {swept:g}", "posted": f"price {swept:g}", "fixed": f"Pd {swept:g}"}
    ax.set_title(f"(b) {KINDS[name][0]}, {told[name]}", loc="left")
