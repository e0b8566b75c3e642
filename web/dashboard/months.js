/** Months and days as the address and the API write them: `2027-06` and `2027-06-12`. Days are plain, of no time zone. */

const DAY_MS = 86_400_000;
const PLACE = /^#?(\d{4}-(?:0[1-9]|1[0-2]))(?:-(\d{2}))?$/;
const WEEK_BEGINS = Date.UTC(2024, 0, 1); // a Monday

const moment = (day) => Date.parse(`${day}T00:00:00Z`);
const written = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 10);
const styled = (style) => {
  const format = new Intl.DateTimeFormat(undefined, { ...style, timeZone: "UTC" });
  return (day) => format.format(moment(day));
};

/** "Saturday, 12 June 2027", as the reader's language orders it. */
export const longDay = styled({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
/** "Sat 12 June". */
export const shortDay = styled({ weekday: "short", day: "numeric", month: "long" });
/** "12 June 2027". */
export const dated = styled({ day: "numeric", month: "long", year: "numeric" });
const titled = styled({ month: "long", year: "numeric" });
const monthName = styled({ month: "long" });

/** "June 2027". */
export const title = (month) => titled(`${month}-01`);

/** "January" to "December". */
export const monthNames = () => Array.from({ length: 12 }, (_, index) => monthName(`2024-${String(index + 1).padStart(2, "0")}-01`));

/** Monday to Sunday, as a word and short. */
export function weekdays() {
  const word = styled({ weekday: "long" });
  const short = styled({ weekday: "short" });
  return Array.from({ length: 7 }, (_, index) => written(WEEK_BEGINS + index * DAY_MS)).map((day) => [word(day), short(day)]);
}

/** A month some months on, or back. */
export function turned(month, by) {
  const [year, index] = month.split("-").map(Number);
  return new Date(Date.UTC(year, index - 1 + by, 1)).toISOString().slice(0, 7);
}

/** A day some days on, or back. */
export const moved = (day, by) => written(moment(day) + by * DAY_MS);

/** The day of the same number some months on, or back; the last one where the month is too short for it. */
export function monthsOn(day, by) {
  const days = daysOf(turned(day.slice(0, 7), by));
  return days[Math.min(Number(day.slice(8)), days.length) - 1];
}

/** All days of a month. */
export function daysOf(month) {
  const count = (moment(`${turned(month, 1)}-01`) - moment(`${month}-01`)) / DAY_MS;
  return Array.from({ length: count }, (_, index) => written(moment(`${month}-01`) + index * DAY_MS));
}

/** Its weeks from Monday on; null where another month's days would be. @returns {(string|null)[][]} */
export function weeksOf(month) {
  const days = daysOf(month);
  const before = (new Date(moment(days[0])).getUTCDay() + 6) % 7;
  const cells = [...Array(before).fill(null), ...days];
  while (cells.length % 7) cells.push(null);
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}

/** Today, where the reader is or in a time zone. */
export const today = (zone = undefined) => dayIn(zone, Date.now());

/** The day of an instant in a time zone; the instant as the API writes it, or in milliseconds. */
export function dayIn(zone, instant) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" })
    .formatToParts(new Date(instant));
  const part = (type) => parts.find((one) => one.type === type).value;
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** What an address means; an unreadable one is this month. @returns {{month: string, day: string|null}} */
export function placeOf(hash) {
  const [, month, number] = PLACE.exec(hash) ?? [];
  if (!month) return { month: today().slice(0, 7), day: null };
  const day = number ? `${month}-${number}` : null;
  return { month, day: daysOf(month).includes(day) ? day : null };
}
