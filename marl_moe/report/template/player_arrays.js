// The recording of an episode, unpacked: arrays as marl_moe/report/player/encoding.py packs them.
(function (player) {
  "use strict";

  const TYPES = { uint8: Uint8Array, int16: Int16Array, float32: Float32Array };
  const NOTHING = -32768; // of quantised numbers

  class Grid {
    constructor(shape, numbers, step) {
      Object.assign(this, { shape, numbers, step });
    }

    // The number at an index for each axis.
    at(...index) {
      const place = index.reduce((sum, one, axis) => sum * this.shape[axis] + one, 0);
      const number = this.numbers[place];
      if (this.step === undefined) return number;
      return number === NOTHING ? NaN : number * this.step;
    }
  }

  async function unpacked({ type, shape, data, step }) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    return new Grid(shape, new TYPES[type](buffer), step);
  }

  async function all(arrays) {
    const names = Object.keys(arrays);
    const grids = await Promise.all(names.map((name) => unpacked(arrays[name])));
    return Object.fromEntries(names.map((name, index) => [name, grids[index]]));
  }

  // One episode: `kept` and `world` are of all policies, `played[p]` of each.
  player.Episode = class {
    static async of(data, number) {
      const { kept, world, played } = data.episodes[number];
      const parts = await Promise.all([all(kept), all(world), ...played.map(all)]);
      return new player.Episode(data, ...parts);
    }

    constructor(data, kept, world, ...played) {
      Object.assign(this, { data, kept, world, played });
      const columns = kept.candidates ? kept.candidates.shape[1] : data.experts;
      this.columns = [...Array(columns).keys()];
      this.users = [...Array(data.users).keys()];
      this.experts = [...Array(data.experts).keys()];
    }

    // The expert in a column of a user's candidates.
    expert(user, column) {
      return this.kept.candidates ? this.kept.candidates.at(user, column) : column;
    }

    // The column of an expert, -1 where it is no candidate of the user.
    column(user, expert) {
      return this.columns.findIndex((column) => this.expert(user, column) === expert);
    }

    outcome(policy, slot, user) {
      return this.data.outcomes[this.played[policy].outcome.at(slot, user)];
    }

    // True where a user asked an expert, whether that served it or not.
    asked(policy, slot, user) {
      return ["served", "declined", "not admitted"].includes(this.outcome(policy, slot, user));
    }

    // True where a user had something to send and could have sent it to the expert in a column.
    open(policy, slot, user, column) {
      const met = this.played[policy];
      return met.state.at(slot, user) === 0 && met.closed.at(slot, user, column) === 0;
    }

    // The reasons for which a pair is closed, in words; "" where it is open.
    reasons(policy, slot, user, column) {
      const met = this.played[policy];
      const bits = met.closed.at(slot, user, column);
      const found = Object.keys(this.data.pair_reasons).filter((_, place) => bits & (1 << place));
      const state = met.state.at(slot, user);
      if (state !== 0) found.push("the user " + this.data.user_states[state]);
      return found.join("; ");
    }

    // What a user that is alone at an expert expects to wait, s.
    delay(policy, slot, user, column) {
      return this.played[policy].delay_alone_s.at(slot, user, column);
    }

    // What an expert has left over at the start of a slot, airtime and computing, s.
    backlog(policy, slot, expert) {
      const met = this.played[policy];
      return met.airtime_backlog_s.at(slot, expert) + met.compute_backlog_s.at(slot, expert);
    }

    // True where an expert is up, and its edge device takes part.
    serves(policy, slot, expert) {
      const met = this.played[policy];
      const takesPart = this.data.free || met.offered_effort.at(slot, expert) > 0;
      return Boolean(met.available.at(slot, expert)) && takesPart;
    }

    // The users that asked an expert in a slot, or of these the ones that it served.
    askers(policy, slot, expert, served = false) {
      return this.users.filter(
        (user) =>
          this.asked(policy, slot, user) &&
          this.played[policy].expert.at(slot, user) === expert &&
          (!served || this.outcome(policy, slot, user) === "served"),
      );
    }

    // A sum over an array's second axis in a slot.
    total(grid, slot) {
      let sum = 0;
      for (let index = 0; index < grid.shape[1]; index++) sum += grid.at(slot, index);
      return sum;
    }
  };
})((globalThis.episodePlayer ??= {}));
