// The panel of a user: what it did in a slot, why, and its options as a table that sorts.
(function (player) {
  "use strict";

  const { html, number } = player;

  // Columns of the table: a heading, its value for a column of candidates, and its text.
  function columns(episode, policy, slot, user) {
    const { data, world } = episode, met = episode.played[policy];
    const own = world.topic.at(slot, user), expert = (column) => episode.expert(user, column);
    const of = (grid) => (column) => grid.at(slot, user, column);
    const ofExpert = (grid) => (column) => grid.at(slot, expert(column));
    const found = [{ name: "Expert", value: expert, places: 0, first: "up" }];
    const valued = [["probability", "Probability", 3], ["q", "Q, credits", 2], ["score", "Score, credits", 2]];
    for (const [key, name, places] of valued) {
      if (!met[key]) continue;
      const abandoning = met[`abandon_${key}`];
      found.push({ name, key, value: of(met[key]), places,
        abandon: abandoning && (() => abandoning.at(slot, user)) });
    }
    found.push({ name: "Gain expected, credits", value: of(met.expected_gain), places: 2,
      abandon: () => 0 });
    if (!data.free) {
      found.push(
        { name: "Charge expected, credits", value: of(met.expected_charge), places: 2, first: "up" },
        { name: "Price, credits a point", value: ofExpert(met.unit_price), places: 2, first: "up" });
    }
    if (met.expected_energy_j) {
      found.push({ name: "Energy expected, J", value: of(met.expected_energy_j), places: 3, first: "up" });
    }
    found.push(
      { name: "SNR, dB", value: of(world.snr_db), places: 1 },
      { name: "Delay alone, s", value: (column) => episode.delay(policy, slot, user, column),
        places: 1, first: "up" },
      { name: "Competence expected", value: of(world.competence), places: 2 },
      { name: "Topic", value: (column) => episode.kept.expert_topic.at(expert(column)), places: 0,
        text: (topic) => (topic === own ? `${topic} (its own)` : String(topic)), first: "up" },
      { name: "Served last slot", value: ofExpert(met.last_load), places: 0, first: "up" });
    return found;
  }

  const chosen = (episode, policy, slot, user, column) =>
    episode.outcome(policy, slot, user) !== "idle" && episode.played[policy].column.at(slot, user) === column;

  // Rows of the options: candidates by column, and -1 for abandoning.
  function rows(episode, policy, slot, user, shown) {
    const met = episode.played[policy];
    return [...episode.columns, -1].map((column) => {
      const abandons = column < 0;
      let reason = abandons ? "" : episode.reasons(policy, slot, user, column);
      if (abandons && !met.may_abandon.at(slot, user)) reason = "may not while an expert is open";
      return {
        column,
        reason,
        chosen: chosen(episode, policy, slot, user, column),
        allocated: !abandons && met.allocated?.at(slot, user) === episode.expert(user, column),
        values: shown.map(({ value, abandon }) =>
          abandons ? (abandon ? abandon() : NaN) : value(column)),
      };
    });
  }

  // The order kept from slot to slot: a heading, and whether values rise.
  const order = { name: null, rises: false };

  function sorted(options, shown) {
    let at = shown.findIndex(({ name }) => name === order.name), { rises } = order;
    if (at < 0 && order.name !== "Not open because") {
      at = shown.findIndex(({ name }) => name === "Gain expected, credits");
      const learned = shown.findIndex(({ key }) => key === "probability" || key === "score");
      at = learned < 0 ? at : learned;
      rises = false;
    }
    const turn = rises ? 1 : -1;
    const compared = (one, other) => {
      if (at < 0) return turn * (one.reason < other.reason ? -1 : Number(one.reason > other.reason));
      const [a, b] = [one.values[at], other.values[at]];
      if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
      return turn * (a - b);
    };
    const closedLast = (one, other) =>
      order.name ? 0 : Number(Boolean(one.reason)) - Number(Boolean(other.reason));
    return { at, rises, options: options.sort((one, other) => closedLast(one, other) || compared(one, other)) };
  }

  function table(episode, policy, slot, user, actions) {
    const shown = columns(episode, policy, slot, user);
    const { at, rises, options } = sorted(rows(episode, policy, slot, user, shown), shown);
    const heading = (name, index, first) => {
      const now = at === index;
      const sort = now ? (rises ? "ascending" : "descending") : "none";
      const act = () => {
        Object.assign(order, { name, rises: now ? !rises : first === "up" });
        actions.again(name);
      };
      return html("th", { scope: "col", "aria-sort": sort },
        html("button", { type: "button", onclick: act, "data-column": name }, name,
          html("span", { "aria-hidden": "true" }, now ? (rises ? " ▲" : " ▼") : "")));
    };
    const named = ({ column, values }) => {
      const act = () => actions.choose({ expert: values[0] });
      return html("th", { scope: "row" }, column < 0 ? "abandon"
        : html("button", { type: "button", onclick: act }, String(values[0])));
    };
    const cells = ({ values }) => shown.slice(1).map(({ text, places }, index) => {
      const value = values[index + 1];
      return html("td", {}, text && Number.isFinite(value) ? text(value) : number(value, places));
    });
    const mark = ({ chosen, allocated }) =>
      [chosen && "chosen", allocated && "allocated"].filter(Boolean).join(", ");
    const body = options.map((option) =>
      html("tr", { class: (option.chosen ? "player-chosen " : "") + (option.reason ? "player-shut" : "") },
        named(option), html("td", {}, mark(option)),
        html("td", { class: "player-why" }, option.reason), ...cells(option)));
    const last = order.name === "Not open because" ? -1 : NaN;
    const caption = `Options of user ${user} in slot ${slot} under ${episode.data.policies[policy].name}`;
    return html("div", { class: "player-scroll", tabindex: 0, role: "region", "aria-label": caption },
      html("table", { class: "player-options" },
        html("caption", {}, caption + ": delay, charge and gain as a user alone at the expert expects them"),
        html("thead", {}, html("tr", {},
          heading("Expert", 0, "up"),
          html("th", { scope: "col" }, "Chosen"),
          heading("Not open because", last, "up"),
          ...shown.slice(1).map(({ name, first }, index) => heading(name, index + 1, first)))),
        html("tbody", {}, ...body)));
  }

  // What the reasons mean for which some candidate is not open.
  function meanings(episode, policy, slot, user) {
    const told = episode.columns.map((column) => episode.reasons(policy, slot, user, column)).join("; ").split("; ");
    const found = Object.entries(episode.data.pair_reasons).filter(([reason]) => told.includes(reason));
    return html("dl", { class: "player-meanings" },
      ...found.flatMap(([reason, meaning]) => [html("dt", {}, reason), html("dd", {}, meaning)]));
  }

  function facts(episode, policy, slot, user) {
    const { world } = episode, met = episode.played[policy], told = [];
    if (world.topic.at(slot, user) >= 0) {
      told.push(`Subtask: topic ${world.topic.at(slot, user)}, weight ${number(world.weight.at(slot, user), 3)}, ` +
        `${number(world.words.at(slot, user), 0)} words, compute ${number(world.compute.at(slot, user), 2)}.`);
    }
    for (const [name, unit] of [["energy_left_j", "J of energy"], ["credits_left", "credits"]]) {
      if (met[name] && Number.isFinite(met[name].at(slot, user))) {
        told.push(`Left of its budget: ${number(met[name].at(slot, user), 3)} ${unit}.`);
      }
    }
    const away = episode.data.experts - episode.columns.length;
    if (away > 0) told.push(`${away} experts are not on its list of candidates.`);
    return told.join(" ");
  }

  // The panel; `actions`: `choose` selects an agent, `again` draws the panel again.
  player.userPanel = (episode, policy, slot, user, actions) => [
    html("h3", { tabindex: -1 }, `User ${user}, slot ${slot}, ${episode.data.policies[policy].name}`),
    html("p", { class: "player-decision" }, player.ofUser(episode, policy, slot, user), " ",
      player.ofService(episode, policy, slot, user)),
    html("ul", { class: "player-reasons" },
      ...player.why(episode, policy, slot, user).map((sentence) => html("li", {}, sentence))),
    html("p", {}, facts(episode, policy, slot, user)),
    ...(episode.outcome(policy, slot, user) === "idle" ? []
      : [table(episode, policy, slot, user, actions), meanings(episode, policy, slot, user)]),
  ];
})((globalThis.episodePlayer ??= {}));
