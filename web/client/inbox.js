/**
 * The inbox: four streams that show every event once and in order, ask for what is missing, and ack.
 * Mirrors carillon/protocol/inbox.py; both pass tests/scenarios/session.json.
 */

import { attemptOf, LANES } from "./frames.js";
import { Acks, Recent, Stream } from "./streams.js";

const GRACE_MS = 300;
const ANSWER_MS = 10_000;
const ASK_LIMIT = 3;
const STUCK_MS = 1_000;
const ACK_DELAY_MS = 200;
const ACK_SPREAD_MS = 800;

const COUNTERS = ["shown", "recovered", "duplicates", "gaps", "asks", "skipped", "tombstones", "reminders",
  "retractions", "spilled", "reconnects", "ignored"];

export class Inbox {
  #streams;
  #jitter;
  #timers;
  #nextId = 1;
  #unanswered = 0;
  #ready = false;
  #canceled = new Recent();
  #reminded = new Recent();
  #shown = new Recent();

  /**
   * @param {() => number} jitter numbers in [0, 1)
   * @param {import("./streams.js").Timers} timers shared with the session
   * @param {{epoch: string, offsets: Object<string, number>}|null} position
   * @param {boolean} automatic
   */
  constructor(jitter, timers, position, automatic) {
    this.statistics = Object.fromEntries(COUNTERS.map((name) => [name, 0]));
    this.effects = [];
    this.acks = new Acks(automatic);
    this.epoch = position?.epoch ?? null;
    this.asking = null;
    this.#streams = new Map(LANES.map((lane) => [lane, new Stream(position?.offsets[lane] ?? null)]));
    this.#jitter = jitter;
    this.#timers = timers;
  }

  /** Where the client stands, as plain JSON; null before the first `subscribed`. */
  get position() {
    return this.epoch === null ? null : { epoch: this.epoch, offsets: Object.fromEntries(this.#positions()) };
  }

  /** Whether everything that the server had is here: only live events follow. */
  get complete() {
    return this.#ready && this.asking === null;
  }

  #positions() {
    return new Map([...this.#streams].filter(([, s]) => s.position !== null).map(([lane, s]) => [lane, s.position]));
  }

  newId() {
    return this.#nextId++;
  }

  #send(frame) {
    this.effects.push({ type: "send", frame });
  }

  /** Send `subscribe` from the present position; one question covers all four streams. */
  ask(now) {
    this.asking ??= this.newId();
    for (const [lane, stream] of this.#streams) {
      stream.spilled = false;
      this.#timers.clear(`gap.${lane}`);
    }
    this.#timers.clear("ask");
    const recover = this.position && { recover: this.position };
    this.#send({ action: "subscribe", id: this.asking, channel: "inbox", ...recover });
    this.statistics.asks += 1;
    this.#timers.set("answer", now + ANSWER_MS);
  }

  /** Ask again, with the same id so that either answer serves; false when the connection is to be given up. */
  answerIsLate(now) {
    this.#unanswered += 1;
    if (this.#unanswered >= ASK_LIMIT) return false;
    this.ask(now);
    return true;
  }

  /** Ask for the heads, unless a page is on its way, which says more. */
  sync() {
    if (this.epoch === null || !this.complete) return;
    this.#send({ action: "sync", id: this.newId(), channel: "inbox", ...this.position });
  }

  /** Send what is owed; it stays owed while there is no connection that is subscribed. */
  sendAcks() {
    if (this.epoch === null || !this.#ready) return;
    this.#timers.clear("ack");
    const offsets = this.acks.take(this.#positions());
    if (offsets.length) {
      this.#send({ action: "ack", channel: "inbox", epoch: this.epoch, offsets: Object.fromEntries(offsets) });
    }
  }

  /** After every input: see that owed acks leave, urgent ones now. */
  settle(now) {
    if (!this.#ready || !this.acks.owed) return;
    if (this.acks.urgent) this.sendAcks();
    else if (!this.#timers.has("ack")) this.#timers.set("ack", now + ACK_DELAY_MS + ACK_SPREAD_MS * this.#jitter());
  }

  lineLost() {
    this.asking = null;
    this.#unanswered = 0;
    this.#ready = false;
    this.acks.lineLost();
  }

  /** A person acked everything of the lane up to `offset`. */
  hand(lane, offset) {
    this.acks.hand(lane, Math.min(offset, this.#streams.get(lane).position ?? 0));
  }

  /** Take a page: show its events, then what was held back behind it, then ask for the next one. */
  page(frame, now) {
    if (frame.id !== this.asking) {
      this.statistics.ignored += 1;
      return;
    }
    this.asking = null;
    this.#unanswered = 0;
    this.#timers.clear("answer");
    this.#ready = true;
    const before = JSON.stringify(this.position);
    const restarted = !frame.recovered || frame.epoch !== this.epoch;
    if (restarted) this.#restart(frame.epoch);
    for (const item of frame.events) this.#item(item);
    for (const [lane, offset] of Object.entries(frame.offsets)) this.#pageEnds(this.#streams.get(lane), offset, restarted);
    for (const stream of this.#streams.values()) this.#showHeld(stream);
    if (frame.more && !restarted && JSON.stringify(this.position) === before) {
      // a server that promises more and gives nothing must not be asked in a tight loop
      this.asking = this.newId();
      this.#timers.set("ask", now + STUCK_MS);
    } else if (frame.more || [...this.#streams.values()].some((stream) => stream.spilled)) this.ask(now);
    for (const lane of LANES) this.#watch(lane, now);
  }

  #restart(epoch) {
    if (this.epoch !== null) this.acks.restart();
    this.epoch = epoch;
    for (const stream of this.#streams.values()) stream.restart(epoch);
  }

  #pageEnds(stream, offset, restarted) {
    if (!restarted && stream.position !== null) this.statistics.skipped += Math.max(0, offset - stream.position);
    this.statistics.duplicates += stream.reach(offset);
  }

  #item(item) {
    if (item.offset === null) {
      this.#withoutOffset(item);
      return;
    }
    const stream = this.#streams.get(item.lane);
    if (stream.position !== null && item.offset <= stream.position) {
      this.#again(item);
      return;
    }
    if (stream.position !== null) this.statistics.skipped += item.offset - stream.position - 1;
    this.statistics.duplicates += stream.reach(item.offset);
    if (item.type === "tombstone") {
      this.statistics.tombstones += 1;
      this.#canceled.add(item.event_id);
      this.acks.had(item.lane);
    } else if (this.#show(item)) this.statistics.recovered += 1;
  }

  /** Take a live event: show it when it is its turn, hold it back when it is early, drop it when it was had. */
  event(event, now) {
    const stream = this.#streams.get(event.lane);
    if (event.offset === null) this.#withoutOffset(event);
    else if (this.epoch !== null && event.epoch !== this.epoch) {
      // it says nothing about the present streams; the answer to a question asked after it will
      stream.spilled = true;
      this.statistics.spilled += 1;
    } else if (stream.position !== null && event.offset <= stream.position) this.#again(event);
    else this.#hold(stream, event);
    if (this.#ready) {
      this.#showHeld(stream);
      this.#watch(event.lane, now);
    }
  }

  #hold(stream, event) {
    const held = stream.hold(event);
    if (held === "already") this.statistics.duplicates += 1;
    if (held === "no room") this.statistics.spilled += 1;
  }

  #showHeld(stream) {
    for (let event = stream.take(); event !== null; event = stream.take()) this.#show(event);
  }

  /** Start, keep or stop the wait for a late frame; a question that is under way covers every gap. */
  #watch(lane, now) {
    const stream = this.#streams.get(lane);
    const timer = `gap.${lane}`;
    if (this.asking !== null) return;
    if (stream.spilled) this.ask(now);
    else if (!stream.gap) this.#timers.clear(timer);
    else if (!this.#timers.has(timer)) {
      this.statistics.gaps += 1;
      this.#timers.set(timer, now + GRACE_MS * (0.75 + 0.5 * this.#jitter()));
    }
  }

  /** Take the heads that `sync` brought: what they tell and was not had is a gap. */
  heads(frame, now) {
    if (!this.complete) return;
    if (frame.epoch !== this.epoch) {
      this.ask(now);
      return;
    }
    for (const [lane, head] of Object.entries(frame.offsets)) {
      const stream = this.#streams.get(lane);
      stream.known = Math.max(stream.known, head);
      this.#watch(lane, now);
    }
  }

  /** Hand an event out, which is had from here on; false when there is nothing to show. */
  #show(event) {
    this.acks.had(event.lane);
    if (this.#shown.has(event.event_id)) {
      this.statistics.duplicates += 1;
      return false;
    }
    this.#shown.add(event.event_id);
    if (attemptOf(event) > 1) this.#reminded.add(event.event_id, event.attempt);
    if (event.name === "retracted" && typeof event.data.event_id === "string") {
      this.#retract(event.data.event_id, event);
      return false;
    }
    this.statistics.shown += 1;
    this.effects.push({ type: "show", event });
    return true;
  }

  #retract(event_id, event) {
    if (this.#canceled.has(event_id)) return;
    this.statistics.retractions += 1;
    this.effects.push({ type: "retract", event_id, event });
  }

  #withoutOffset(event) {
    if (this.#shown.has(event.event_id)) {
      this.statistics.duplicates += 1;
      return;
    }
    this.#shown.add(event.event_id);
    this.statistics.shown += 1;
    this.effects.push({ type: "show", event });
  }

  /** Had already. A raised attempt is a reminder, unless somebody acked by hand or it is the same one twice. */
  #again(item) {
    if (item.type === "tombstone" || attemptOf(item) <= Math.max(1, this.#reminded.get(item.event_id))) {
      this.statistics.duplicates += 1;
      return;
    }
    this.#reminded.add(item.event_id, item.attempt);
    this.acks.again(item.lane, item.offset);
    if ((this.acks.byHand.get(item.lane) ?? 0) < item.offset) {
      this.statistics.reminders += 1;
      this.effects.push({ type: "remind", event: item });
    }
  }
}
