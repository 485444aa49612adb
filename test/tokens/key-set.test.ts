import { describe, expect, it } from "vitest";
import { JwtVerifier } from "../../src/tokens/jwt.ts";
import { KeySet, type KeySetOptions } from "../../src/tokens/key-set.ts";
import {
  claimsOf,
  type IdentityProviderServer,
  providerKey,
  startIdentityProvider,
} from "../support/identity-provider.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const [first, second, third] = await Promise.all([
  providerKey("ES256", "first"),
  providerKey("ES256", "second"),
  providerKey("EdDSA", "third"),
]);

interface World extends AsyncDisposable {
  readonly server: IdentityProviderServer;
  readonly logger: RecordingLogger;
  /** Milliseconds of the key set's clock. */
  now: number;
  /** The subject of a token of this key, else what came of it. */
  subject(key: typeof first): Promise<unknown>;
}

async function world(options: Partial<KeySetOptions> = {}): Promise<World> {
  const server = await startIdentityProvider([first]);
  const logger = recordingLogger();
  const keys = new KeySet({ url: server.url, logger, nowMs: () => made.now, ...options });
  const verifier = new JwtVerifier({ provider: { keys } });
  const made = {
    server,
    logger,
    now: 0,
    subject: async (key: typeof first) => {
      try {
        return (await verifier.verify(await key.sign(claimsOf())))?.claims.sub;
      } catch (error) {
        return (error as { readonly code: string }).code;
      }
    },
    [Symbol.asyncDispose]: async () => {
      await keys.close();
      await server[Symbol.asyncDispose]();
    },
  };
  return made;
}

describe("the keys of an identity provider", () => {
  it("are fetched once for all who need them", async () => {
    await using own = await world();
    expect(await Promise.all([1, 2, 3].map(() => own.subject(first)))).toEqual(["ann", "ann", "ann"]);
    expect(own.server.asked).toBe(1);
  });

  it("are fetched for a key that is not known, and not again before a while has passed", async () => {
    await using own = await world();
    await own.subject(first);
    own.server.keys = [first.jwk, second.jwk];
    expect(await own.subject(second)).toBeUndefined();
    own.now += 10_000;
    expect([await own.subject(second), own.server.asked]).toEqual(["ann", 2]);
    expect(await Promise.all([third, third, third].map((key) => own.subject(key)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(own.server.asked).toBe(2);
    own.now += 10_000;
    await own.subject(third);
    await own.subject(third);
    expect(own.server.asked).toBe(3);
  });

  it("are taken no more once they are out of the set", async () => {
    await using own = await world();
    await own.subject(first);
    own.server.keys = [second.jwk];
    expect(await own.subject(first)).toBe("ann");
    own.now += 600_001;
    // This one still meets the old set, while the new one is on its way.
    await own.subject(first);
    await until(async () => (await own.subject(first)) === undefined);
    expect([await own.subject(second), own.server.asked]).toEqual(["ann", 2]);
  });

  it("are taken for a day while the provider is away, and then not", async () => {
    await using own = await world();
    await own.subject(first);
    own.server.fault = (response) => response.writeHead(500).end();
    own.now += 86_400_000;
    expect(await own.subject(first)).toBe("ann");
    await until(() => own.logger.entries.some(({ message }) => message.includes("cannot be read")));
    // Whether that is a new key cannot be said.
    expect(await own.subject(second)).toBe("identity_provider_unavailable");
    own.now += 10_001;
    expect(await own.subject(first)).toBe("identity_provider_unavailable");
    own.server.fault = undefined;
    own.now += 10_001;
    expect(await own.subject(first)).toBe("ann");
    expect(own.logger.entries.map(({ level }) => level)).toEqual(["warn", "info"]);
  });

  it.each<[string, IdentityProviderServer["fault"]]>([
    ["too large", (response) => response.end(`{"keys":[],"x":"${"x".repeat(300 * 1024)}"}`)],
    ["too large, of unknown length", (response) => void response.write("[".repeat(300 * 1024))],
    ["no JSON", (response) => response.end("<html>")],
    ["no key set", (response) => response.end('{"keys":"none"}')],
    ["null", (response) => response.end("null")],
    ["somewhere else", (response) => response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end()],
    ["never there", () => undefined],
    ["never whole", (response) => void response.write('{"keys":[')],
  ])("are not those of an answer that is %s", async (_what, fault) => {
    await using own = await world({ timeoutMs: 500 });
    own.server.fault = fault;
    expect(await own.subject(first)).toBe("identity_provider_unavailable");
    expect([await own.subject(first), own.server.asked]).toEqual(["identity_provider_unavailable", 1]);
    own.server.fault = undefined;
    own.now += 10_001;
    expect(await own.subject(first)).toBe("ann");
  });
});
