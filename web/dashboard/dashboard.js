/** The forecast: one month of the calendar, what it asks for and what it costs. The address says which month and day. */

import { Account } from "../console/account.js";
import { element } from "../console/dom.js";
import { entered } from "../console/entry.js";
import { Calendar } from "./calendar.js";
import { MEASURES } from "./measures.js";
import { monthNames, placeOf, title, today, turned } from "./months.js";
import { dayPanel, monthPanel } from "./panel.js";
import { totals } from "./totals.js";

const KEPT = "carillon:forecast:measure";
const STALE_MS = 5 * 60_000;
const YEARS_ON = 4;
const NARROW = matchMedia("(max-width: 900px)");

const at = (id) => document.getElementById(id);

/** The page of one reader. */
class Forecast {
  #api;
  #shown = null;
  #since = 0;
  #asked = 0;
  #calendar = new Calendar(document.querySelector(".calendar"), {
    opened: (day) => { location.hash = day; },
    turned: (month) => { location.hash = month; },
  });

  /** @param {import("../console/api.js").Api} api */
  constructor(api) {
    this.#api = api;
    const kept = localStorage.getItem(KEPT);
    at("measures").querySelector(`[value=${Object.hasOwn(MEASURES, kept ?? "") ? kept : "phones"}]`).checked = true;
    at("measures").addEventListener("change", () => {
      localStorage.setItem(KEPT, this.#measure());
      this.#paint();
    });
    at("again").addEventListener("click", () => this.follow());
    addEventListener("hashchange", () => this.follow());
    document.addEventListener("visibilitychange", () => this.#refresh());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && placeOf(location.hash).day) this.#close();
    });
    this.#turning();
  }

  /** Show what the address says. */
  async follow() {
    const { month } = placeOf(location.hash);
    document.title = `${title(month)} · Carillon forecast`;
    at("title").textContent = title(month);
    this.#point(month);
    const mine = ++this.#asked; // whatever is on its way for another month comes too late
    if (this.#shown?.month === month) at("forecast").setAttribute("aria-busy", "false");
    else if (!(await this.#load(month, mine))) return;
    this.#open(placeOf(location.hash).day);
  }

  /** Whether the month is there, and still the one that the reader wants. */
  async #load(month, mine) {
    at("forecast").setAttribute("aria-busy", "true");
    if (!this.#shown) this.#calendar.show({ month, days: [] }, MEASURES.phones);
    try {
      const forecast = await this.#api.forecast(month);
      if (mine !== this.#asked) return false;
      this.#shown = forecast;
      this.#since = performance.now();
      this.#fail(null);
      this.#paint();
      return true;
    } catch (error) {
      if (mine === this.#asked) this.#fail(error);
      return false;
    } finally {
      if (mine === this.#asked) at("forecast").setAttribute("aria-busy", "false");
    }
  }

  /** Who comes back to the page later sees what has changed meanwhile. */
  #refresh() {
    if (document.hidden || performance.now() - this.#since < STALE_MS) return;
    this.#shown = null;
    this.follow();
  }

  #fail(error) {
    if (error) this.#shown = null;
    at("failure").textContent = error ? error.message : "";
    at("failed").hidden = !error;
    at("seen").hidden = Boolean(error);
  }

  #measure() {
    return at("measures").querySelector(":checked").value;
  }

  #paint() {
    if (!this.#shown) return;
    const measure = MEASURES[this.#measure()];
    const scale = this.#calendar.show(this.#shown, measure);
    at("measured").textContent = measure.legend;
    at("scale").replaceChildren(...scale.starts().map((start) => element("li", {},
      element("span", { class: `swatch shade-${scale.shade(start)}` }), element("span", { class: "visually-hidden" }, "from "), measure.short(start))));
    at("totals").replaceChildren(...totals(this.#shown));
    at("empty").hidden = this.#shown.totals.weddings > 0;
    at("empty").textContent = `No weddings in ${title(this.#shown.month)} yet: what you see is the season alone.`;
  }

  #open(day) {
    const found = this.#shown.days.find((one) => one.day === day);
    const before = at("panel").dataset.day;
    this.#calendar.choose(found ? day : null);
    at("panel").replaceChildren(...(found
      ? dayPanel(found, this.#shown, () => this.#close())
      : monthPanel(this.#shown, (other) => { location.hash = other; })));
    at("panel").dataset.day = found ? day : "";
    if (found && before !== day) this.#lead();
  }

  /** The reader's eyes and keyboard go to the day that opened. */
  #lead() {
    at("panel-title").focus({ preventScroll: true });
    if (NARROW.matches) at("panel").scrollIntoView({ block: "start" });
  }

  /** Back to the month, on the day that was open. */
  #close() {
    const { month, day } = placeOf(location.hash);
    history.pushState(null, "", `#${month}`);
    this.#open(null);
    this.#calendar.focus(day);
  }

  /** The month's picker. */
  #turning() {
    const go = (month) => { location.hash = month; };
    const step = (by) => go(turned(placeOf(location.hash).month, by));
    at("previous").addEventListener("click", () => step(-1));
    at("next").addEventListener("click", () => step(1));
    at("this-month").addEventListener("click", () => go(today().slice(0, 7)));
    at("turn").addEventListener("change", () => go(`${at("year").value}-${at("month-of-year").value}`));
    at("month-of-year").replaceChildren(...monthNames().map((name, index) =>
      element("option", { value: String(index + 1).padStart(2, "0") }, name)));
  }

  #point(month) {
    const [year, index] = month.split("-");
    const now = Number(today().slice(0, 4));
    const first = Math.min(now - 1, Number(year));
    const last = Math.max(now + YEARS_ON, Number(year));
    at("year").replaceChildren(...Array.from({ length: last - first + 1 }, (_, place) =>
      element("option", { value: String(first + place) }, String(first + place))));
    at("year").value = year;
    at("month-of-year").value = index;
  }
}

async function start() {
  const { api, session } = await entered();
  if (session) await new Account(session, api, { leaving: () => {} }).person();
  await new Forecast(api).follow();
}

start().catch((error) => {
  at("failure").textContent = error.message;
  at("failed").hidden = false;
  at("seen").hidden = true;
  at("again").addEventListener("click", () => location.reload());
});
