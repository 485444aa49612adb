import { mustSucceed } from "../load-generator.ts";
import type { Row } from "../row.ts";
import { creates, deletes } from "./create.ts";
import { failures, watched } from "./watched.ts";

const CLIENTS = 4;

/** Whether changes of other ingresses disturb who is connected. */
export const churn: Row = {
  key: "churn",
  about: "failed requests and closed WebSockets during 1,000 creates, updates and deletes each",
  async measure(bench, site) {
    const count = bench.options.quick ? 100 : 1000;
    const prefix = "churn";
    const load = { count, clients: CLIENTS };
    const create = creates(bench, site, prefix);
    const seen = await watched(bench, site, async () => {
      mustSucceed(await bench.load.run("rest", { ...create, ...load }));
      const body = create.body.replaceAll(".created.test", ".updated.test");
      mustSucceed(
        await bench.load.run("rest", {
          ...create,
          ...load,
          body,
          method: "PUT",
          path: `/ingresses/${prefix}-%d`,
        }),
      );
      mustSucceed(await bench.load.run("rest", { ...deletes(site, prefix), ...load }));
    });
    return failures("churn", "creates, updates, deletes", site.size, [seen]);
  },
};
