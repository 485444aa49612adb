import type { ErrorCode, Problem } from "../errors.ts";
import { ruleField } from "../model/wording.ts";

/** Collects the problems of one rule; each message names the rule and the field. */
export class Report {
  readonly problems: Problem[] = [];
  readonly #ruleIndex: number;
  readonly #field: string;

  /** @param field what all parts are parts of, such as `policies.access`. Default: the rule. */
  constructor(ruleIndex: number, field = "") {
    this.#ruleIndex = ruleIndex;
    this.#field = field;
  }

  /** Adds a problem. @param part such as `allow[0]`; "" for the whole */
  refuse(part: string, reason: string, code: ErrorCode = "invalid_value"): void {
    const separator = this.#field === "" || part === "" || part.startsWith("[") ? "" : ".";
    const place = `${this.#field}${separator}${part}`;
    const message = `invalid ${place} in rule ${this.#ruleIndex}: ${reason}`;
    this.problems.push({ code, field: ruleField(this.#ruleIndex, place), message });
  }
}
