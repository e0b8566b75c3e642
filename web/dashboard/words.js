/** Numbers and capacity in words, in the reader's own way of writing them. */

const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const USD = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" };
const EXACT_USD = new Intl.NumberFormat(undefined, USD);
const WHOLE_USD = new Intl.NumberFormat(undefined, { ...USD, maximumFractionDigits: 0 });
const SHORT_USD = new Intl.NumberFormat(undefined, { ...USD, notation: "compact", minimumFractionDigits: 0, maximumSignificantDigits: 3 });
const ROUND_USD = new Intl.NumberFormat(undefined, { ...USD, trailingZeroDisplay: "stripIfInteger" });
const LANES = ["critical", "high", "normal", "low"];
const QUOTAS = {
  requests_s: "API Gateway requests a second",
  connects_s: "New connections a second",
  concurrency: "Lambda's concurrent executions",
};

export const whole = (count) => WHOLE.format(count);
export const fine = (count) => FINE.format(count);
export const short = (count) => SHORT.format(count);
export const counted = (count, one, many = `${one}s`) => `${WHOLE.format(count)} ${count === 1 ? one : many}`;

/** To the cent while cents matter. */
export const dollars = (usd) => (usd < 1000 ? EXACT_USD : WHOLE_USD).format(usd);
/** Of what people set, which has rarely cents. */
export const roundDollars = (usd) => ROUND_USD.format(usd);
export const shortDollars = (usd) => SHORT_USD.format(usd);

/** A quota's name for people. */
export const quotaName = (quota) => QUOTAS[quota] ?? quota;

/** A group's name for people: `provisioned.low` is "warm consumers of low". */
export function groupName(group) {
  const [kind, lane] = group.split(".");
  const names = {
    tasks: "API tasks",
    "database.least_acu": "the database's least capacity",
    "database.most_acu": "the database's most capacity",
    "database.readers": "the database's readers",
  };
  if (names[group]) return names[group];
  if (kind === "provisioned") return `warm consumers of ${lane}`;
  if (kind === "reserved") return `the reserve of ${lane}`;
  return group;
}

/**
 * What stands ready, a line for each part.
 * @param {Object<string, number>} capacity sizes by group
 * @returns {[string, string][]} the part and its size in words
 */
export function capacityWords(capacity) {
  const lines = [];
  const lanes = (kind) => LANES.filter((lane) => capacity[`${kind}.${lane}`] > 0)
    .map((lane) => `${lane} ${whole(capacity[`${kind}.${lane}`])}`).join(", ");
  if ("tasks" in capacity) lines.push(["API", counted(capacity.tasks, "task")]);
  if (lanes("provisioned")) lines.push(["Consumers kept warm", lanes("provisioned")]);
  if (lanes("reserved")) lines.push(["Consumers at most", lanes("reserved")]);
  const database = databaseWords(capacity);
  if (database) lines.push(["Database", database]);
  return lines;
}

function databaseWords(capacity) {
  const { "database.least_acu": least, "database.most_acu": most, "database.readers": readers } = capacity;
  const acu = [least, most].filter((size) => size !== undefined).map((size) => FINE.format(size)).join(" to ");
  return [acu && `${acu} ACU`, readers !== undefined && counted(readers, "reader")].filter(Boolean).join(", ");
}
