/**
 * A client's session as a state machine: inputs with their time go in, effects come out; no socket, no clock, no dice.
 * Mirrors carillon/protocol/session.py; both pass tests/scenarios/session.json. Times are milliseconds of one clock.
 */

import { parse } from "./frames.js";
import { Inbox } from "./inbox.js";
import { Timers } from "./streams.js";

const OPENING_MS = 15_000;
const PING_MS = 30_000;
const DEAD_MS = 60_000;
const PROBE_MS = 5_000;
const SYNC_MS = 300_000;
const ROTATE_MS = 100 * 60_000;
const ROTATE_SPREAD_MS = 15 * 60_000;
const WINDOW_MS = 1_000;
const TOKEN_RETRY_MS = 10_000;
const TOKEN_LEAST_MS = 1_000;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
const STEADY_MS = 10_000;

const GOODBYE = 1000;
const DEAD_LINE = 3001;
const CLIENT_ROTATES = 3002;
const UNANSWERED = 3003;

const isTerminal = (code) => code >= 4000 && code <= 4099;
const isPrompt = (code) => code >= 4200 && code <= 4299;

/**
 * @typedef {{type: "send", frame: Object}|{type: "connect"}|{type: "close", code: number, reason: string}
 *   |{type: "show", event: import("./frames.js").EventFrame}|{type: "remind", event: import("./frames.js").EventFrame}
 *   |{type: "retract", event_id: string, event: import("./frames.js").EventFrame}|{type: "want_token"}
 *   |{type: "state", name: string, reason: string, until: number|null}} Effect
 */

export class Session {
  #jitter;
  #timers = new Timers();
  #inbox;
  #attempt = 0;
  #liveSince = null;
  #everOpened = false;
  #returnAt = null;
  #pinged = null;

  /**
   * @param {() => number} jitter numbers in [0, 1); the only source of chance
   * @param {{epoch: string, offsets: Object<string, number>}|null} [position] what `position` gave earlier
   * @param {{automaticAcks?: boolean}} [options]
   */
  constructor(jitter, position = null, { automaticAcks = true } = {}) {
    this.state = "stopped";
    this.#jitter = jitter;
    this.#inbox = new Inbox(jitter, this.#timers, position, automaticAcks);
  }

  get position() {
    return this.#inbox.position;
  }

  get statistics() {
    return this.#inbox.statistics;
  }

  /** When `tick` wants to be called; null: not at all. */
  get nextDue() {
    return this.#timers.nextDue;
  }

  get #online() {
    return this.state === "recovering" || this.state === "live";
  }

  /** Come (back) online. Like every input it returns the effects to carry out, in order. @returns {Effect[]} */
  start(now) {
    if (this.state === "stopped") {
      this.#attempt = 0;
      this.#connect(now);
    }
    return this.#out(now);
  }

  /** Go offline until `start`; the position stays. @returns {Effect[]} */
  stop(now) {
    if (this.#online || this.state === "connecting") {
      this.#inbox.sendAcks();
      this.#emit({ type: "close", code: GOODBYE, reason: "goodbye" });
    }
    if (this.state !== "stopped") this.#stopped("goodbye");
    return this.#out(now);
  }

  /** The connection is open. @returns {Effect[]} */
  opened(now) {
    if (this.state === "connecting") {
      this.#inbox.statistics.reconnects += this.#everOpened ? 1 : 0;
      this.#everOpened = true;
      this.#pinged = null;
      this.#timers.clear("opening");
      this.#timers.set("ping", now + PING_MS);
      this.#timers.set("dead", now + DEAD_MS);
      this.#timers.set("rotate", now + ROTATE_MS + ROTATE_SPREAD_MS * this.#jitter());
      this.#timers.set("sync", now + SYNC_MS * (0.8 + 0.4 * this.#jitter()));
      this.#enter("recovering");
      this.#inbox.ask(now);
    }
    return this.#out(now);
  }

  /** A message came. What is not understood is counted and left alone. @returns {Effect[]} */
  received(text, now) {
    if (this.#online) {
      this.#timers.set("dead", now + DEAD_MS);
      this.#timers.clear("probe");
      this.#pinged = null;
      const frame = parse(text);
      if (frame === null) this.#inbox.statistics.ignored += 1;
      else this.#frame(frame, now);
    }
    return this.#out(now);
  }

  /** The connection ended, or could not be opened (1006), without the session asking for it. @returns {Effect[]} */
  closed(code, now, reason = "") {
    if (this.#online || this.state === "connecting") this.#lost(code, now, reason || `closed ${code}`);
    return this.#out(now);
  }

  /** Carry out what is due. @returns {Effect[]} */
  tick(now) {
    // every handler sets its timers later than now, so this ends; a state change clears them
    for (let timer = this.#timers.pop(now); timer !== null; timer = this.#timers.pop(now)) this.#due(timer, now);
    return this.#out(now);
  }

  /** The device woke, or its network changed: find out at once whether the line still lives. @returns {Effect[]} */
  wake(now) {
    if (this.state === "waiting") this.#connect(now);
    else if (this.#online) {
      this.#ping(now);
      this.#timers.set("probe", now + PROBE_MS);
      this.#inbox.sync();
    }
    return this.#out(now);
  }

  /** A person acked everything of the lane up to `offset`. @returns {Effect[]} */
  ack(lane, offset, now) {
    this.#inbox.hand(lane, offset);
    return this.#out(now);
  }

  /** The token in use ends at `expiresAt` (same clock); `want_token` comes well before. @returns {Effect[]} */
  authorized(expiresAt, now) {
    const left = Math.max(0, expiresAt - now);
    this.#timers.set("refresh", now + Math.max(TOKEN_LEAST_MS, left * (0.7 + 0.2 * this.#jitter())));
    return this.#out(now);
  }

  /** A new token is there; tell the server. @returns {Effect[]} */
  refresh(token, expiresAt, now) {
    if (!this.#online) return this.#out(now);
    this.#emit({ type: "send", frame: { action: "refresh", id: this.#inbox.newId(), token } });
    return this.authorized(expiresAt, now);
  }

  #emit(effect) {
    this.#inbox.effects.push(effect);
  }

  #out(now) {
    if (this.#online) {
      this.#inbox.settle(now);
      if (this.state === "recovering" && this.#inbox.complete) {
        this.#liveSince = now;
        this.#enter("live");
      }
    }
    const effects = this.#inbox.effects;
    this.#inbox.effects = [];
    return effects;
  }

  #enter(state, reason = "", until = null) {
    this.state = state;
    this.#emit({ type: "state", name: state, reason, until });
  }

  #connect(now) {
    this.#timers.clear();
    this.#timers.set("opening", now + OPENING_MS);
    this.#returnAt = null;
    this.#enter("connecting");
    this.#emit({ type: "connect" });
  }

  #stopped(reason) {
    this.#timers.clear();
    this.#inbox.lineLost();
    this.#liveSince = null;
    this.#returnAt = null;
    this.#enter("stopped", reason);
  }

  #frame(frame, now) {
    if (frame.type === "event") this.#inbox.event(frame, now);
    else if (frame.type === "subscribed") this.#inbox.page(frame, now);
    else if (frame.type === "synced") this.#inbox.heads(frame, now);
    else if (frame.type === "error") this.#error(frame, now);
    else if (frame.type === "disconnect") this.#disconnect(frame, now);
  }

  #error(frame, now) {
    if (frame.id === undefined || frame.id !== this.#inbox.asking) this.#inbox.statistics.ignored += 1;
    else if (frame.temporary) {
      this.#timers.clear("answer");
      this.#timers.set("ask", now + (frame.retry_after_ms || BACKOFF_BASE_MS) * (1 + this.#jitter()));
    } else this.#drop(UNANSWERED, now, frame.code);
  }

  #disconnect(frame, now) {
    const window = frame.window_ms ?? 0;
    if (!frame.reconnect || isTerminal(frame.code)) {
      this.#emit({ type: "close", code: GOODBYE, reason: "goodbye" });
      this.#stopped(frame.reason);
    } else if (isPrompt(frame.code)) {
      // stay on the old line until our turn comes; if it ends earlier, the turn stays the same
      this.#returnAt = now + window * this.#jitter();
      this.#timers.set("rotate", this.#returnAt);
    } else this.#drop(GOODBYE, now, frame.reason, window * this.#jitter());
  }

  #drop(code, now, reason, atLeast = 0) {
    this.#emit({ type: "close", code, reason });
    this.#wait(now, reason, atLeast);
  }

  #lost(code, now, reason) {
    if (isTerminal(code)) this.#stopped(reason);
    else if (this.#returnAt !== null) this.#waitUntil(Math.max(now, this.#returnAt), reason);
    else if (isPrompt(code)) this.#waitUntil(now + WINDOW_MS * this.#jitter(), reason);
    else this.#wait(now, reason);
  }

  #wait(now, reason, atLeast = 0) {
    if (this.#liveSince !== null && now - this.#liveSince >= STEADY_MS) this.#attempt = 0;
    const most = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(this.#attempt, 10));
    this.#attempt += 1;
    this.#waitUntil(now + Math.max(atLeast, this.#jitter() * most), reason);
  }

  #waitUntil(until, reason) {
    this.#timers.clear();
    this.#timers.set("connect", until);
    this.#inbox.lineLost();
    this.#liveSince = null;
    this.#enter("waiting", reason, until);
  }

  #due(timer, now) {
    const name = timer.split(".")[0];
    if (name === "connect" || name === "rotate") this.#turn(name, now);
    else if (name === "opening") this.#drop(DEAD_LINE, now, "no connection in time");
    else if (name === "dead") this.#silence(now);
    else if (name === "probe") this.#drop(DEAD_LINE, now, "dead line");
    else if (name === "ping") {
      this.#ping(now);
      this.#timers.set("ping", now + PING_MS);
    } else if (name === "sync") {
      this.#inbox.sync();
      this.#timers.set("sync", now + SYNC_MS * (0.8 + 0.4 * this.#jitter()));
    } else if (name === "refresh") {
      this.#emit({ type: "want_token" });
      this.#timers.set("refresh", now + TOKEN_RETRY_MS);
    } else if (name === "ack") this.#inbox.sendAcks();
    else if (name === "gap" || name === "ask") this.#inbox.ask(now);
    else if (name === "answer" && !this.#inbox.answerIsLate(now)) {
      this.#drop(UNANSWERED, now, "no answer to subscribe");
    }
  }

  #ping(now) {
    this.#emit({ type: "send", frame: { action: "ping" } });
    this.#pinged ??= now;
  }

  /** Nothing came for a minute. If our own ticks ran late (a sleeping tab), the line gets its chance to answer. */
  #silence(now) {
    if (this.#pinged !== null && now - this.#pinged >= PROBE_MS) {
      this.#drop(DEAD_LINE, now, "dead line");
      return;
    }
    if (this.#pinged === null) this.#ping(now);
    this.#timers.set("probe", now + PROBE_MS);
  }

  /** Time to connect: after a wait, or in the place of a connection that grew old. */
  #turn(name, now) {
    if (name === "rotate") {
      this.#emit({ type: "close", code: CLIENT_ROTATES, reason: "rotate" });
      this.#inbox.lineLost();
      this.#liveSince = null;
    }
    this.#connect(now);
  }
}
