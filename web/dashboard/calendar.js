/** The month as a grid of days, each in the shade of its number; to be walked with the arrow keys. */

import { element } from "../console/dom.js";
import { Scale } from "./measures.js";
import { daysOf, longDay, monthsOn, moved, today, weekdays, weeksOf } from "./months.js";
import { counted, quotaName } from "./words.js";

const DAYS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
const MONTHS = { PageUp: -1, PageDown: 1 };

export class Calendar {
  #weeks;
  #asked;
  #buttons = new Map();
  #chosen = null;
  #wanted = null;

  /**
   * @param {HTMLTableElement} table
   * @param {{opened: (day: string) => void, turned: (month: string) => void}} asked what the reader asks for
   */
  constructor(table, asked) {
    this.#weeks = table.tBodies[0];
    this.#asked = asked;
    const names = weekdays().map(([word, short]) => element("th", { scope: "col", abbr: word }, short));
    table.tHead.replaceChildren(element("tr", {}, ...names));
    this.#weeks.addEventListener("keydown", (event) => this.#walk(event));
  }

  /**
   * @param {object} forecast of the month
   * @param {import("./measures.js").Measure} measure what colours it
   * @returns {Scale} its shades
   */
  show(forecast, measure) {
    const days = new Map(forecast.days.map((day) => [day.day, day]));
    const scale = new Scale(forecast.days.map(measure.of), measure.whole);
    const now = today(forecast.time_zone);
    this.#buttons.clear();
    this.#weeks.replaceChildren(...weeksOf(forecast.month).map((week) => element("tr", {}, ...week.map((day) => {
      if (!day) return element("td", { class: "outside" });
      const cell = days.has(day) ? this.#day(days.get(day), measure, scale) : element("span", { class: "day" }, numbered(day));
      cell.classList.toggle("today", day === now);
      return element("td", { role: "gridcell" }, cell);
    }))));
    this.choose(this.#chosen);
    this.focus(this.#wanted);
    this.#wanted = null;
    return scale;
  }

  /** Mark the day that is open; none when null. */
  choose(day) {
    this.#chosen = day;
    for (const [each, button] of this.#buttons) button.parentElement.setAttribute("aria-selected", String(each === day));
    this.#stop(this.#buttons.get(day) ?? this.#buttons.values().next().value);
  }

  /** Put the keyboard on a day. */
  focus(day) {
    this.#buttons.get(day)?.focus();
  }

  #day(day, measure, scale) {
    const value = measure.of(day);
    const button = element("button", {
      type: "button",
      class: `day ${value ? `shade-${scale.shade(value)}` : "nothing"}`,
      data: { day: day.day },
      "aria-label": spoken(day, measure),
      on: { click: () => this.#asked.opened(day.day), focus: () => this.#stop(button) },
    },
    numbered(day.day),
    element("span", { class: "signs" },
      day.shortages.length > 0 && element("span", { class: "sign quota" }, "!"),
      day.cut && element("span", { class: "sign cut" }, "✂")),
    element("strong", {}, value ? measure.short(value) : "–"),
    element("small", {}, measure.beside(day)));
    this.#buttons.set(day.day, button);
    return button;
  }

  /** Tab comes back to where the arrow keys left. */
  #stop(button) {
    for (const each of this.#buttons.values()) each.tabIndex = each === button ? 0 : -1;
  }

  #walk(event) {
    const day = event.target.dataset.day;
    if (!day || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = reached(day, event.key);
    if (!target) return;
    event.preventDefault();
    if (this.#buttons.has(target)) {
      this.focus(target);
    } else {
      this.#wanted = target;
      this.#asked.turned(target.slice(0, 7));
    }
  }
}

/** Where a key leads from a day; null when nowhere. */
function reached(day, key) {
  if (DAYS[key]) return moved(day, DAYS[key]);
  if (MONTHS[key]) return monthsOn(day, MONTHS[key]);
  if (key === "Home") return daysOf(day.slice(0, 7))[0];
  return key === "End" ? daysOf(day.slice(0, 7)).at(-1) : null;
}

const numbered = (day) => element("span", { class: "number" }, String(Number(day.slice(8))));

/** What a screen reader says of a day. */
function spoken(day, measure) {
  const marks = day.shortages.map(({ quota }) => `over a quota, ${quotaName(quota)}`);
  if (day.cut) marks.push("cut by the budget");
  const numbers = new Set([measure.words(measure.of(day)), counted(day.weddings, "wedding")]);
  return `${longDay(day.day)}: ${[...numbers, ...marks].join("; ")}`;
}
