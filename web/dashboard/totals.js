/** The strip of what a month comes to. */

import { element } from "../console/dom.js";
import { counted, dollars, roundDollars, whole } from "./words.js";

/** @param {object} forecast of a month @returns {HTMLElement[]} */
export function totals({ totals: all, budget }) {
  return [
    tile("Weddings", whole(all.weddings), all.guests ? counted(all.guests, "guest") : "none in the calendar"),
    tile("Phones at most", whole(all.connections), "at the month's peak"),
    tile("Messages", whole(all.messages), counted(all.deliveries, "delivery", "deliveries")),
    tile("Cost in all", dollars(all.cost.total), `${dollars(all.cost.plan)} for the plan`),
    tile("Cost per wedding", all.usd_per_wedding === null ? "–" : dollars(all.usd_per_wedding), "what one adds"),
    allowance(budget),
  ];
}

function tile(name, value, beside) {
  return element("div", { class: "tile" }, element("dt", {}, name),
    element("dd", {}, element("strong", {}, value), element("small", {}, beside)));
}

function allowance(budget) {
  const made = tile("Budget used", dollars(budget.planned), remains(budget));
  made.classList.toggle("short", budget.over > 0 || budget.cuts.length > 0);
  made.querySelector("small").before(bar(budget));
  return made;
}

function remains({ usd, over, cuts }) {
  if (over > 0) return `${dollars(over)} over ${roundDollars(usd)}`;
  return cuts.length ? `of ${roundDollars(usd)}: cut to fit` : `of ${roundDollars(usd)} for the plan`;
}

/** How much of the budget is planned, as a bar; it ends where the budget does. */
export function bar({ usd, planned }) {
  const share = usd > 0 ? planned / usd : Number(planned > 0);
  const part = element("span", { class: "used" });
  part.style.width = `${Math.min(100, 100 * share)}%`;
  return element("span", {
    class: "gauge", role: "meter", "aria-label": "Budget used", "aria-valuemin": "0", "aria-valuemax": "100",
    "aria-valuenow": String(Math.round(Math.min(100, 100 * share))), "aria-valuetext": `${Math.round(100 * share)} %`,
  }, part);
}
