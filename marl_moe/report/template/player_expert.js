// The panel of an expert: its costs and price, whom it served, and its books over the episode.
(function (player) {
  "use strict";

  const { html, svg, number } = player;
  const WIDTH = 460, HEIGHT = 150, LEFT = 44, RIGHT = 66, TOP = 10, BOTTOM = 22; // px

  function cumulated(grid, expert, slots) {
    let sum = 0;
    return [...Array(slots).keys()].map((slot) => (sum += grid.at(slot, expert)));
  }

  // Payments and costs to date, with the slot that is shown marked.
  function books(episode, policy, expert, slot) {
    const met = episode.played[policy], { slots, free } = episode.data;
    const lines = [["costs", cumulated(met.edge_cost, expert, slots), "4 3"]];
    if (!free) {
      const paid = cumulated(met.payment, expert, slots), costs = lines[0][1];
      lines.unshift(["paid", paid, null]);
      lines.push(["profit", paid.map((value, index) => value - costs[index]), "1 3"]);
    }
    const all = lines.flatMap(([, values]) => values);
    if (all.every((value) => value === 0)) return [html("p", {}, "Nothing was paid, and nothing cost anything.")];
    const low = Math.min(0, ...all), high = Math.max(...all, low + 1e-9);
    const x = (index) => LEFT + (index / Math.max(slots - 1, 1)) * (WIDTH - LEFT - RIGHT);
    const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const drawn = lines.map(([, values, dash]) => svg("polyline", { class: "player-line",
      "stroke-dasharray": dash, points: values.map((value, index) => `${x(index)},${y(value)}`).join(" ") }));
    // Names of lines that end close to each other go above each other.
    let above = Infinity;
    const ends = lines.map(([name, values]) => ({ name, y: y(values.at(-1)) }))
      .sort((one, other) => other.y - one.y)
      .map((end) => ({ ...end, y: (above = Math.min(end.y, above - 12)) }));
    const told = lines.map(([name, values]) => `${name} ${number(values[slot], 2)}`).join(", ");
    return [
      svg("svg", { class: "player-books", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
        "aria-label": `Books of expert ${expert} over the episode, credits; to the end of slot ${slot}: ${told}` },
        svg("line", { class: "player-axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0) }),
        svg("line", { class: "player-now", x1: x(slot), x2: x(slot), y1: TOP, y2: HEIGHT - BOTTOM }),
        ...drawn,
        ...ends.map((end) => svg("text", { x: WIDTH - RIGHT + 5, y: end.y, dy: "0.35em" }, end.name)),
        svg("text", { class: "player-tick", x: LEFT - 5, y: y(high), dy: "0.35em" }, number(high, 1)),
        svg("text", { class: "player-tick", x: LEFT - 5, y: y(low), dy: "0.35em" }, number(low, 1)),
        svg("text", { x: LEFT, y: HEIGHT - 6 }, "slot 0"),
        svg("text", { class: "player-tick", x: WIDTH - RIGHT, y: HEIGHT - 6 }, String(slots - 1))),
      html("p", {}, `To the end of slot ${slot}, credits: ${told}.`),
    ];
  }

  // Costs and price in words.
  function money(episode, policy, slot, expert) {
    const met = episode.played[policy], { kept, data } = episode;
    const cost = kept.unit_cost.at(expert), slope = kept.cost_slope.at(expert);
    const full = cost + slope / 2, factor = met.report_factor.at(slot, expert);
    const told = [
      `True cost of a reference point at full effort: ${number(full, 2)} credits ` +
        `(${number(cost, 2)} x + ${number(slope, 2)} x² / 2 at effort x).`,
    ];
    if (data.free) return [...told, "Edge devices are free here: nothing is paid."];
    told.push(`It reports ${number(factor, 2)} times its costs: ${number(factor * full, 2)} credits.`);
    const price = met.unit_price.at(slot, expert), margin = met.margin.at(slot);
    let paid = `It is paid ${number(price, 2)} credits a delivered point`;
    if (data.allocates) paid += " by those that are not allocated to it";
    if (margin > 0) paid += `; users pay ${number(price * (1 + margin), 2)}, a margin of ${number(margin, 2)}`;
    const effort = met.offered_effort.at(slot, expert);
    let part = "it takes no part at this price";
    if (effort > 0 && data.enforced) part = `it gives the effort ${number(effort, 2)} that is ordered, or declines`;
    else if (effort > 0) part = `its effort is ${number(effort, 2)} for the demand that the price was set for, and for each subtask what suits that one`;
    told.push(`${paid}; ${part}.`);
    const valued = met.value_factor.at(slot);
    if (valued !== 1) {
      told.push(`The platform decides as if a point were worth ${number(valued, 2)} times what it is.`);
    }
    return [...told, `The platform keeps ${number(met.platform_balance.at(slot), 2)} credits of this slot: charges less payments.`];
  }

  function work(episode, policy, slot, expert) {
    const met = episode.played[policy], served = met.load.at(slot, expert);
    const backlog = ["airtime", "compute"].map((name) => met[`${name}_backlog_s`].at(slot, expert));
    const up = met.available.at(slot, expert) ? "" : " It is not available in this slot.";
    return `It begins the slot with ${number(backlog[0], 1)} s of airtime and ${number(backlog[1], 1)} s of ` +
      `computing left over, served ${met.last_load.at(slot, expert)} in the slot before, and serves ` +
      `${served} now: ${number(met.airtime_s.at(slot, expert), 1)} s of airtime and ` +
      `${number(met.work_words.at(slot, expert), 0)} words of work, for ` +
      `${number(met.payment.at(slot, expert), 2)} credits at a cost of ` +
      `${number(met.edge_cost.at(slot, expert), 2)}.${up}`;
  }

  player.expertPanel = (episode, policy, slot, expert, actions) => {
    const asked = episode.askers(policy, slot, expert).map((user) =>
      html("li", {}, html("button", { type: "button", onclick: () => actions.choose({ user }) }, `User ${user}`),
        `: ${episode.outcome(policy, slot, user)}, gain ${number(episode.played[policy].gain.at(slot, user), 2)} credits`));
    return [
      html("h3", { tabindex: -1 }, `Expert ${expert} (topic ${episode.kept.expert_topic.at(expert)}), slot ${slot}, ` +
        episode.data.policies[policy].name),
      html("p", { class: "player-decision" }, work(episode, policy, slot, expert)),
      html("ul", { class: "player-reasons" },
        ...money(episode, policy, slot, expert).map((sentence) => html("li", {}, sentence))),
      html("h4", {}, "Asked in this slot by"),
      asked.length ? html("ul", {}, ...asked) : html("p", {}, "Nobody."),
      html("h4", {}, "Books over the episode, credits"),
      ...books(episode, policy, expert, slot),
    ];
  };
})((globalThis.episodePlayer ??= {}));
