/**
 * Carillon in the browser: a person's inbox, complete and in order across broken connections and reloads.
 *
 *     import { InboxClient } from "./carillon.js";
 *     const inbox = new InboxClient({ url, token: async () => fetchToken(), storageKey: userId });
 *     inbox.addEventListener("event", ({ detail }) => show(detail.event));
 *     inbox.start();
 *
 * No dependencies. Decisions are in session.js; here are the socket, the clock, the dice and the storage.
 */

import { Session } from "./session.js";

export { LANES } from "./frames.js";
export { Session } from "./session.js";

const SUBPROTOCOL = "carillon.v1";
const NO_CLOSE_FRAME = 1006;
const HOUR_MS = 3_600_000;

/**
 * Events it dispatches, each with `detail`:
 * `event` {event}, `reminder` {event} (shown before, acked by nobody), `retraction` {event_id, event},
 * `state` {name, reason, until} with name connecting, recovering, live, waiting (until a `performance.now()` time) or
 * stopped, and `ack` {offsets} when acks leave.
 */
export class InboxClient extends EventTarget {
  #url;
  #token;
  #key;
  #session;
  #socket = null;
  #timer = null;
  #dueAt = null;
  #attempt = 0;
  #saved = null;
  #listeners = new AbortController();

  /**
   * @param {object} options
   * @param {string} options.url the WebSocket API, ws:// or wss://
   * @param {() => Promise<string>} options.token gives a token that still lives; called for each connection and
   *   before a token ends
   * @param {string|null} [options.storageKey] keeps the position in localStorage under this name; use one per person
   * @param {boolean} [options.automaticAcks] ack what was shown (default); otherwise call `ack`
   * @param {() => number} [options.jitter]
   */
  constructor({ url, token, storageKey = null, automaticAcks = true, jitter = Math.random }) {
    super();
    this.#url = url;
    this.#token = token;
    this.#key = storageKey === null ? null : `carillon:position:${storageKey}`;
    this.#session = new Session(jitter, this.#load(), { automaticAcks });
  }

  /** @returns {"connecting"|"recovering"|"live"|"waiting"|"stopped"} */
  get state() {
    return this.#session.state;
  }

  /** @returns {{epoch: string, offsets: Object<string, number>}|null} */
  get position() {
    return this.#session.position;
  }

  /** Counters: shown, recovered, duplicates, gaps, asks, reminders, reconnects ... */
  get statistics() {
    return { ...this.#session.statistics };
  }

  /** Come (back) online. */
  start() {
    if (this.#listeners.signal.aborted) this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    // `offline` too: a browser may be wrong about it, so the line is probed instead of believed dead
    for (const name of ["online", "offline", "pageshow"]) globalThis.addEventListener?.(name, () => this.wake(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.wake(), { signal });
    this.#carry(this.#session.start(performance.now()));
  }

  /** Go offline; the position stays. */
  stop() {
    this.#listeners.abort();
    this.#carry(this.#session.stop(performance.now()));
  }

  /** The device woke or its network changed: check the line now. */
  wake() {
    this.#carry(this.#session.wake(performance.now()));
  }

  /** A person acked everything of the lane up to `offset`. */
  ack(lane, offset) {
    this.#carry(this.#session.ack(lane, offset, performance.now()));
  }

  /** Forget the position kept in localStorage. */
  forget() {
    if (this.#key) localStorage.removeItem(this.#key);
  }

  #load() {
    if (!this.#key) return null;
    try {
      const kept = JSON.parse(localStorage.getItem(this.#key) ?? "null");
      return typeof kept?.epoch === "string" && typeof kept.offsets === "object" ? kept : null;
    } catch {
      return null; // storage is blocked or holds something else: start from what was acked
    }
  }

  #save() {
    const position = this.#key && JSON.stringify(this.#session.position);
    if (!position || position === this.#saved || position === "null") return;
    this.#saved = position;
    try {
      localStorage.setItem(this.#key, position);
    } catch {
      this.#key = null; // storage is blocked or full: a reload starts from what was acked
    }
  }

  #carry(effects) {
    for (const effect of effects) this.#effect(effect);
    this.#save(); // after the listeners ran, so that a crash shows an event again rather than never
    this.#schedule();
  }

  #effect(effect) {
    const { type, ...detail } = effect;
    if (type === "send") this.#send(effect.frame);
    else if (type === "connect") this.#connect();
    else if (type === "want_token") this.#refresh();
    else if (type === "close") this.#leave(effect);
    else this.#dispatch({ show: "event", remind: "reminder", retract: "retraction", state: "state" }[type], detail);
  }

  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return; // its close event follows
    this.#socket.send(JSON.stringify(frame));
    if (frame.action === "ack") this.#dispatch("ack", { offsets: frame.offsets });
  }

  /** One browser timer for the earliest of the session's. */
  #schedule() {
    const due = this.#session.nextDue;
    if (this.#timer !== null && due !== null && this.#dueAt <= due) return; // fires early, finds nothing due: cheap
    clearTimeout(this.#timer);
    this.#timer = null;
    if (due === null) return;
    this.#dueAt = due;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#carry(this.#session.tick(performance.now()));
    }, Math.max(0, due - performance.now()));
  }

  async #connect() {
    const attempt = ++this.#attempt;
    let token;
    try {
      token = await this.#token();
    } catch (error) {
      this.#failed(attempt, `no token: ${error.message}`);
      return;
    }
    if (attempt !== this.#attempt) return; // given up meanwhile
    let socket;
    try {
      // the token travels in the subprotocol header, never in the URL, where logs would keep it
      socket = new WebSocket(this.#url, [SUBPROTOCOL, `bearer.${token}`]);
    } catch (error) {
      this.#failed(attempt, error.message);
      return;
    }
    this.#socket = socket;
    const now = () => performance.now();
    const mine = (handle) => (event) => this.#socket === socket && this.#carry(handle(event));
    socket.onopen = mine(() => [...this.#plan(token), ...this.#session.opened(now())]);
    socket.onmessage = mine(({ data }) => this.#session.received(data, now()));
    socket.onclose = mine(({ code }) => {
      this.#socket = null;
      return this.#session.closed(code, now());
    });
  }

  #failed(attempt, reason) {
    if (attempt === this.#attempt) this.#carry(this.#session.closed(NO_CLOSE_FRAME, performance.now(), reason));
  }

  async #refresh() {
    const attempt = this.#attempt;
    let token;
    try {
      token = await this.#token();
    } catch (error) {
      console.warn("carillon: no new token, asking again soon:", error.message);
      return;
    }
    if (attempt !== this.#attempt) return; // another connection, which got a token of its own
    const now = performance.now();
    this.#carry(this.#session.refresh(token, expiry(token) ?? now + HOUR_MS, now));
  }

  #plan(token) {
    const ends = expiry(token);
    return ends === null ? [] : this.#session.authorized(ends, performance.now());
  }

  #leave({ code, reason }) {
    this.#attempt += 1;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code, reason);
  }
}

/** When a token ends, on the clock of performance.now(); null for one that does not tell. */
function expiry(token) {
  try {
    const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return typeof claims.exp === "number" ? performance.now() + claims.exp * 1000 - Date.now() : null;
  } catch {
    return null; // an opaque token; the server will say when it ends
  }
}
