// What a run asks and came to.

register("overview", (element, data, page) => {
  const { make } = page;
  page.eachRun(element, data.runs, (part, run) => {
    if (run.unfinished) part.append(make("p", { class: "banner" }, run.unfinished));
    const [question, ...facts] = run.facts;
    part.append(make("p", { class: "question" }, reflowed(question.lines.join("\n"))));
    if (typeof run.results === "string") part.append(page.why(run.results));
    else drawResults(part, run.results);
    if (run.remarks.length) {
      part.append(make("h3", {}, "Remarks"), make("ul", {}, run.remarks.map((line) => make("li", {}, line))));
    }
    for (const table of run.tables) part.append(page.table(table));
    part.append(make("h3", {}, "The run"), drawFacts(facts), make("h3", {}, "Figures"), drawFigures(run.figures));
  });

  // Lines of a comment that go on become one; paragraphs and lists stay.
  function reflowed(text) {
    return text.replace(/([^\n])\n(?=[^\n\s*-])/g, "$1 ");
  }

  function drawResults(part, results) {
    if (results.why) {
      part.append(page.why(results.why));
      return;
    }
    const chart = page.chart(chartOf(results, 0));
    const headings = results.metrics.map((metric) => metric.heading);
    const select = page.select("Metric", numbered(headings), 0, (at) => chart.update(chartOf(results, Number(at))));
    part.append(make("h3", {}, "Results"), page.table(results.table));
    part.append(make("div", { class: "controls" }, select), chart);
  }

  function chartOf(results, at) {
    const { heading, policies } = results.metrics[at];
    const known = Object.entries(policies).filter(([, values]) => values.some(([mean]) => Number.isFinite(mean)));
    if (results.points.length === 1) {
      const rows = known.map(([name, [values]]) => ({ name, look: results.looks[name], values }));
      rows.sort((a, b) => b.values[0] - a.values[0]);
      return { title: heading, x: {}, rows };
    }
    const series = known.map(([name, values]) => ({
      name,
      look: results.looks[name],
      x: results.points,
      y: values.map(([mean]) => mean),
      low: values.map(([, low]) => low),
      high: values.map(([, , high]) => high),
    }));
    return { title: heading, x: { title: "sweep point", categories: results.points }, y: {}, series, height: 420 };
  }

  function drawFacts(facts) {
    const list = make("dl", { class: "facts" });
    for (const { name, lines, aligned } of facts) {
      const text = lines.join("\n");
      list.append(make("dt", {}, name), make("dd", { class: aligned ? "aligned" : null }, text));
    }
    return list;
  }

  function drawFigures({ drawn, not_drawn }) {
    const said = drawn.length ? `Drawn, as PDF and PNG in the run's folder figures: ${drawn.join(", ")}.` : "None is drawn.";
    const list = make("ul", {}, not_drawn.map(([name, reason]) => make("li", {}, make("strong", {}, name), `: ${reason}`)));
    const others = make("details", {}, make("summary", {}, `${not_drawn.length} not drawn, and why`), list);
    return make("div", {}, make("p", {}, said), not_drawn.length ? others : null);
  }
});
