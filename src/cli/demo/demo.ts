import { randomBytes } from "node:crypto";
import type { CreateIngressRequest, Explanation, Ingress, Instance } from "../../model/api.ts";
import type { ApiClient } from "../client.ts";
import { explainText } from "../commands/explain.ts";
import { exitCodes, Failure } from "../failure.ts";
import { startSamples } from "./samples.ts";

/** Its value is that of one run: what carries another one is not ours. */
const TAG = "gatewright-demo";
const instances = ["demo-1", "demo-2", "demo-3"] as const;

/** An ingress of the demo, and what to ask of it. */
interface Lesson {
  readonly title: string;
  readonly name: string;
  readonly hostname: string;
  readonly targets: readonly string[];
  /** Hosts that are asked for. */
  readonly hosts: readonly string[];
}

const lessons: readonly Lesson[] = [
  {
    title: "One hostname for one instance",
    name: "demo-host",
    hostname: "plain.localhost",
    targets: ["demo-1"],
    hosts: ["plain.localhost"],
  },
  {
    title: "A pool: the requests of one hostname take turns among three instances",
    name: "demo-pool",
    hostname: "pool.localhost",
    targets: instances,
    hosts: ["pool.localhost"],
  },
  {
    title: "A pattern: every instance, those of tomorrow too, has a hostname by its name",
    name: "demo-pattern",
    hostname: "{instance}.demo.localhost",
    targets: ["{instance}"],
    hosts: ["demo-2.demo.localhost", "demo-3.demo.localhost"],
  },
];

const paths = [
  ...lessons.map(({ name }) => `/ingresses/${name}`),
  ...instances.map((name) => `/instances/${name}`),
];

/** What a demo needs. */
export interface DemoParts {
  readonly api: ApiClient;
  /** Port that Caddy serves the hostnames on. */
  readonly port: number;
  readonly say: (line: string) => Promise<void>;
  /** What is typed before a URL to have its answer explained, such as `gatewright explain`. */
  readonly explain: string;
}

/** What was set up; its end takes all of that back, and nothing else. */
export type Demo = AsyncDisposable;

/**
 * Registers three sample instances with ingresses that lead to them, and tells what to try and why it is answered as it is. Where it fails
 * everything is taken back. Throws a Failure with exit code 4 where a name is somebody's, and changes nothing then.
 */
export async function startDemo(parts: DemoParts): Promise<Demo> {
  const { api, port } = parts;
  await refuseTaken(api);
  await using stack = new AsyncDisposableStack();
  const samples = stack.use(await startSamples(instances));
  const run = randomBytes(8).toString("hex");
  const tags = { [TAG]: run };
  // Before anything is made: an answer that got lost may have made it.
  stack.defer(() => takeBack(api, run));
  for (const [index, name] of instances.entries())
    await api.call({
      method: "PUT",
      path: `/instances/${name}`,
      body: { network: { ip: samples.addresses[index] }, tags },
    });
  for (const { hostname, name, targets } of lessons) {
    const match = { hostname, port };
    const to = targets.map((instance) => ({ instance, port: samples.port }));
    const rule = to.length === 1 ? { match, target: to[0] } : { match, targets: to };
    const body = { name, tags, rules: [rule] } as CreateIngressRequest;
    await api.call({ method: "POST", path: "/ingresses", body });
  }
  for (const lesson of lessons) await tell(lesson, parts);
  return stack.move();
}

/** A name that is there already belongs to somebody, an earlier demo that was killed included. */
async function refuseTaken(api: ApiClient): Promise<void> {
  const taken: string[] = [];
  for (const path of paths) if ((await lookUp(api, path)) !== undefined) taken.push(path);
  if (taken.length === 0) return;
  const names = taken.map((path) => {
    const [, kind, name] = path.split("/");
    return `${kind === "ingresses" ? "ingress" : "instance"} ${name}`;
  });
  throw new Failure(
    `the demo needs names that are taken: ${names.join(", ")}. They were left as they are; where an earlier demo left them, \`gatewright ${names[0]?.replace(" ", " delete ")}\` removes each`,
    exitCodes.conflict,
  );
}

async function lookUp(api: ApiClient, path: string): Promise<Ingress | Instance | undefined> {
  try {
    return await api.get(path);
  } catch (error) {
    if (error instanceof Failure && error.exitCode === exitCodes.notFound) return undefined;
    throw error;
  }
}

/** Deletes what carries the tag of this run, by id: somebody may have replaced it by something of their own. */
async function takeBack(api: ApiClient, run: string): Promise<void> {
  const failures: Failure[] = [];
  for (const path of paths) {
    try {
      const found = await lookUp(api, path);
      if (found?.tags?.[TAG] !== run) continue;
      const [, kind] = path.split("/");
      await api.call({ method: "DELETE", path: `/${kind}/${found.id}` });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.exitCode !== exitCodes.notFound)
        failures.push(new Failure(`${path} is still there: ${error.message}`, error.exitCode));
    }
  }
  if (failures.length > 0)
    throw new Failure(failures.map(({ message }) => message).join("\n"), failures[0]?.exitCode ?? 1);
}

async function tell({ hosts, title }: Lesson, { api, explain, port, say }: DemoParts): Promise<void> {
  await say(`\n${title}\n`);
  for (const host of hosts) await say(`  curl -H 'Host: ${host}' http://127.0.0.1:${port}/`);
  const body = { url: `http://${hosts[0]}:${port}/` };
  const { body: found } = await api.call<Explanation>({ method: "POST", path: "/explain", body });
  await say(`\n  ${explain} ${body.url}`);
  await say(explainText(found).replace(/^/gm, "    "));
}
