// A map of one policy's world: users, experts, the links between them and the choices made.
// Where there is geometry agents stand where they are; else users form a ring within that of experts.
(function (player) {
  "use strict";

  const { svg, set, number } = player;
  const MARGIN = 34, USER = 11, EXPERT = 11, HEIGHT = 0.86; // px; of the width where it is a ring
  const TOPICS = ["#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#7a7a7a", "#BFA900"]; // Okabe and Ito
  player.topicColour = (topic) => TOPICS[topic % TOPICS.length];

  // A function from a place on the map, in the unit square, for each agent and slot.
  function places(episode) {
    const { user_place: users, expert_place: experts } = episode.world;
    if (!users) {
      const around = (radius, count, index) => {
        const angle = (2 * Math.PI * index) / count - Math.PI / 2;
        return [0.5 + radius * Math.cos(angle), 0.5 + radius * Math.sin(angle)];
      };
      return {
        aspect: HEIGHT,
        user: (_, user) =>
          episode.users.length === 1 ? [0.5, 0.5] : around(0.24, episode.users.length, user),
        expert: (_, expert) => around(0.5, episode.experts.length, expert),
      };
    }
    const ends = [[Infinity, -Infinity], [Infinity, -Infinity]];
    for (const grid of [users, experts]) {
      grid.numbers.forEach((value, index) => {
        const end = ends[index % 2];
        end[0] = Math.min(end[0], value);
        end[1] = Math.max(end[1], value);
      });
    }
    const side = ends.map(([low, high]) => Math.max(high - low, 1));
    const at = (grid) => (slot, agent) =>
      [0, 1].map((axis) => {
        const share = (grid.at(slot, agent, axis) - ends[axis][0]) / side[axis];
        return axis ? 1 - share : share; // north is up
      });
    return {
      aspect: Math.min(Math.max(side[1] / side[0], 0.5), 1.3),
      side_m: side[0],
      user: at(users),
      expert: at(experts),
    };
  }

  // Places of users, px, moved off those of experts and of each other as far as markers need.
  function apart(users, experts) {
    const room = USER + EXPERT + 2, moved = [];
    for (const [index, place] of users.entries()) {
      let [x, y] = place;
      for (let round = 0; round < 8; round++) {
        const close = [...experts, ...moved].find(([a, b]) => Math.hypot(x - a, y - b) < room - 0.01);
        if (!close) break;
        const [dx, dy] = [x - close[0], y - close[1]], far = Math.hypot(dx, dy);
        const angle = far > 1 ? Math.atan2(dy, dx) + 0.3 * round : 2.4 * index;
        x = close[0] + room * Math.cos(angle);
        y = close[1] + room * Math.sin(angle);
      }
      moved.push([x, y]);
    }
    return moved;
  }

  // The least and greatest SNR of an episode, between which links are drawn thin to thick.
  function range(grid) {
    const values = grid.numbers.filter((value) => value !== -32768);
    const ends = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [Infinity, -Infinity]);
    return ends.map((value) => value * grid.step);
  }

  player.Map = class {
    // `choose` is called with an agent that is clicked: {user} or {expert}.
    constructor(episode, policy, choose) {
      Object.assign(this, { episode, policy });
      this.places = places(episode);
      this.snr = range(episode.world.snr_db);
      this.drawing = svg("svg", { class: "player-map", role: "group" });
      const layer = (name) => this.drawing.appendChild(svg("g", { class: `player-${name}` }));
      this.links = layer("links");
      this.choices = layer("choices");
      this.agents = layer("agents");
      this.scale = this.drawing.appendChild(svg("g", { class: "player-scale", "aria-hidden": "true" }));
      this.experts = episode.experts.map((expert) => this.#expert(expert, () => choose({ expert })));
      this.users = episode.users.map((user) => this.#user(user, () => choose({ user })));
    }

    #agent(kind, act, ...shapes) {
      const marker = svg("g", {
        class: `player-${kind}`, tabindex: 0, role: "button",
        onclick: act,
        onkeydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          act();
        },
      }, svg("title"), ...shapes);
      return this.agents.appendChild(marker);
    }

    #expert(expert, act) {
      const topic = player.topicColour(this.episode.kept.expert_topic.at(expert));
      return this.#agent("expert", act,
        svg("rect", { class: "player-backlog", x: -EXPERT, y: EXPERT + 2, height: 3 }),
        svg("rect", { class: "player-body", x: -EXPERT, y: -EXPERT, width: 2 * EXPERT,
          height: 2 * EXPERT, rx: 2, style: `--topic: ${topic}` }),
        svg("text", { class: "player-number", dy: "0.35em" }, String(expert)),
        svg("text", { class: "player-load", x: EXPERT + 2, y: -EXPERT + 4 }),
        svg("text", { class: "player-price", y: -EXPERT - 4 }));
    }

    #user(user, act) {
      return this.#agent("user", act,
        svg("circle", { class: "player-body", r: USER }),
        svg("text", { class: "player-number", dy: "0.35em" }, String(user)));
    }

    // Fits the drawing to a width, px.
    fit(width) {
      this.width = Math.max(width, 220);
      this.height = this.width * this.places.aspect;
      set(this.drawing, { viewBox: `0 0 ${this.width} ${this.height}` });
      this.scale.replaceChildren();
      if (!this.places.side_m) return;
      const room = this.width - 2 * MARGIN, steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
      const metres = steps.filter((step) => step < this.places.side_m / 3).pop() ?? 1;
      const length = (metres / this.places.side_m) * room, y = this.height - 6;
      this.scale.append(
        svg("path", { d: `M6 ${y - 4}v4h${length}v-4` }),
        svg("text", { x: 12 + length, y }, `${metres} m`));
    }

    #at([x, y]) {
      return [MARGIN + x * (this.width - 2 * MARGIN), MARGIN + y * (this.height - 2 * MARGIN)];
    }

    // Shows a slot: who is selected, and whether links of all pairs are drawn or those of that user.
    show(slot, selected, allLinks) {
      const { episode, policy } = this, met = episode.played[policy];
      const experts = episode.experts.map((one) => this.#at(this.places.expert(slot, one)));
      const users = apart(episode.users.map((one) => this.#at(this.places.user(slot, one))), experts);
      const user = (one) => users[one], expert = (one) => experts[one];
      const name = episode.data.policies[policy].name;
      set(this.drawing, { "aria-label": `${name}, slot ${slot}: users and experts` });
      this.links.replaceChildren();
      for (const one of episode.users) {
        if (!allLinks && one !== selected.user) continue;
        for (const column of episode.columns) {
          this.links.append(this.#link(slot, one, column, user(one), expert(episode.expert(one, column))));
        }
      }
      this.choices.replaceChildren();
      episode.users.forEach((one) => {
        this.#showUser(slot, one, user(one), selected.user === one);
        if (!episode.asked(policy, slot, one)) return;
        const [[x1, y1], [x2, y2]] = [user(one), expert(met.expert.at(slot, one))];
        const outcome = episode.outcome(policy, slot, one);
        const kind = outcome === "served" ? "player-served" : "player-refused";
        const mine = selected.user === one ? " player-mine" : "";
        this.choices.append(svg("line", { x1, y1, x2, y2, class: kind + mine }));
      });
      episode.experts.forEach((one) => this.#showExpert(slot, one, expert(one), selected.expert === one));
    }

    #link(slot, user, column, [x1, y1], [x2, y2]) {
      const [low, high] = this.snr, snr = this.episode.world.snr_db.at(slot, user, column);
      const share = high > low ? (snr - low) / (high - low) : 1;
      const open = this.episode.open(this.policy, slot, user, column);
      return svg("line", { x1, y1, x2, y2, "stroke-width": 0.4 + 2.6 * share,
        "stroke-opacity": 0.08 + 0.6 * share ** 2, "stroke-dasharray": open ? null : "1 5" });
    }

    #showUser(slot, user, [x, y], selected) {
      const { episode, policy } = this, topic = episode.world.topic.at(slot, user);
      const [title, body] = this.users[user].children;
      const told = player.ofUser(episode, policy, slot, user);
      title.textContent = told;
      set(body, { style: topic < 0 ? null : `--topic: ${player.topicColour(topic)}` });
      const outcome = episode.outcome(policy, slot, user).replace(" ", "-");
      set(this.users[user], { transform: `translate(${x} ${y})`, "aria-label": told,
        "aria-pressed": String(selected), "data-user": user,
        class: `player-user player-is-${outcome}${selected ? " player-selected" : ""}` });
    }

    #showExpert(slot, expert, [x, y], selected) {
      const { episode, policy } = this, met = episode.played[policy];
      const [title, backlog, , , load, price] = this.experts[expert].children;
      const served = met.load.at(slot, expert), told = player.ofExpert(episode, policy, slot, expert);
      load.textContent = served ? `×${served}` : "";
      price.textContent = episode.data.free ? "" : number(met.unit_price.at(slot, expert), 1);
      const share = episode.backlog(policy, slot, expert) / episode.data.slot_s;
      set(backlog, { width: 2 * EXPERT * Math.min(share, 1.5) });
      title.textContent = told;
      const dim = episode.serves(policy, slot, expert) ? "" : " player-closed";
      set(this.experts[expert], { transform: `translate(${x} ${y})`, "aria-label": told,
        "aria-pressed": String(selected), "data-expert": expert,
        class: `player-expert${dim}${selected ? " player-selected" : ""}` });
    }
  };
})((globalThis.episodePlayer ??= {}));
