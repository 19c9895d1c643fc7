// What happened, in words: of a slot, of a user's choice, and of why it was made.
(function (player) {
  "use strict";

  const { number, count } = player;
  const signed = (value) => number(value, 2) + " credits";

  function subtask(episode, slot, user) {
    const weight = number(episode.world.weight.at(slot, user), 3);
    return `its subtask (weight ${weight}, topic ${episode.world.topic.at(slot, user)})`;
  }

  // How many others asked the same expert.
  function company(episode, policy, slot, user, expert) {
    const others = episode.askers(policy, slot, expert).length - 1;
    const among = episode.data.num_users > episode.data.users ? " (of the users shown)" : "";
    if (others === 0) return `nobody else went there${among}`;
    return `${count(others)} ${others === 1 ? "other" : "others"} went there too${among}`;
  }

  // A sentence for each slot: what the shown policies had.
  player.ofSlot = (episode, policies, slot) => {
    const told = policies.map((policy) => {
      const outcomes = episode.users.map((user) => episode.outcome(policy, slot, user));
      const of = (outcome) => outcomes.filter((one) => one === outcome).length;
      const pending = outcomes.length - of("idle");
      const parts = [`${of("served")} of ${pending} subtasks served`];
      for (const outcome of ["abandons", "declined", "not admitted", "not allowed"]) {
        if (of(outcome)) parts.push(`${of(outcome)} ${outcome === "abandons" ? "abandoned" : outcome}`);
      }
      const gain = episode.total(episode.played[policy].gain, slot) / episode.users.length;
      const name = episode.data.policies[policy].name;
      return `${name}: ${parts.join(", ")}, ${signed(gain)} a user.`;
    });
    return `Slot ${slot} of 0 to ${episode.data.slots - 1}. ${told.join(" ")}`;
  };

  // What a user did in a slot, and what came of it.
  player.ofUser = (episode, policy, slot, user) => {
    const met = episode.played[policy];
    const who = `User ${user}`, outcome = episode.outcome(policy, slot, user);
    const state = met.state.at(slot, user);
    if (outcome === "idle") return `${who} ${episode.data.user_states[state]}: nothing to send.`;
    const what = subtask(episode, slot, user), expert = met.expert.at(slot, user);
    if (outcome === "abandons") {
      const open = episode.columns.filter((column) => episode.open(policy, slot, user, column));
      const best = Math.max(...open.map((column) => met.expected_gain.at(slot, user, column)));
      let why = `the best of ${open.length} open experts let it expect ${signed(best)} alone`;
      if (state !== 0) why = `it ${episode.data.user_states[state]}`;
      else if (!open.length) why = "no expert was open to it";
      return `${who} abandoned ${what}: ${why}.`;
    }
    if (outcome === "not allowed") {
      const column = met.column.at(slot, user);
      const why = column < 0 ? "an expert was open" : episode.reasons(policy, slot, user, column);
      const chose = column < 0 ? "to abandon" : `expert ${expert}`;
      return `${who} chose ${chose}, which it may not (${why}), and so lost ${what}.`;
    }
    const sent = `${who} sent ${what} to expert ${expert}`;
    const expected = signed(met.expected_gain.at(slot, user, met.column.at(slot, user)));
    const others = company(episode, policy, slot, user, expert);
    const got = number(met.gain.at(slot, user), 2);
    if (outcome === "declined") {
      return `${sent}, whose edge device declined it: expected ${expected}, got ${got}; ${others}.`;
    }
    if (outcome === "not admitted") {
      return `${sent}, which had no place for it, or the platform no money: expected ${expected}, got ${got}; ${others}.`;
    }
    return `${sent}: expected ${expected}, got ${got}; ${others}.`;
  };

  // An expert in a slot.
  player.ofExpert = (episode, policy, slot, expert) => {
    const met = episode.played[policy], { free } = episode.data;
    const parts = [`serves ${met.load.at(slot, expert)}`,
      `backlog ${number(episode.backlog(policy, slot, expert), 1)} s`];
    if (!free) parts.push(`price ${number(met.unit_price.at(slot, expert), 2)} credits a point`);
    if (!met.available.at(slot, expert)) parts.push("not available");
    else if (!episode.serves(policy, slot, expert)) parts.push("takes no part at this price");
    return `Expert ${expert}, topic ${episode.kept.expert_topic.at(expert)}: ${parts.join(", ")}.`;
  };

  // The service that a user had, if it had one.
  player.ofService = (episode, policy, slot, user) => {
    if (episode.outcome(policy, slot, user) !== "served") return "";
    const met = episode.played[policy];
    const parts = [
      `The answer took ${number(met.delay_s.at(slot, user), 1)} s and ` +
        `${number(met.energy_j.at(slot, user), 3)} J, and brought ${number(met.qos.at(slot, user), 2)} points`,
    ];
    const harm = met.harm.at(slot, user), charge = met.charge.at(slot, user);
    if (harm > 0) parts.push(`it took ${number(harm, 2)} points, as the expert is wrong on this topic`);
    if (!episode.data.free) {
      parts.push(`the effort for it was ${number(met.effort.at(slot, user), 2)}, the charge ${signed(charge)}`);
    }
    return parts.join("; ") + ".";
  };

  function ordinal(place) {
    const ending = { 1: "st", 2: "nd", 3: "rd" }[place % 10];
    return place === 1 ? "highest" : `${place}${[11, 12, 13].includes(place % 100) ? "th" : (ending ?? "th")} highest`;
  }

  // Actions open to a user with a value each, greatest first: experts, and null for abandoning.
  function rankedBy(episode, policy, slot, user, name) {
    const met = episode.played[policy];
    const actions = episode.columns
      .filter((column) => episode.open(policy, slot, user, column))
      .map((column) => ({ expert: episode.expert(user, column), value: met[name].at(slot, user, column) }));
    const abandoning = met[`abandon_${name}`];
    if (abandoning && met.may_abandon.at(slot, user)) {
      actions.push({ expert: null, value: abandoning.at(slot, user) });
    }
    return actions.sort((one, other) => other.value - one.value);
  }

  const named = (expert) => (expert === null ? "abandoning" : `expert ${expert}`);

  function place(episode, policy, slot, user, name, words, places) {
    const ranked = rankedBy(episode, policy, slot, user, name);
    const kind = episode.played[policy][`abandon_${name}`] ? "actions" : "experts";
    const asked = episode.asked(policy, slot, user);
    const chosen = asked ? episode.played[policy].expert.at(slot, user) : null;
    const at = ranked.findIndex((action) => action.expert === chosen);
    if (at < 0) return "";
    let told = `${words} ${number(ranked[at].value, places)}, the ${ordinal(at + 1)} of ${ranked.length} ${kind} open to it`;
    const other = ranked[at === 0 ? 1 : 0];
    if (other) {
      const which = at === 0 ? "next" : "highest";
      told += `; ${which}: ${named(other.expert)} with ${number(other.value, places)}`;
    }
    return told + ".";
  }

  // Why a policy chose so: how the choice ranks by what the policy compares, as far as it is known.
  player.why = (episode, policy, slot, user) => {
    const met = episode.played[policy], { name, kind, told } = episode.data.policies[policy];
    const outcome = episode.outcome(policy, slot, user), sentences = [];
    if (outcome === "idle" || outcome === "not allowed" || met.state.at(slot, user) !== 0) return [];
    const add = (...given) => sentences.push(place(episode, policy, slot, user, ...given));
    if (met.probability) add("probability", `${name} gave this probability`, 3);
    if (met.q) add("q", "Its Q is", 2);
    if (met.score) add("score", `${name} scored this`, 2);
    if (outcome !== "abandons") add("expected_gain", "The gain expected alone is", 2);
    if (kind === "yardstick") sentences.push(`${name} knows what all others do in the slot.`);
    if (!met.probability && !met.score && kind !== "yardstick") {
      sentences.push(`${name} keeps no scores: its rule is in the documentation.`);
    }
    if (told) sentences.push(`Of ${name}: ${told}.`);
    if (met.allocated) {
      const allocated = met.allocated.at(slot, user);
      sentences.push(`The mechanism allocated it ${allocated < 0 ? "no expert" : `expert ${allocated}`}.`);
    }
    return sentences.filter(Boolean);
  };
})((globalThis.episodePlayer ??= {}));
