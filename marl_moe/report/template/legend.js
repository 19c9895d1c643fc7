// The legend of a chart: a button for each curve, which hides and shows it.

function drawLegend(state, legend) {
  const { chart } = state;
  const series = chart.series || [];
  legend.hidden = series.length < 2;
  legend.replaceChildren(
    ...(legend.hidden ? [] : series).map((each) => {
      const button = make("button", {
        type: "button",
        "aria-pressed": String(!state.hidden.has(each.name)),
        onclick: () => {
          if (!state.hidden.delete(each.name)) state.hidden.add(each.name);
          button.setAttribute("aria-pressed", String(!state.hidden.has(each.name)));
          redraw(state);
        },
      });
      button.append(sample(each), each.name);
      return button;
    }),
  );
}

// A line with its dash and colours of both themes, as the legend shows it.
function sample(series) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  const named = { solid: "", dot: "2 3", dash: "8 4", dashdot: "8 3 2 3" };
  const dash = named[series.look.dash] ?? series.look.dash.replaceAll("px", "").replaceAll(",", " ");
  for (const [name, value] of Object.entries({ x1: 1, x2: 33, y1: 6, y2: 6, "stroke-width": 2.5 })) {
    line.setAttribute(name, value);
  }
  if (dash) line.setAttribute("stroke-dasharray", dash);
  svg.setAttribute("width", 34);
  svg.setAttribute("height", 12);
  svg.setAttribute("aria-hidden", "true");
  svg.style.setProperty("--light", series.look.light);
  svg.style.setProperty("--dark", series.look.dark);
  svg.append(line);
  return svg;
}
