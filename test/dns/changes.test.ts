import { afterEach, beforeEach, expect, it } from "vitest";
import { type DnsServer, startDnsServer } from "../../src/dns/server.ts";
import type { Instance } from "../../src/model/api.ts";
import type { Resolution, ResolverChange } from "../../src/resolver/instance-resolver.ts";
import { SourceView } from "../../src/resolver/source-view.ts";
import { encodeAsk, exchangeUdp, rcode, see } from "../support/dns-client.ts";
import { instanceFrom } from "../support/instances.ts";
import { recordingLogger } from "../support/recording-logger.ts";

/** A source that is told what it has found, and counts what it is asked and who listens to it. */
class CountingView extends SourceView {
  asked = 0;
  listeners = 0;
  #found: readonly Instance[] | Error = [];

  protected async fetch(): Promise<readonly Instance[]> {
    if (this.#found instanceof Error) throw this.#found;
    return this.#found;
  }

  async find(found: readonly Instance[] | Error): Promise<void> {
    this.#found = found;
    await this.refetch();
  }

  override resolve(name: string): Resolution {
    this.asked++;
    return super.resolve(name);
  }

  override watch(listener: (change: ResolverChange) => void): () => void {
    const stop = super.watch(listener);
    this.listeners++;
    return () => {
      this.listeners--;
      stop();
    };
  }
}

const how = { source: "test", intervalMs: 600_000, staleMs: 60_000, logger: recordingLogger() };
let view: CountingView;
let server: DnsServer;
beforeEach(async () => {
  view = new CountingView(how);
  await view.find([
    instanceFrom({ name: "web", ip: "10.0.0.5" }),
    instanceFrom({ name: "db", ip: "10.0.0.6" }),
  ]);
  server = await startDnsServer({
    address: "127.0.0.1",
    port: 0,
    resolver: view,
    logger: recordingLogger(),
  });
});
afterEach(() => server.close());

async function ask(name: string): Promise<string> {
  const answer = await exchangeUdp(server.port, encodeAsk({ name: `${name}.hypeman.internal` }));
  if (answer === undefined) throw new Error("no answer");
  const seen = see(answer);
  return seen.rcode === 0
    ? seen.answers.map((record) => record.split(" ").at(-1)).join()
    : `rcode ${seen.rcode}`;
}

it("looks a name up once as long as nothing changes", async () => {
  for (let round = 0; round < 5; round++) expect(await ask("web")).toBe("10.0.0.5");
  expect(view.asked).toBe(1);
});

it("answers a changed address from the change on", async () => {
  for (let round = 1; round < 20; round++) {
    await view.find([instanceFrom({ name: "web", ip: `10.0.0.${round}` })]);
    expect([await ask("web"), await ask("WEB"), await ask("id-web")]).toEqual(
      Array(3).fill(`10.0.0.${round}`),
    );
  }
  await view.find([instanceFrom({ name: "web", state: "Stopped" })]);
  expect([await ask("web"), await ask("WEB")]).toEqual(["", ""]);
  await view.find([]);
  expect(await ask("web")).toBe(`rcode ${rcode.NXDOMAIN}`);
});

it("answers changed addresses of a service", async () => {
  const member = (name: string, ip: string) => ({ ...instanceFrom({ name, ip }), service: "api" });
  await view.find([member("one", "10.0.0.1")]);
  expect([await ask("api.svc"), await ask("api.svc")]).toEqual(["10.0.0.1", "10.0.0.1"]);
  await view.find([member("one", "10.0.0.1"), member("two", "10.0.0.2")]);
  expect(await ask("api.svc")).toBe("10.0.0.1,10.0.0.2");
});

it("answers every changed name of a change of many", async () => {
  const all = (third: number) =>
    Array.from({ length: 1500 }, (_, at) => instanceFrom({ name: `vm-${at}`, ip: `10.0.${third}.1` }));
  await view.find(all(1));
  expect([await ask("vm-0"), await ask("vm-1499")]).toEqual(["10.0.1.1", "10.0.1.1"]);
  await view.find(all(2));
  expect([await ask("vm-0"), await ask("vm-1499")]).toEqual(["10.0.2.1", "10.0.2.1"]);
});

it("keeps no address longer than the source does", async () => {
  expect(await ask("web")).toBe("10.0.0.5");
  await view.find(new Error("is down"));
  expect(await ask("web")).toBe("10.0.0.5");
  how.staleMs = 0;
  await view.find(new Error("is down"));
  expect(await ask("web")).toBe(`rcode ${rcode.SERVFAIL}`);
});

it("listens to the source until it is closed", async () => {
  expect(view.listeners).toBe(1);
  await server.close();
  expect(view.listeners).toBe(0);
  server = await startDnsServer({ address: "127.0.0.1", port: 0, resolver: view, logger: recordingLogger() });
});
