// Elements of the page and of drawings, and numbers as text. Names come from runs and may hold
// anything: they only ever become text and attributes, never HTML.
(function (player) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";

  function made(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child != null));
    return element;
  }

  // An element of the page: its attributes, `onclick` and the like among them, and its children.
  player.html = (name, attributes = {}, ...children) =>
    made(document.createElement(name), attributes, children);

  // An element of a drawing.
  player.svg = (name, attributes = {}, ...children) =>
    made(document.createElementNS(SVG, name), attributes, children);

  // Sets attributes of an element; null removes one.
  player.set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value == null) element.removeAttribute(name);
      else element.setAttribute(name, value);
    }
  };

  // A number to so many places; what is none is a dash.
  player.number = (value, places = 2) => {
    if (!Number.isFinite(value)) return "–";
    const shown = value.toFixed(places);
    return (Number(shown) === 0 ? (0).toFixed(places) : shown).replace("-", "−");
  };

  const WORDS = "no one two three four five six seven eight nine ten eleven twelve".split(" ");
  player.count = (number) => WORDS[number] ?? String(number);
})((globalThis.episodePlayer ??= {}));
