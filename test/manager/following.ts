import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { readStoredIngress } from "../../src/manager/fill-catalog.ts";
import { Follower } from "../../src/manager/follower.ts";
import { startManager } from "../../src/manager/manager.ts";
import { type FollowedWriter, WriterRecord } from "../../src/manager/writer-record.ts";
import type { Ingress } from "../../src/model/api.ts";
import { STORE_HEADER } from "../../src/model/store-header.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { MemoryCaddy } from "../support/memory-caddy.ts";
import { memoryHost } from "../support/memory-host.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
/** Ends what `follow` and `takenPort` made; for after each test. */
export async function endFollowing(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

const HTTP_PORT = 80;

/** An ingress as the followed Gatewright answers it. */
export function ingress(
  id: string,
  hostname = `${id}.example.com`,
  more: { name?: string; port?: number } = {},
): Ingress {
  const { name = id, port = HTTP_PORT } = more;
  const rules = [
    { match: { hostname, port }, target: { instance: "web-1", port: 80 }, tls: false, redirect_http: false },
  ];
  const at = "2026-01-01T00:00:00.000Z";
  return { id, name, rules, created_at: at, updated_at: at };
}

interface Options {
  readonly held?: readonly Ingress[];
  readonly answer?: readonly unknown[];
  /** `FOLLOW_WRITER`. */
  readonly writer?: string;
  readonly token?: string;
  /** Default: 5. */
  readonly intervalMs?: number;
  /** What was followed before: the content of its record. */
  readonly followed?: (url: string) => FollowedWriter;
}

/** A real manager over a Caddy in memory that follows a server, whose answers are given by the test. */
export async function follow({ held = [], answer = [], writer, token, intervalMs = 5, followed }: Options) {
  const temporary = await temporaryFolder();
  closers.push(() => temporary[Symbol.asyncDispose]());
  const folder = temporary.path;
  const said = {
    list: answer as unknown,
    /** In place of the list. */
    text: undefined as string | undefined,
    status: 200,
    isSilent: false,
    store: "store-1" as string | undefined,
    asked: 0,
    /** Of the last question. */
    question: "",
  };
  const server = createHttpServer(({ method, url: path, headers }, response) => {
    said.asked += 1;
    said.question = `${method} ${path} ${headers.authorization ?? "-"}`;
    if (said.isSilent) return;
    response.statusCode = said.status;
    if (said.store !== undefined) response.setHeader(STORE_HEADER, said.store);
    response.end(said.text ?? JSON.stringify(said.list));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close().closeAllConnections());
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({ store: new MemoryStore(), logger });
  await resolver.start();
  const caddy = new MemoryCaddy();
  const ports = { httpPort: await freePort(), httpsPort: await freePort() };
  const onPort = (one: Ingress): Ingress => readStoredIngress(atHttpPort(one, ports.httpPort), ports);
  const manager = await startManager({
    store: new MemoryStore<Ingress>(held.map(onPort)),
    resolver,
    api: caddy,
    feeds: [],
    createHost: memoryHost(caddy, folder).createHost,
    compiler: compilerSettings({ folder, ...ports }),
    admission: {
      ports,
      tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] },
      guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
    },
    logger,
  });
  closers.push(() => manager.stop());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const record = new WriterRecord(join(folder, "followed.json"));
  if (followed !== undefined) await record.write(followed(url));
  const follower = new Follower({
    url,
    ...(writer === undefined ? {} : { writer }),
    ...(token === undefined ? {} : { token }),
    record,
    intervalMs,
    read: (value) => onPort(value as Ingress),
    ingresses: manager.followed,
    logger,
  });
  closers.push(() => follower.stop());
  follower.start();
  /** What is served: `<id> <name> <hostname>` each. */
  const served = (): readonly string[] =>
    [...manager.ingresses.list()].map(({ id, name, rules }) => `${id} ${name} ${rules[0]?.match.hostname}`);
  /** Waits until the answer of now has been gone through once more. */
  const settled = async (): Promise<void> => {
    const { asked } = said;
    await until(() => said.asked > asked + 1, 3_000);
  };
  return { caddy, follower, logger, manager, record, said, served, settled, url };
}

function atHttpPort(one: Ingress, httpPort: number): Ingress {
  const rules = one.rules.map((rule) => {
    const { port } = rule.match;
    return { ...rule, match: { ...rule.match, port: port === HTTP_PORT ? httpPort : port } };
  });
  return { ...one, rules };
}

/** What is served of these. */
export const lines = (...ingresses: readonly Ingress[]): readonly string[] =>
  ingresses.map(({ id, name, rules }) => `${id} ${name} ${rules[0]?.match.hostname}`);

/** A port that another program has until it is given back. */
export async function takenPort() {
  const server = createServer();
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const free = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  closers.push(free);
  return { port: (server.address() as AddressInfo).port, free };
}
