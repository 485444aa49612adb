import { atMost, type Row } from "../row.ts";
import { median } from "../statistics.ts";

const GOAL_MS = 100;

/** The whole list over REST. */
export const list: Row = {
  key: "list",
  about: "GET /ingresses: first byte and whole list",
  async measure(bench, site) {
    const answers = [];
    for (let round = 0; round < bench.options.rounds; round++)
      answers.push(await site.api.succeed({ path: "/ingresses" }));
    const firstByteMs = median(answers.map((answer) => answer.firstByteMs));
    const common = { row: "list", size: site.size, unit: "ms" as const };
    return [
      { ...common, what: "list, first byte", value: firstByteMs, goal: atMost(firstByteMs, GOAL_MS, "ms") },
      { ...common, what: "list, whole", value: median(answers.map((answer) => answer.totalMs)) },
    ];
  },
};
