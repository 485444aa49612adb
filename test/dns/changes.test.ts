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

  async start(): Promise<void> {}

  protected async fetch(): Promise<void> {}

  override accept(instances: readonly Instance[]): void {
    super.accept(instances);
  }

  override fail(reason: string, staleMs: number): void {
    super.fail(reason, staleMs);
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

let view: CountingView;
let server: DnsServer;
beforeEach(async () => {
  view = new CountingView("test", recordingLogger());
  view.accept([instanceFrom({ name: "web", ip: "10.0.0.5" }), instanceFrom({ name: "db", ip: "10.0.0.6" })]);
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
    view.accept([instanceFrom({ name: "web", ip: `10.0.0.${round}` })]);
    expect([await ask("web"), await ask("WEB"), await ask("id-web")]).toEqual(
      Array(3).fill(`10.0.0.${round}`),
    );
  }
  view.accept([instanceFrom({ name: "web", state: "Stopped" })]);
  expect([await ask("web"), await ask("WEB")]).toEqual(["", ""]);
  view.accept([]);
  expect(await ask("web")).toBe(`rcode ${rcode.NXDOMAIN}`);
});

it("answers changed addresses of a service", async () => {
  const member = (name: string, ip: string) => ({ ...instanceFrom({ name, ip }), service: "api" });
  view.accept([member("one", "10.0.0.1")]);
  expect([await ask("api.svc"), await ask("api.svc")]).toEqual(["10.0.0.1", "10.0.0.1"]);
  view.accept([member("one", "10.0.0.1"), member("two", "10.0.0.2")]);
  expect(await ask("api.svc")).toBe("10.0.0.1,10.0.0.2");
});

it("answers every changed name of a change of many", async () => {
  const all = (third: number) =>
    Array.from({ length: 1500 }, (_, at) => instanceFrom({ name: `vm-${at}`, ip: `10.0.${third}.1` }));
  view.accept(all(1));
  expect([await ask("vm-0"), await ask("vm-1499")]).toEqual(["10.0.1.1", "10.0.1.1"]);
  view.accept(all(2));
  expect([await ask("vm-0"), await ask("vm-1499")]).toEqual(["10.0.2.1", "10.0.2.1"]);
});

it("keeps no address longer than the source does", async () => {
  expect(await ask("web")).toBe("10.0.0.5");
  view.fail("is down", 60_000);
  expect(await ask("web")).toBe("10.0.0.5");
  view.fail("is down", 0);
  expect(await ask("web")).toBe(`rcode ${rcode.SERVFAIL}`);
});

it("listens to the source until it is closed", async () => {
  expect(view.listeners).toBe(1);
  await server.close();
  expect(view.listeners).toBe(0);
  server = await startDnsServer({ address: "127.0.0.1", port: 0, resolver: view, logger: recordingLogger() });
});
