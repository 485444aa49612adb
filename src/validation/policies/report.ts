import type { ErrorCode, Problem } from "../../errors.ts";
import { ruleField } from "../wording.ts";

/** Collects the problems of one rule's policies; each message names the rule. */
export class Report {
  readonly problems: Problem[] = [];
  readonly #ruleIndex: number;

  constructor(ruleIndex: number) {
    this.#ruleIndex = ruleIndex;
  }

  /** Adds a problem. @param part place in the rule, such as `policies.access.allow[0]` */
  refuse(part: string, reason: string, code: ErrorCode = "invalid_value"): void {
    const message = `invalid ${part} in rule ${this.#ruleIndex}: ${reason}`;
    this.problems.push({ code, field: ruleField(this.#ruleIndex, part), message });
  }
}
