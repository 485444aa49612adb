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
    this.#add(part, this.#fieldOf(part), reason, code);
  }

  /** As `refuse`, in hypeman's form: the message calls the whole invalid, and its text names the part. */
  refuseAsWhole(part: string, text: string): void {
    this.#add(part, this.#within, text, "invalid_value");
  }

  #add(part: string, invalid: string, reason: string, code: ErrorCode): void {
    const message = `invalid ${invalid} in rule ${this.#ruleIndex}: ${reason}`;
    this.problems.push({ code, field: ruleField(this.#ruleIndex, this.#fieldOf(part)), message });
  }

  #fieldOf(part: string): string {
    const separator = this.#within === "" || part === "" || part.startsWith("[") ? "" : ".";
    return `${this.#within}${separator}${part}`;
  }
}
