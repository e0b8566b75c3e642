/**
 * Reads what the server sends (wire v1, docs/PROTOCOL.md). What is none of its frames gives null: a later server may
 * know more types and members, so unknown ones are left alone.
 */

export const LANES = Object.freeze(["critical", "high", "normal", "low"]);
const KINDS = new Set(["system", "business", "collaboration", "wedding"]);

/**
 * @typedef {"critical"|"high"|"normal"|"low"} Lane
 * @typedef {{type: "event", channel: "inbox", lane: Lane, epoch: string, offset: number|null, event_id: string,
 *   name: string, kind: string, ts: number, expires_at: number|null, data: Object<string, any>,
 *   wedding_id?: string, attempt?: number}} EventFrame `ts` and `expires_at` are milliseconds since 1970.
 * @typedef {{type: "tombstone", lane: Lane, offset: number, event_id: string, reason: string}} Tombstone
 * @typedef {{type: string, [member: string]: any}} Frame
 */

const whole = (value, least = 0) => Number.isSafeInteger(value) && value >= least;
const text = (value) => typeof value === "string" && value.length > 0;
const record = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const id = (value) => whole(value) || text(value);
const offsets = (value) =>
  record(value) && Object.entries(value).every(([lane, offset]) => LANES.includes(lane) && whole(offset));

/** @type {Object<string, (frame: Frame) => boolean>} */
const CHECKS = {
  event: (f) =>
    f.channel === "inbox" && LANES.includes(f.lane) && text(f.epoch) && text(f.event_id) && text(f.name) &&
    (f.offset === null || whole(f.offset, 1)) && KINDS.has(f.kind) && whole(f.ts) &&
    (f.expires_at === null || whole(f.expires_at)) && record(f.data) &&
    (f.attempt === undefined || whole(f.attempt, 1)),
  tombstone: (f) => LANES.includes(f.lane) && whole(f.offset, 1) && text(f.event_id) && text(f.reason),
  subscribed: (f) =>
    id(f.id) && f.channel === "inbox" && text(f.epoch) && offsets(f.offsets) && typeof f.recovered === "boolean" &&
    typeof f.more === "boolean" && Array.isArray(f.events) && f.events.every(item),
  synced: (f) => id(f.id) && f.channel === "inbox" && text(f.epoch) && offsets(f.offsets),
  error: (f) =>
    text(f.code) && typeof f.message === "string" && typeof f.temporary === "boolean" &&
    (f.retry_after_ms === null || whole(f.retry_after_ms)) && (f.id === undefined || id(f.id)),
  disconnect: (f) =>
    whole(f.code, 1000) && typeof f.reason === "string" && typeof f.reconnect === "boolean" &&
    (f.window_ms === undefined || whole(f.window_ms)),
  acked: (f) => id(f.id) && offsets(f.offsets),
  refreshed: (f) => id(f.id) && whole(f.expires_at),
  unsubscribed: (f) => id(f.id) && f.channel === "inbox",
  pong: () => true,
};

function item(value) {
  return record(value) && (value.type === "event" || value.type === "tombstone") && CHECKS[value.type](value);
}

/**
 * @param {string} message
 * @returns {Frame|null} null: not a frame of this version.
 */
export function parse(message) {
  let frame;
  try {
    frame = JSON.parse(message);
  } catch {
    return null; // counted by the session
  }
  return record(frame) && Object.hasOwn(CHECKS, frame.type) && CHECKS[frame.type](frame) ? frame : null;
}

/** @param {EventFrame|Tombstone} frame @returns {number} 1 unless the event is a reminder. */
export const attemptOf = (frame) => frame.attempt ?? 1;
