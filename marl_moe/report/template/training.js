// Curves of training, against the clock, scale and smoothing that the reader chooses.

register("training", (element, data, page) => {
  const { make } = page;
  page.eachRun(element, data.runs, (part, run) => {
    const chosen = { metric: run.first, clock: "env_steps", smoothing: 1, logX: false, logY: false, point: "" };
    const main = page.chart(trainingChart(run, chosen, chosen.metric, 400));
    const small = run.learning.map((metric) => page.chart(trainingChart(run, chosen, metric, 240)));

    function show(change) {
      Object.assign(chosen, change);
      main.update(trainingChart(run, chosen, chosen.metric, 400));
      small.forEach((chart, at) => chart.update(trainingChart(run, chosen, run.learning[at], 240)));
    }

    const controls = make(
      "div",
      { class: "controls" },
      page.select("Metric", Object.entries(run.metrics).map(([name, [heading]]) => [name, heading]), chosen.metric, (metric) => show({ metric })),
      page.select("Against", Object.entries(run.clocks), chosen.clock, (clock) => show({ clock })),
      page.select("Smoothing", numbered(run.smoothing), chosen.smoothing, (at) => show({ smoothing: Number(at) })),
      run.curves.length > 1
        ? page.select("Curve", [["", "all"], ...numbered(run.curves.map((curve) => curve.name))], "", (point) => show({ point }))
        : null,
      drawTick("log x", false, (logX) => show({ logX })),
      drawTick("log y", false, (logY) => show({ logY })),
    );
    part.append(controls, main, ...run.notes.map((note) => make("p", { class: "note" }, note)));
    if (small.length) part.append(make("h3", {}, "How it learns"), make("div", { class: "small" }, small));
  });
});

function trainingChart(run, chosen, metric, height) {
  const curves = chosen.point === "" ? run.curves : [run.curves[Number(chosen.point)]];
  const series = curves
    .filter((curve) => curve.metrics[metric])
    .map((curve) => trainingCurve(curve, curve.name, curve.look, metric, chosen));
  return {
    title: run.metrics[metric][0],
    note: run.metrics[metric][1],
    x: { title: run.clocks[chosen.clock], log: chosen.logX },
    y: { log: chosen.logY },
    series,
    height,
  };
}

function trainingCurve(curve, name, look, metric, chosen) {
  const [y, low, high] = curve.metrics[metric][chosen.smoothing];
  return { name, look, x: curve.clocks[chosen.clock], y, low, high };
}
