import { describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { Attempts } from "../../src/http/attempts.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { signToken } from "../support/sign-token.ts";

const secret = "secret-of-the-tests-of-attempts-0123456789";
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const wrong = (index: number): string => signToken(`guess-${index}`, { sub: "ann" });

async function ask(api: TestApi, token: string, path = "/ingresses") {
  const { headers, json, status } = await api.call({ path, headers: bearer(token) });
  return { status, code: status === 200 ? "" : json()["code"], retryAfter: Number(headers["retry-after"]) };
}

const guess = async (api: TestApi, first: number, count: number): Promise<readonly number[]> => {
  const statuses: number[] = [];
  for (let index = first; index < first + count; index++)
    statuses.push((await ask(api, wrong(index))).status);
  return statuses;
};

describe("guessing tokens", () => {
  it("is slowed down for an address, which learns nothing more; what was taken before is taken", async () => {
    await using api = await startApi({ secret });
    const [known, fresh] = [signToken(secret, { sub: "known" }), signToken(secret, { sub: "fresh" })];
    expect((await ask(api, known)).status).toBe(200);
    expect(await guess(api, 0, 12)).toEqual([...Array.from({ length: 11 }, () => 401), 429]);
    // A right guess looks as a wrong one does.
    const [right, other] = [await ask(api, fresh), await ask(api, wrong(99))];
    expect(right).toEqual({ status: 429, code: "too_many_attempts", retryAfter: 1 });
    expect(other).toEqual(right);
    expect((await ask(api, known)).status).toBe(200);
    const elsewhere = { path: "/ingresses", headers: bearer(fresh), from: "127.0.0.2" };
    expect((await api.call(elsewhere)).status).toBe(200);
    const made = await api.call({
      method: "POST",
      path: "/tokens",
      json: { name: "made", scopes: ["ingress:read"] },
      headers: bearer(known),
    });
    expect((await ask(api, made.json<{ token: string }>().token)).status).toBe(200);
    const metrics = await api.telemetry.metrics.text();
    expect(metrics).toContain('gatewright_http_refused_tokens_total{outcome="invalid"} 11');
    expect(metrics).toContain('gatewright_http_refused_tokens_total{outcome="unread"} 3');
    const lines = api.logger.entries.filter(({ message }) => message.includes("a token that is not valid"));
    expect(lines.map(({ fields }) => fields)).toEqual(
      Array.from({ length: 3 }, () => ({ client: "127.0.0.1" })),
    );
    expect(JSON.stringify(api.logger.entries)).not.toContain(wrong(0).split(".").at(-1));
  });

  it("is slowed down where browsers log in, and for tokens of the other kind", async () => {
    await using api = await startApi({ secret });
    const logIn = async (token: string) =>
      (await api.call({ method: "POST", path: "/session", json: { token } })).status;
    for (let index = 0; index < 11; index++)
      expect(await logIn(index % 2 === 0 ? wrong(index) : `gw_wrong${index}`)).toBe(401);
    expect([await logIn(wrong(12)), await logIn("gw_wrong"), await logIn(signToken(secret))]).toEqual([
      429, 429, 429,
    ]);
  });

  it("is not what a client does that repeats a token which has ended, or sends none", async () => {
    await using api = await startApi({ secret });
    const ended = signToken(secret, { exp: 1 });
    for (let index = 0; index < 30; index++) {
      expect((await ask(api, ended)).status).toBe(401);
      expect((await api.call({ path: "/ingresses" })).status).toBe(401);
    }
    expect((await ask(api, signToken(secret))).status).toBe(200);
  });
});

describe("the wait of a client", () => {
  const refusal = new GatewrightError("Unauthorized", "no");

  function world() {
    const now = { ms: 0 };
    const attempts = new Attempts({ logger: recordingLogger(), nowMs: () => now.ms });
    let guesses = 0;
    const waitOf = (client: string): number => {
      try {
        attempts.check(client, "new");
        return 0;
      } catch (error) {
        return (error as GatewrightError).retryAfterSeconds ?? 0;
      }
    };
    const fail = (client: string): string => attempts.failed(client, `guess-${guesses++}`, refusal).code;
    return { attempts, fail, now, waitOf };
  }

  it("doubles with each failure after the free ones, to a minute, and is forgotten after ten", () => {
    const { fail, now, waitOf } = world();
    for (let index = 0; index < 10; index++) fail("a");
    const waits = Array.from({ length: 9 }, () => {
      now.ms += waitOf("a") * 1000;
      fail("a");
      return waitOf("a");
    });
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect([fail("a"), fail("b"), waitOf("b")]).toEqual(["too_many_attempts", "Unauthorized", 0]);
    now.ms += 600_000;
    expect([fail("a"), waitOf("a")]).toEqual(["Unauthorized", 0]);
  });

  it("and tokens that were taken are remembered of the last ten thousand", () => {
    const { attempts, fail, waitOf } = world();
    for (const client of ["first", "second"]) for (let index = 0; index < 11; index++) fail(client);
    attempts.succeeded("old");
    attempts.succeeded("older");
    attempts.succeeded("old");
    for (let index = 0; index < 9_999; index++) {
      fail(`client-${index}`);
      attempts.succeeded(`token-${index}`);
    }
    expect([waitOf("first"), waitOf("second")]).toEqual([0, 1]);
    expect(() => attempts.check("second", "old")).not.toThrow();
    expect(() => attempts.check("second", "older")).toThrow("too many wrong tokens");
  });
});
