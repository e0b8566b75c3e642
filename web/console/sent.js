/** What was sent, and how far it has come: one row per broadcast, looked at until everybody has acked. */

import { clock, element, humane } from "./dom.js";

const QUICK_MS = 700;
const SLOW_MS = 5_000;
const QUICK_FOR_MS = 60_000;
const GIVE_UP_MS = 15 * 60_000;
const ORDER = ["delivered", "sent", "queued", "delayed", "failed", "expired", "canceled", "filtered"];
const WORDS = {
  delivered: "acked", sent: "sent", queued: "in their inbox", delayed: "after quiet hours", failed: "failed",
  expired: "expired", canceled: "canceled", filtered: "do not want it",
};

export class Sent {
  #list;
  #api;
  #empty;
  #known = new Set();

  constructor(list, empty, api) {
    this.#list = list;
    this.#empty = empty;
    this.#api = api;
  }

  /** Begin with the latest, whoever sent them. */
  async restore() {
    const latest = await this.#api.broadcasts();
    // the system's own retractions show at the broadcast that they take back
    const sent = latest.filter(({ audience }) => audience.type !== "holders");
    for (const broadcast of sent.reverse()) this.add(broadcast);
  }

  add(broadcast) {
    if (this.#known.has(broadcast.id)) return;
    this.#known.add(broadcast.id);
    this.#list.prepend(new Row(broadcast, this.#api).element);
    this.#empty.hidden = true;
  }
}

class Row {
  #api;
  #broadcast;
  #timer = null;
  #since = performance.now();

  constructor(broadcast, api) {
    this.#api = api;
    this.#broadcast = broadcast;
    this.bar = element("div", { class: "bar", role: "img" });
    this.counts = element("p", { class: "counts", "aria-live": "polite" }, "accepted");
    this.left = element("p", { class: "left" });
    this.cancel = element("button", { type: "button", class: "small", on: { click: () => this.#cancel() } }, "Take back");
    this.element = element("li", { class: `broadcast ${broadcast.priority}`, data: { broadcast: broadcast.id } },
      element("div", { class: "line" },
        element("span", { class: "badge" }, broadcast.priority),
        element("time", {}, clock(Date.parse(broadcast.created_at)))),
      element("h3", {}, humane(broadcast.name)),
      this.bar, this.counts, this.left,
      element("div", { class: "line" }, element("span", { class: "audience" }, audience(broadcast.audience)), this.cancel));
    this.#look();
  }

  async #look() {
    try {
      const status = await this.#api.status(this.#broadcast.id);
      this.#show(status);
      await this.#showLeft(status);
      if (settled(status)) return;
    } catch (error) {
      this.counts.textContent = error.message;
    }
    const age = performance.now() - this.#since;
    if (age > GIVE_UP_MS) return;
    this.#timer = setTimeout(() => this.#look(), age > QUICK_FOR_MS || document.hidden ? SLOW_MS : QUICK_MS);
  }

  #show({ state, counts, recipients, failure, escalation }) {
    const shares = ORDER.filter((status) => counts[status]);
    this.bar.replaceChildren(...shares.map((status) => {
      const part = element("span", { class: status });
      part.style.flexGrow = String(counts[status]);
      return part;
    }));
    const told = shares.map((status) => `${counts[status]} ${WORDS[status]}`);
    const head = recipients ? `${counts.delivered ?? 0} of ${recipients} acked` : state;
    const rest = told.filter((_, place) => shares[place] !== "delivered");
    const again = escalation && escalation.attempt > 1 ? [`reminded ${escalation.attempt - 1}×`] : [];
    this.counts.textContent = [head, ...rest, ...again, failure].filter(Boolean).join(" · ");
    this.bar.setAttribute("aria-label", told.join(", "));
    this.cancel.hidden = state === "canceled" || state === "failed";
    this.element.classList.toggle("canceled", state === "canceled");
    if (state === "canceled") this.counts.textContent = `taken back · ${this.counts.textContent}`;
  }

  async #showLeft({ unacked, recipients, state }) {
    const few = unacked > 0 && state !== "canceled" && (recipients <= 50 || unacked <= 10);
    const waiting = few ? await this.#api.left(this.#broadcast.id) : [];
    const names = waiting.slice(0, 3).map((one) => one.name ?? one.user_id);
    const more = unacked - names.length;
    this.left.textContent = names.length ? `Waiting for ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}` : "";
  }

  async #cancel() {
    this.cancel.disabled = true;
    try {
      await this.#api.cancel(this.#broadcast.id);
      this.#since = performance.now();
      clearTimeout(this.#timer);
      await this.#look();
    } catch (error) {
      this.counts.textContent = error.message;
    } finally {
      this.cancel.disabled = false;
    }
  }
}

function settled({ state, unacked, counts }) {
  const open = (counts.queued ?? 0) + (counts.delayed ?? 0);
  return state === "failed" || (state === "canceled" && open === 0) || (state === "processed" && unacked === 0 && open === 0);
}

function audience({ type, role, wedding_id: wedding, user_ids: users }) {
  if (type === "users") return `to ${users.length === 1 ? users[0] : `${users.length} people`}`;
  if (type === "role") return `to ${role === "couple" ? "the couple" : `${role}s`} of ${wedding}`;
  return type === "wedding" ? `to everybody of ${wedding}` : `to ${type}`;
}
