/** What a day can be coloured by, and how its numbers become seven shades. */

import { counted, dollars, short, shortDollars, whole } from "./words.js";

const SHADES = 7;
/** A month of days that hardly differ is not drawn as if they did: a shade is at least this share of the most. */
const LEAST_STEP = 0.04;
const FACES = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/**
 * @typedef {object} Measure
 * @property {string} legend what the colours say
 * @property {(day: object) => number} of the number of a day
 * @property {(value: number) => string} short as in a cell
 * @property {(value: number) => string} words as a sentence says it
 * @property {(day: object) => string} beside what a cell says below it
 * @property {boolean} [whole] whether it comes in ones
 */

/** A cell has no room for "1,866 weddings"; whoever opens the day reads them all. */
const weddings = ({ weddings: count }) =>
  (count < 1000 ? count > 0 && counted(count, "wedding") : `${short(count)} weddings`) || "";

/** @type {Object<string, Measure>} */
export const MEASURES = {
  phones: {
    legend: "Phones at the day's peak",
    of: (day) => day.connections,
    short,
    words: (value) => `${counted(value, "phone")} at most`,
    beside: weddings,
    whole: true,
  },
  messages: {
    legend: "Messages in the day",
    of: (day) => day.messages,
    short,
    words: (value) => counted(value, "message"),
    beside: weddings,
    whole: true,
  },
  cost: {
    legend: "Cost of the day",
    of: (day) => day.cost.total,
    short: shortDollars,
    words: (value) => `${dollars(value)} in all`,
    beside: weddings,
  },
  weddings: {
    legend: "Weddings on the day",
    of: (day) => day.weddings,
    short: whole,
    words: (value) => counted(value, "wedding"),
    beside: (day) => `${short(day.connections)} phones`,
    whole: true,
  },
};

/** Numbers with a round face from a size on, the least first. */
function* rounds(size, inOnes) {
  for (let power = 10 ** Math.floor(Math.log10(size)); ; power *= 10) {
    for (const face of FACES) {
      const round = face * power;
      if (round >= size * 0.999 && (!inOnes || Number.isInteger(round))) yield round;
    }
  }
}

/** The shades of a month: equal steps from its least to its most, at round numbers; few steps are far apart in shade. */
export class Scale {
  /**
   * @param {number[]} values the days'
   * @param {boolean} inOnes whether half a step makes no sense
   */
  constructor(values, inOnes) {
    const most = Math.max(0, ...values);
    const least = Math.min(most, ...values);
    const size = most > 0 ? Math.max((most - least) / SHADES, most * LEAST_STEP) : 1;
    for (this.step of rounds(size, inOnes)) {
      this.least = Math.floor(least / this.step) * this.step;
      this.last = this.#level(most);
      if (this.last < SHADES) break;
    }
  }

  #level(value) {
    return Math.max(0, Math.floor((value - this.least) / this.step + 1e-9));
  }

  /** 0, the lightest, to 6. */
  shade(value) {
    return this.last ? Math.round(this.#level(value) * (SHADES - 1) / this.last) : 0;
  }

  /** Where the shades in use begin. @returns {number[]} */
  starts() {
    return Array.from({ length: this.last + 1 }, (_, level) => this.least + level * this.step);
  }
}
