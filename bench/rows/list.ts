import { atMost, type Row } from "../row.ts";
import { median } from "../statistics.ts";

const GOAL_MS = 100;
/** What a search takes while somebody types. */
const SEARCH_GOAL_MS = 60;

/** The whole list over REST, and a search through all of it. */
export const list: Row = {
  key: "list",
  about: "GET /ingresses: first byte, whole list, and a search through all of it",
  async measure(bench, site) {
    const answers = [];
    const searches = [];
    // What nothing has is looked for in everything. The first search sorts all names.
    const search = { path: "/ingresses?sort=name&offset=0&limit=100&q=nothing.has.this" };
    await site.api.succeed(search);
    for (let round = 0; round < bench.options.rounds; round++) {
      answers.push(await site.api.succeed({ path: "/ingresses" }));
      searches.push(await site.api.succeed(search));
    }
    const searchMs = median(searches.map((answer) => answer.totalMs));
    const firstByteMs = median(answers.map((answer) => answer.firstByteMs));
    const common = { row: "list", size: site.size, unit: "ms" as const };
    return [
      { ...common, what: "list, first byte", value: firstByteMs, goal: atMost(firstByteMs, GOAL_MS, "ms") },
      { ...common, what: "list, search", value: searchMs, goal: atMost(searchMs, SEARCH_GOAL_MS, "ms") },
      { ...common, what: "list, whole", value: median(answers.map((answer) => answer.totalMs)) },
    ];
  },
};
