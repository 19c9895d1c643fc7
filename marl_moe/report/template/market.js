// Prices, supply and demand, money, and both sides' utility; of audits what is claimed and measured.

register("market", (element, data, page) => {
  const { make } = page;
  page.eachRun(element, data.runs, (part, run) => {
    if (run.tables) drawClaims(part, run);
    else drawMarket(part, run);
  });

  function drawMarket(part, run) {
    const names = run.books.map((books) => (books.point ? `${books.point}: ${books.policy}` : books.policy));
    const shown = make("div");
    const show = (at) => shown.replaceChildren(...drawBooks(run.books[at], run.curves));
    if (run.totals) part.append(make("h3", {}, "What came of it"), page.table(run.totals));
    part.append(
      make("h3", {}, "Over an episode"),
      make("div", { class: "controls" }, page.select("Books of", numbered(names), 0, (at) => show(Number(at)))),
      shown,
      ...run.notes.map((note) => make("p", { class: "note" }, note)),
    );
    show(0);
  }

  function drawBooks(books, curves) {
    const chart = (title, names, y) => {
      const series = names
        .filter((name) => books.values[name])
        .map((name, at) => {
          const [mean, low, high] = books.values[name];
          const held = (values) => values && [...values, values.at(-1)]; // the last prices, until the end
          const x = [...books.slots, books.until];
          return { name: curves[name], look: looks[at], x, y: held(mean), low: held(low), high: held(high), step: true };
        });
      return series.length ? page.chart({ title, x: { title: "slot" }, y, series, height: 280 }) : null;
    };
    const { prices } = books;
    const map = page.chart({
      title: `Price of each expert in one world (seed ${prices.seed}, episode ${prices.episode}), credits a point`,
      x: { title: "slot" },
      y: { title: "expert" },
      heat: { x: prices.slots, until: books.until, y: prices.experts, z: prices.values, title: "credits a point", xTitle: "slot", yTitle: "expert" },
      height: 360,
    });
    const money = books.budgeted ? "Payments and charges against the budget" : "Payments and charges (no budget is claimed to be kept)";
    const total = books.clearings.reduce((sum, [, count]) => sum + count, 0);
    const how = books.clearings.map(([status, count]) => `${status || "no status"}: ${count.toLocaleString("en")}`);
    return [
      map,
      make("div", { class: "small" }, [
        chart("Unit price paid", ["price"], { zero: true, title: "credits a point" }),
        chart("Supply and demand", ["demand", "supply", "delivered"], { zero: true, title: "points a slot" }),
        chart(money, ["payments", "charges", "budget"], { zero: true, title: "credits a slot" }),
        chart("Utility of both sides", ["user_utility", "edge_utility", "platform"], { zero: true, title: "credits a slot" }),
        chart("Participation", ["participation"], { zero: true, title: "share of edge devices" }),
      ].filter(Boolean)),
      make("p", { class: "note" }, `Means${books.interval ? `; ${books.interval}` : ""}. ${total.toLocaleString("en")} clearings in the books: ${how.join("; ")}.`),
    ];
  }

  function drawClaims(part, run) {
    const { names, sides } = run.regret;
    part.append(make("h3", {}, "Claimed and measured"), page.table(run.tables[0]));
    part.append(...run.conditions.map((line) => make("p", { class: "note" }, line)));
    const charts = Object.entries(sides).map(([side, found], at) => {
      const rows = names
        .map((name, place) => ({ name, look: looks[at], values: [found[place].value, null, null], hollow: !found[place].claimed }))
        .filter((row) => row.values[0] !== null);
      const title = `Greatest regret of ${side} found, credits a slot (filled: truth is claimed to be best)`;
      return rows.length ? page.chart({ title, x: { zero: true }, rows }) : null;
    });
    part.append(make("div", { class: "small" }, charts.filter(Boolean)));
    for (const table of run.tables.slice(1)) part.append(page.table(table));
  }
});
