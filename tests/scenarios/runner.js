/** Drives the JavaScript session through the steps of session.json, in that file's words. Runs in browsers and node. */

/** Takes the document and the Session class; gives one line per failure, none when all pass. */
export function failures(document, Session) {
  return document.scenarios.flatMap((scenario) => run(scenario, document.defaults, Session));
}

function run(scenario, defaults, Session) {
  const session = make(scenario, Session);
  const found = [];
  const check = (where, expected, actual) => {
    if (canonical(expected) !== canonical(actual)) {
      found.push(`${scenario.name}: ${where}: expected ${canonical(expected)}, got ${canonical(actual)}`);
    }
  };
  scenario.steps.forEach((step, number) => {
    const effects = perform(session, step, defaults).map(say);
    check(`step ${number}: ${step.do} at ${step.at}`, step.expect, effects);
  });
  check("position", scenario.position, session.position);
  check("statistics", scenario.statistics, counted(session));
  return found;
}

function make(scenario, Session) {
  const numbers = scenario.random ?? [0.5];
  let drawn = 0;
  const options = scenario.session ?? {};
  const jitter = () => numbers[drawn++ % numbers.length];
  return new Session(jitter, options.position ?? null, { automaticAcks: options.acks !== "manual" });
}

function expand(frame, defaults) {
  const whole = { ...defaults[frame.type], ...frame };
  if (whole.events) whole.events = whole.events.map((item) => expand(item, defaults));
  return whole;
}

function perform(session, step, defaults) {
  const now = step.at;
  const text = () => step.text ?? JSON.stringify(expand(step.frame, defaults));
  const calls = {
    start: () => session.start(now),
    stop: () => session.stop(now),
    opened: () => session.opened(now),
    received: () => session.received(text(), now),
    flood: () => flood(step, defaults).flatMap((frame) => session.received(frame, now)),
    closed: () => session.closed(step.code, now),
    tick: () => session.tick(now),
    wake: () => session.wake(now),
    ack: () => session.ack(step.lane, step.offset, now),
    authorized: () => session.authorized(step.expires_at, now),
    refresh: () => session.refresh(step.token, step.expires_at, now),
  };
  return calls[step.do]();
}

function flood({ lane, from, to }, defaults) {
  return Array.from({ length: to - from + 1 }, (_, place) => {
    const event = { type: "event", lane, offset: from + place, event_id: `${lane[0]}${from + place}` };
    return JSON.stringify(expand(event, defaults));
  });
}

function say(effect) {
  const named = (event) => `${event.lane} ${event.offset} ${event.event_id}`;
  const words = {
    send: () => ({ send: effect.frame }),
    connect: () => ({ connect: true }),
    close: () => ({ close: effect.code }),
    show: () => ({ show: named(effect.event) }),
    remind: () => ({ remind: named(effect.event), attempt: effect.event.attempt }),
    retract: () => ({ retract: effect.event_id, by: named(effect.event) }),
    want_token: () => ({ want_token: true }),
    state: () => ({
      state: effect.name,
      ...(effect.reason && { reason: effect.reason }),
      ...(effect.until && { until: effect.until }),
    }),
  };
  return words[effect.type]();
}

function counted(session) {
  return Object.fromEntries(Object.entries(session.statistics).filter(([, count]) => count));
}

/** JSON with the members of objects in one order, so that equal things read equal. */
function canonical(value) {
  const sorted = (_, inner) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return JSON.stringify(value, sorted);
}
