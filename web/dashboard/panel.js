/** Beside the calendar: the day that is open, or what of the month to look at. */

import { element } from "../console/dom.js";
import { dated, dayIn, longDay, shortDay, today } from "./months.js";
import { capacityWords, counted, dollars, fine, groupName, quotaName, roundDollars, short, whole } from "./words.js";

/**
 * One day in words.
 * @param {object} day of the forecast
 * @param {object} forecast of its month
 * @param {() => void} close
 */
export function dayPanel(day, forecast, close) {
  return [
    element("header", {}, element("h2", { id: "panel-title", tabIndex: -1 }, longDay(day.day)),
      element("button", { type: "button", class: "close", "aria-label": "Close this day", on: { click: close } }, "×")),
    ...day.shortages.map(warning),
    day.cut && cutNote(forecast.budget),
    facts([
      ["Weddings", whole(day.weddings)],
      ["Guests", whole(day.guests)],
      ["Phones at most", whole(day.connections)],
      ["Messages", whole(day.messages)],
      ["Deliveries", whole(day.deliveries)],
    ]),
    element("h3", {}, "What stands ready"),
    facts(capacityWords(day.capacity), "words"),
    element("h3", {}, "What it costs"),
    facts(costs(day), "costs"),
    element("p", { class: "fine" }, budgetLine(forecast)),
  ].filter(Boolean);
}

function costs({ cost, usd_per_wedding: each }) {
  const rows = [["Stands anyway", dollars(cost.rest)], ["The plan adds", dollars(cost.plan)], ["Traffic", dollars(cost.usage)],
    ["In all", dollars(cost.total)]];
  return each === null ? rows : [...rows, ["A wedding adds", dollars(each)]];
}

function budgetLine({ budget: { usd, planned } }) {
  return `The month's plan takes ${dollars(planned)} of its budget of ${roundDollars(usd)}. ` +
    "What costs the same whatever happens, such as cache and network, is not in these figures.";
}

function facts(rows, kind = "") {
  return element("dl", { class: `facts ${kind}` }, ...rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function warning({ quota, ask_by: askBy, late, reason }) {
  const ask = late ? `Ask AWS today: ${dated(askBy)} has gone by.` : `Ask AWS by ${dated(askBy)}.`;
  return element("section", { class: "warning quota" },
    element("h3", {}, element("span", { class: "sign quota", "aria-hidden": "true" }, "!"), `Over a quota: ${quotaName(quota)}`),
    element("p", {}, element("strong", {}, ask)),
    element("p", { class: "fine" }, reason));
}

function cutNote({ cuts }) {
  return element("section", { class: "warning cut" },
    element("h3", {}, element("span", { class: "sign cut", "aria-hidden": "true" }, "✂"), "Cut by the month's budget"),
    element("ul", {}, ...cuts.map((cut) => element("li", {}, cutWords(cut)))));
}

function capNote({ capped, time_zone: timeZone }) {
  return element("section", { class: "warning cap" },
    element("h3", {}, element("span", { class: "sign cap", "aria-hidden": "true" }, "↑"), "Above this deployment's caps"),
    element("ul", {}, ...capped.map((one) => element("li", {}, capWords(one, timeZone)))));
}

function capWords({ group, at, asked, most }, timeZone) {
  const unit = unitOf(group);
  return `${groupName(group)}: ${fine(asked)}${unit} asked for on ${shortDay(dayIn(timeZone, at))}, ${fine(most)}${unit} allowed`;
}

const unitOf = (group) => (group.endsWith("_acu") ? " ACU" : "");

function cutWords({ group, planned, size, usd }) {
  const unit = unitOf(group);
  return `${groupName(group)}: ${short(size)}${unit} instead of ${short(planned)}, which saves ${dollars(usd)} in the month`;
}

/**
 * What of a month to look at.
 * @param {object} forecast
 * @param {(day: string) => void} open
 */
export function monthPanel(forecast, open) {
  const { days, budget, capped } = forecast;
  const lacking = days.filter((day) => day.shortages.length > 0 && day.day >= today(forecast.time_zone));
  return [
    element("h2", { id: "panel-title", tabIndex: -1 }, "To know"),
    peaks(days, open),
    lacking.length > 0 && element("h3", {}, "Quotas to ask for"),
    lacking.length > 0 && element("ul", { class: "links" }, ...lacking.map((day) => asking(day, open))),
    capped.length > 0 && capNote(forecast),
    budget.cuts.length > 0 && cutNote(budget),
    budget.over > 0 && element("p", { class: "problem" }, `The plan costs ${dollars(budget.over)} more than its budget, because somebody allowed it.`),
    lacking.length === 0 && capped.length === 0 && budget.cuts.length === 0 && budget.over <= 0 &&
      element("p", { class: "well" }, "No day exceeds a quota, and the plan fits its budget."),
    element("p", { class: "fine" }, `Season profile ${forecast.season}. Days and hours of ${forecast.time_zone}.`),
  ].filter(Boolean);
}

/** The days that stand out, where any does. */
function peaks(days, open) {
  if (new Set(days.map((day) => day.connections)).size === 1) return element("p", { class: "fine" }, "All days are alike.");
  const most = (of) => days.reduce((best, day) => (of(day) > of(best) ? day : best), days[0]);
  const heaviest = most((day) => day.connections);
  const rows = [["Heaviest day", heaviest, `${whole(heaviest.connections)} phones`]];
  const busiest = most((day) => day.weddings);
  if (busiest.weddings) rows.push(["Most weddings", busiest, counted(busiest.weddings, "wedding")]);
  const dearest = most((day) => day.cost.total);
  if (dearest.cost.total) rows.push(["Dearest day", dearest, dollars(dearest.cost.total)]);
  return element("ul", { class: "links" }, ...rows.map(([name, day, said]) =>
    element("li", {}, link(day.day, open, name, shortDay(day.day), said))));
}

function asking(day, open) {
  const [first] = [...day.shortages].sort((one, other) => one.ask_by.localeCompare(other.ask_by));
  const ask = first.late ? "ask today" : `ask by ${shortDay(first.ask_by)}`;
  return element("li", {}, link(day.day, open, quotaName(first.quota), shortDay(day.day), ask));
}

function link(day, open, small, strong, beside) {
  return element("button", { type: "button", on: { click: () => open(day) } },
    element("small", {}, small), element("strong", {}, strong), element("span", {}, beside));
}
