import type { ErrorCode, Problem } from "../errors.ts";
import { ruleField } from "../model/wording.ts";

/** Collects the problems of one rule; each message names the rule and the field. */
export class Report {
  readonly problems: Problem[] = [];
  readonly #ruleIndex: number;
  readonly #within: string;

  /** @param within what all parts are parts of, such as `policies.access`. Default: the rule. */
  constructor(ruleIndex: number, within = "") {
    this.#ruleIndex = ruleIndex;
    this.#within = within;
  }

  /** Adds a problem. @param part such as `allow[0]`; "" for the whole */
  refuse(part: string, reason: string, code: ErrorCode = "invalid_value"): void {
    const separator = this.#within === "" || part === "" || part.startsWith("[") ? "" : ".";
    const field = `${this.#within}${separator}${part}`;
    const message = `invalid ${field} in rule ${this.#ruleIndex}: ${reason}`;
    this.problems.push({ code, field: ruleField(this.#ruleIndex, field), message });
  }
}
