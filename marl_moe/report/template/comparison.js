// Two runs or sweep points side by side: what differs, curves, and differences with intervals.

register("comparison", (element, data, page) => {
  const { make } = page;
  const chosen = { ...data.pairs[0] };
  const shown = make("div");
  const sides = (side) => [...new Set(data.pairs.map((pair) => pair[side]))];
  const controls = make("div", { class: "controls" });
  element.append(controls, shown, ...data.notes.map((note) => make("p", { class: "note" }, note)));

  function show(change) {
    Object.assign(chosen, change);
    const others = data.pairs.filter((pair) => pair.a === chosen.a).map((pair) => pair.b);
    if (!others.includes(chosen.b)) chosen.b = others[0];
    const name = (at) => [at, data.names[at]];
    controls.replaceChildren(
      page.select("A", sides("a").map(name), chosen.a, (a) => show({ a: Number(a) })),
      page.select("B", others.map(name), chosen.b, (b) => show({ b: Number(b) })),
    );
    const pair = data.pairs.find(({ a, b }) => a === chosen.a && b === chosen.b);
    shown.replaceChildren(...drawPair(pair));
  }

  function drawPair(pair) {
    const parts = [pair.differences ? page.table(pair.differences) : page.why("No key of the experiments differs.")];
    const curves = drawCurves(pair);
    if (curves) parts.push(curves);
    if (pair.why) return [...parts, page.why(`There is nothing to compare: ${pair.why}`)];
    parts.push(page.table(pair.table));
    const chart = page.chart(differenceOf(pair, 0));
    const headings = numbered(pair.drawn.map((metric) => metric.heading));
    const select = page.select("Metric", headings, 0, (at) => chart.update(differenceOf(pair, Number(at))));
    return [...parts, make("div", { class: "controls" }, select), chart];
  }

  function differenceOf(pair, at) {
    const { heading, rows } = pair.drawn[at];
    return { title: `B less A: ${heading}`, x: { zero: true }, rows: rows.filter((row) => row.values[0] !== null) };
  }

  // Curves of both from the tab of training, where both have one of the same metric.
  function drawCurves(pair) {
    const training = page.dataOf("training");
    const found = [pair.a, pair.b].map((at) => curvesOf(training, at));
    const [run] = training.runs.filter((each) => each.curves);
    if (!run || found.some((curves) => !curves.length)) return null;
    const metrics = Object.keys(run.metrics).filter((metric) => found.every((curves) => curves.some((curve) => curve.metrics[metric])));
    if (!metrics.length) return null;
    const drawn = { metric: metrics.includes(run.first) ? run.first : metrics[0], clock: "env_steps" };
    const chart = page.chart(chartOfBoth());
    function chartOfBoth() {
      const series = found.flatMap((curves, side) =>
        curves
          .filter((curve) => curve.metrics[drawn.metric])
          .map((curve) => {
            const name = `${"AB"[side]}: ${curve.name}`;
            const look = { ...(found.some((each) => each.length > 1) ? curve.look : looks[side]), dash: looks[side].dash };
            return trainingCurve(curve, name, look, drawn.metric, { clock: drawn.clock, smoothing: 1 });
          }),
      );
      return { title: `Training: ${run.metrics[drawn.metric][0]}`, x: { title: run.clocks[drawn.clock] }, y: {}, series };
    }
    const controls = make(
      "div",
      { class: "controls" },
      page.select("Metric", metrics.map((metric) => [metric, run.metrics[metric][0]]), drawn.metric, (metric) => update({ metric })),
      page.select("Against", Object.entries(run.clocks), drawn.clock, (clock) => update({ clock })),
    );
    function update(change) {
      Object.assign(drawn, change);
      chart.update(chartOfBoth());
    }
    return make("div", {}, make("h3", {}, "Training"), controls, chart);
  }

  function curvesOf(training, at) {
    if (typeof training === "string") return [];
    if (!data.points) {
      const run = training.runs.find((each) => each.name === data.names[at]);
      return (run && run.curves) || [];
    }
    return (training.runs[0].curves || []).filter((curve) => curve.point === data.points[at]);
  }

  show({});
});
