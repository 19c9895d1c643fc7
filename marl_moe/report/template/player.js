// The episode player: a map for each policy that is shown, the same world in all of them, and a
// panel of the user or expert that is selected. State is in the address: #episode=0&slot=20&user=3.
(function (player) {
  "use strict";

  const html = (...given) => player.html(...given); // its file comes after this one
  const MOST_MAPS = 4, MOST_TOPICS = 24, SPEEDS = [1, 2, 4, 8]; // slots a second

  const KEYS = ["episode", "slot", "user", "expert", "policy", "beside"];

  const asks = (address) => KEYS.some((key) => new URLSearchParams(address).has(key));

  class Player {
    constructor(element, data, page) {
      Object.assign(this, { element, data, page, playing: null, speed: 2, allLinks: false });
      this.slot = this.number = 0;
      const rule = data.policies.findIndex(({ kind }, index) => index && kind !== data.policies[0].kind);
      this.shown = rule < 0 ? [0] : [0, rule];
      this.policy = 0;
      this.selected = { user: 0 };
      this.#build();
    }

    // Takes over what an address asks for, and says what of it the recording does not have.
    async open(address) {
      const given = new URLSearchParams(address), missed = [];
      const found = (name, value, among) => {
        const index = among.indexOf(value);
        if (index < 0) missed.push(`${name} ${value}`);
        return index < 0 ? null : index;
      };
      const one = (name, among) => (given.has(name) ? found(name, given.get(name), among) : null);
      const upTo = (count) => [...Array(count).keys()].map(String);
      const { policies, slots, users, experts, episodes } = this.data;
      const names = policies.map(({ name }) => name);
      const policy = one("policy", names);
      const beside = given.getAll("beside").map((name) => found("policy", name, names)).filter((at) => at !== null);
      if (policy !== null) this.policy = policy;
      const others = given.has("beside") ? beside : this.shown;
      this.shown = [...new Set([this.policy, ...others])].slice(0, MOST_MAPS).sort((a, b) => a - b);
      this.slot = one("slot", upTo(slots)) ?? this.slot;
      const user = one("user", upTo(users)), expert = one("expert", upTo(experts));
      if (user !== null) this.selected = { user };
      else if (expert !== null) this.selected = { expert };
      await this.load(one("episode", episodes.map(({ episode }) => String(episode))) ?? this.number);
      this.#keep();
      this.missed.textContent = missed.length
        ? `The address asks for ${missed.join(", ")}, which this page does not have: what is shown is something else.` : "";
    }

    async load(number) {
      this.number = number;
      this.episode = await player.Episode.of(this.data, number);
      this.#maps();
      this.show();
    }

    // Shows another state, and keeps it in the address.
    change(state) {
      Object.assign(this, state);
      this.missed.textContent = "";
      this.show();
      this.#keep();
    }

    #keep() {
      const given = new URLSearchParams({ episode: this.data.episodes[this.number].episode, slot: this.slot });
      for (const [kind, agent] of Object.entries(this.selected)) given.set(kind, agent);
      given.set("policy", this.data.policies[this.policy].name);
      for (const other of this.shown) {
        if (other !== this.policy) given.append("beside", this.data.policies[other].name);
      }
      this.page.remember("player", String(given));
    }

    step(by) {
      const slot = Math.min(Math.max(this.slot + by, 0), this.data.slots - 1);
      if (slot !== this.slot) this.change({ slot });
      return slot < this.data.slots - 1;
    }

    // Plays on, from the beginning where it is over; or pauses.
    play(on) {
      clearInterval(this.playing);
      this.playing = null;
      if (on) {
        if (this.slot === this.data.slots - 1) this.change({ slot: 0 });
        this.playing = setInterval(() => this.step(1) || this.play(false), 1000 / this.speed);
      }
      this.buttons.play.textContent = on ? "Pause" : "Play";
      // A screen reader could not follow: it is told each slot that is stepped to, not those played.
      this.heard.setAttribute("aria-live", on ? "off" : "polite");
    }

    show() {
      const { episode, slot, selected, policy } = this;
      this.slider.value = slot;
      this.slider.setAttribute("aria-valuetext", `slot ${slot} of 0 to ${this.data.slots - 1}`);
      this.position.textContent = `slot ${slot}`;
      this.sentence.textContent = player.ofSlot(episode, this.shown, slot);
      const ofSelected = (one) => "user" in selected
        ? player.ofUser(episode, one, slot, selected.user)
        : player.ofExpert(episode, one, slot, selected.expert);
      for (const map of this.maps) {
        map.show(slot, selected, this.allLinks);
        map.told.textContent = ofSelected(map.policy);
      }
      this.heard.textContent = `${this.sentence.textContent} ${ofSelected(policy)}`;
      this.choice.value = "user" in selected ? `user ${selected.user}` : `expert ${selected.expert}`;
      const actions = {
        choose: (agent) => this.change({ selected: agent }),
        again: (column) => {
          this.show();
          [...this.panel.querySelectorAll("[data-column]")].find((one) => one.dataset.column === column)?.focus();
        },
      };
      const tabs = this.shown.map((one) => html("button", { type: "button", "data-policy": one,
        "aria-pressed": String(one === policy), onclick: () => this.change({ policy: one }) },
        this.data.policies[one].name));
      const told = "user" in selected
        ? player.userPanel(episode, policy, slot, selected.user, actions)
        : player.expertPanel(episode, policy, slot, selected.expert, actions);
      const inside = this.panel.contains(document.activeElement);
      const focused = document.activeElement?.dataset?.policy, scrolled = this.#scrolled();
      this.panel.replaceChildren(
        html("div", { class: "player-tabs", role: "group", "aria-label": "Policy of the panel" }, ...tabs), ...told);
      const next = focused ? `[data-policy="${focused}"]` : "h3"; // what had the focus is gone
      if (inside) this.panel.querySelector(next).focus({ preventScroll: Boolean(focused) });
      this.panel.querySelector(".player-scroll")?.scrollTo(scrolled, 0);
    }

    #scrolled() {
      return this.panel.querySelector(".player-scroll")?.scrollLeft ?? 0;
    }

    #maps() {
      this.maps = this.shown.map((policy) => new player.Map(this.episode, policy,
        (selected) => this.change({ selected, policy })));
      this.boxes.forEach(({ firstChild }, index) => (firstChild.checked = this.shown.includes(index)));
      this.grid.dataset.maps = this.maps.length;
      this.grid.replaceChildren(...this.maps.map((map) => {
        const { name, kind, setting } = this.data.policies[map.policy];
        map.told = html("p", { class: "player-told" });
        return html("figure", {}, html("figcaption", {}, html("strong", {}, name), ` ${kind}`,
          html("small", { title: setting }, setting)), map.drawing, map.told);
      }));
      this.#fit();
    }

    #fit() {
      for (const map of this.maps ?? []) {
        map.fit(map.drawing.parentElement.clientWidth);
        map.show(this.slot, this.selected, this.allLinks);
      }
    }

    // Shows another set of policies, at least one and at most MOST_MAPS.
    #showPolicies(policy, on) {
      const shown = on ? [...this.shown, policy] : this.shown.filter((one) => one !== policy);
      if (shown.length < 1 || shown.length > MOST_MAPS) return false;
      this.shown = shown.sort((a, b) => a - b);
      this.#maps();
      this.change({ policy: shown.includes(this.policy) ? this.policy : shown[0] });
      return true;
    }

    #build() {
      const { data } = this, button = (text, label, act) =>
        html("button", { type: "button", "aria-label": label, onclick: act }, text);
      this.buttons = {
        first: button("|◀", "First slot", () => this.step(-data.slots)),
        back: button("◀", "Back one slot", () => this.step(-1)),
        play: html("button", { type: "button", class: "player-play", onclick: () => this.play(!this.playing) }, "Play"),
        on: button("▶", "On one slot", () => this.step(1)),
      };
      this.slider = html("input", { type: "range", min: 0, max: data.slots - 1, "aria-label": "Slot",
        oninput: () => this.change({ slot: Number(this.slider.value) }) });
      this.position = html("output", { class: "player-position" });
      this.sentence = html("p", { class: "player-sentence" });
      this.heard = html("p", { class: "player-heard", "aria-live": "polite" });
      this.missed = html("p", { class: "player-missed", role: "status" });
      const select = (label, options, act) => {
        const list = html("select", { onchange: () => act(list.value) },
          ...options.map(([value, text]) => html("option", { value }, text)));
        return [list, html("label", {}, `${label} `, list)];
      };
      const [speed, speedLabel] = select("Speed", SPEEDS.map((value) => [value, `${value} slots/s`]), (value) => {
        this.speed = Number(value);
        if (this.playing) this.play(true);
      });
      speed.value = this.speed;
      const agents = (kind, count) => [...Array(count).keys()].map((one) => [`${kind} ${one}`, `${kind} ${one}`]);
      const [choice, choiceLabel] = select("Look at", [...agents("user", data.users), ...agents("expert", data.experts)],
        (value) => {
          const [kind, agent] = value.split(" ");
          this.change({ selected: { [kind]: Number(agent) } });
        });
      this.choice = choice;
      const episodes = data.episodes.map(({ episode }, index) => [index, `episode ${episode}`]);
      const [, episodeLabel] = select("Episode", episodes, async (value) => {
        this.play(false);
        await this.load(Number(value));
        this.change({});
      });
      const links = html("input", { type: "checkbox", onchange: () => this.change({ allLinks: links.checked }) });
      this.boxes = data.policies.map(({ name }, index) => {
        const box = html("input", { type: "checkbox", onchange: () => {
          if (!this.#showPolicies(index, box.checked)) box.checked = !box.checked;
        } });
        return html("label", {}, box, ` ${name}`);
      });
      this.grid = html("div", { class: "player-maps" });
      this.panel = html("section", { class: "player-panel", "aria-label": "What is selected" });
      this.element.classList.add("player");
      this.element.addEventListener("keydown", (event) => this.#key(event));
      this.element.append(
        html("div", { class: "player-controls", role: "group", "aria-label": "Playing" },
          ...Object.values(this.buttons), this.slider, this.position, speedLabel,
          data.episodes.length > 1 ? episodeLabel : null, choiceLabel),
        html("fieldset", { class: "player-policies" },
          html("legend", {}, `Policies in the same world, one to ${MOST_MAPS}`), ...this.boxes,
          html("label", { class: "player-all" }, links, " SNR of all pairs")),
        this.missed, this.sentence, this.heard, this.grid, legend(data), this.panel, leftOut(data));
      new ResizeObserver(() => this.#fit()).observe(this.grid);
    }

    #key(event) {
      if (event.target.matches("input, select, .player-scroll") || event.altKey || event.ctrlKey || event.metaKey) return;
      const acts = {
        ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
        Home: () => this.step(-this.data.slots), End: () => this.step(this.data.slots),
        p: () => this.play(!this.playing),
      };
      if (!acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    }
  }

  function legend(data) {
    const told = [
      "Round: a user, ringed by the topic of its subtask. Square: an expert, ringed by its topic.",
      "Thick line: served; broken line: asked in vain; crossed user: abandons.",
      "Thin lines: SNR of the selected user, wider for more, dotted where the expert is not open to it.",
      "×3: serves three. Bar below: backlog, as wide as the square for one slot.",
      data.free ? "" : "Number above: price, credits a point. Broken square: not available, or takes no part.",
      data.area_m ? "" : "The channels have no places: users and experts stand in rings.",
      "Keys: ← → step, Home and End, P plays; Tab and Enter select.",
    ];
    const topics = [...Array(Math.min(data.topics, MOST_TOPICS)).keys()].map((topic) =>
      html("span", { class: "player-topic", style: `--topic: ${player.topicColour(topic)}` }, String(topic)));
    return html("p", { class: "player-legend" }, "Topics: ", ...topics, ". ", told.filter(Boolean).join(" "));
  }

  function leftOut(data) {
    const where = `Seed ${data.seed}${data.point ? `, ${data.point}` : ""}; mechanism ${data.mechanism}. The ` +
      "episodes are those of the evaluation, played again.";
    return html("details", { class: "player-left" }, html("summary", {}, "What is shown, and what is not"),
      html("p", {}, where), html("ul", {}, ...data.left_out.map((line) => html("li", {}, line))));
  }

  register("player", async (element, data, page) => {
    const address = location.hash.slice(1);
    if (!globalThis.DecompressionStream) {
      element.append(html("p", {}, "This browser cannot unpack the episode: it lacks DecompressionStream."));
      return;
    }
    const shown = new Player(element, data, page);
    addEventListener("hashchange", () => {
      const asked = location.hash.slice(1);
      if (asks(asked)) shown.open(asked);
    });
    await shown.open(asks(address) ? address : "");
    element.dataset.ready = "true";
  }, asks);
})((globalThis.episodePlayer ??= {}));
