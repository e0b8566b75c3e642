/** The parts that a session keeps: streams, owed acks, timers, and a short memory. Mirrors carillon/protocol. */

import { attemptOf } from "./frames.js";

/** Events held back per lane; beyond it they are dropped and asked for again, so that memory stays bounded. */
const HELD_LIMIT = 1000;

/** Offsets of one lane. `position`: the last offset had without a gap, null until the server told the first. */
export class Stream {
  #held = new Map();

  /** @param {number|null} position */
  constructor(position) {
    this.position = position;
    this.known = position ?? 0;
    this.spilled = false;
  }

  /** Whether an event is known to exist that was not had. */
  get gap() {
    return this.known > (this.position ?? 0);
  }

  /** Keep an event until its turn. @returns {"kept"|"already"|"no room"} */
  hold(event) {
    this.known = Math.max(this.known, event.offset);
    const held = this.#held.get(event.offset);
    if (held && attemptOf(held) >= attemptOf(event)) return "already";
    if (!held && this.#held.size >= HELD_LIMIT) {
      this.spilled = true;
      return "no room";
    }
    this.#held.set(event.offset, event);
    return "kept";
  }

  /** The held event whose turn it is, which then counts as had. */
  take() {
    if (this.position === null) return null;
    const event = this.#held.get(this.position + 1);
    if (!event) return null;
    this.#held.delete(event.offset);
    this.position += 1;
    return event;
  }

  /** Count everything up to `offset` as had; tells how many held events this drops as duplicates. */
  reach(offset) {
    this.position = Math.max(this.position ?? 0, offset);
    this.known = Math.max(this.known, this.position);
    const stale = [...this.#held.keys()].filter((held) => held <= this.position);
    for (const held of stale) this.#held.delete(held);
    return stale.length;
  }

  /** A new epoch: forget the position, keep only what was held of that epoch. */
  restart(epoch) {
    this.position = null;
    this.#held = new Map([...this.#held].filter(([, event]) => event.epoch === epoch));
    this.known = Math.max(0, ...this.#held.keys());
  }
}

/** Which acks are owed: cumulative per lane, batched, at once when a critical event is among them. */
export class Acks {
  #owed = new Set();
  #sentHere = new Set();

  /** @param {boolean} automatic ack what was shown; otherwise only what was acked by hand counts. */
  constructor(automatic) {
    this.automatic = automatic;
    this.urgent = false;
    this.byHand = new Map();
  }

  get owed() {
    return this.#owed.size > 0;
  }

  had(lane) {
    if (this.automatic) this.#owe(lane);
  }

  hand(lane, offset) {
    this.byHand.set(lane, Math.max(this.byHand.get(lane) ?? 0, offset));
    this.#owe(lane);
  }

  /** The server sent `offset` again, so it evidently lacks the ack, if there was one. */
  again(lane, offset) {
    if (this.automatic || (this.byHand.get(lane) ?? 0) >= offset) {
      this.#owe(lane);
      this.urgent = true;
    }
  }

  #owe(lane) {
    this.#owed.add(lane);
    this.urgent ||= lane === "critical";
  }

  /** What to send now, as pairs; empty when nothing is owed. */
  take(positions) {
    const source = this.automatic ? positions : this.byHand;
    const offsets = [...positions.keys()].filter((lane) => this.#owed.has(lane) && source.get(lane))
      .map((lane) => [lane, source.get(lane)]);
    for (const lane of this.#owed) this.#sentHere.add(lane);
    this.#owed.clear();
    this.urgent = false;
    return offsets;
  }

  /** Acks have no answer: what was sent on a connection that broke may be lost, so it is owed again. */
  lineLost() {
    for (const lane of this.#sentHere) this.#owed.add(lane);
    this.#sentHere.clear();
  }

  /** A new epoch: what was acked by hand belongs to the old one. */
  restart() {
    this.byHand.clear();
    this.#owed.clear();
    this.#sentHere.clear();
    this.urgent = false;
  }
}

/** Named points in time; `pop` gives the earliest that is due, ties by name. */
export class Timers {
  #due = new Map();

  set(name, at) {
    this.#due.set(name, at);
  }

  has(name) {
    return this.#due.has(name);
  }

  clear(...names) {
    if (names.length === 0) this.#due.clear();
    for (const name of names) this.#due.delete(name);
  }

  /** @returns {number|null} */
  get nextDue() {
    return this.#due.size ? Math.min(...this.#due.values()) : null;
  }

  /** @returns {string|null} */
  pop(now) {
    const due = [...this.#due].filter(([, at]) => at <= now)
      .sort(([a, atA], [b, atB]) => atA - atB || (a < b ? -1 : 1))[0];
    if (!due) return null;
    this.#due.delete(due[0]);
    return due[0];
  }
}

/** The last few event ids with a number each: offsets tell duplicates, ids matter where those are lost or missing. */
export class Recent {
  #seen = new Map();

  has(id) {
    return this.#seen.has(id);
  }

  get(id) {
    return this.#seen.get(id) ?? 0;
  }

  add(id, number = 1) {
    this.#seen.set(id, number);
    if (this.#seen.size > 128) this.#seen.delete(this.#seen.keys().next().value);
  }
}
