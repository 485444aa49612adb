import { describe, expect, it } from "vitest";
import { type HttpReply, httpCall } from "../support/http-call.ts";
import { signedText, signToken, unsignedToken } from "../support/sign-token.ts";
import type { ContractRun } from "./contract-run.ts";
import { documentedOperations } from "./documented.ts";

/** Tokens, scopes, and what is public. */
export function authContract(run: ContractRun): void {
  describe("authentication", () => {
    const now = (): number => Math.floor(Date.now() / 1000);
    const send = (
      authorization: string | undefined,
      path = "/ingresses",
      method = "GET",
    ): Promise<HttpReply> =>
      httpCall(run.target.url, {
        method,
        path,
        ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }),
      });

    it.each([
      ["no header", () => undefined, "authorization header required"],
      ["another scheme", () => "Basic YTpi", "invalid authorization header format"],
      ["no token", () => "Bearer", "invalid authorization header format"],
      ["garbage", () => "Bearer x.y.z", "invalid token"],
      ["another key", () => `Bearer ${signToken(`${run.target.secret}x`)}`, "invalid token"],
      [
        "C9: a payload that is no JSON",
        () => `Bearer ${signedText(run.target.secret, "no JSON")}`,
        "invalid token",
      ],
      [
        "C9: a payload that is a list",
        () => `Bearer ${signedText(run.target.secret, "[]")}`,
        "invalid token",
      ],
      [
        "C9: a payload that is null",
        () => `Bearer ${signedText(run.target.secret, "null")}`,
        "invalid token",
      ],
      ["no signature", () => `Bearer ${unsignedToken()}`, "invalid token"],
      [
        "an expired token",
        () => `Bearer ${signToken(run.target.secret, { exp: now() - 1 })}`,
        "invalid token",
      ],
      [
        "a token of tomorrow",
        () => `Bearer ${signToken(run.target.secret, { nbf: now() + 60 })}`,
        "invalid token",
      ],
      [
        "a registry token (repos)",
        () => `Bearer ${signToken(run.target.secret, { repos: [] })}`,
        "invalid token type",
      ],
      [
        "a registry token (scope)",
        () => `Bearer ${signToken(run.target.secret, { scope: "" })}`,
        "invalid token type",
      ],
      [
        "a registry token (build_id)",
        () => `Bearer ${signToken(run.target.secret, { build_id: null })}`,
        "invalid token type",
      ],
    ])("refuses %s", async (_name, authorization, reason) => {
      const reply = await send(authorization());
      expect(reply.text).toBe(
        `{"code":"Unauthorized","message":"security requirements failed: ${reason}"}\n`,
      );
      expect([reply.status, reply.headers["www-authenticate"]]).toEqual([401, undefined]);
    });

    it.each([
      ["HS256", () => signToken(run.target.secret)],
      ["HS384", () => signToken(run.target.secret, {}, "HS384")],
      ["HS512", () => signToken(run.target.secret, {}, "HS512")],
      ["an iat in the future", () => signToken(run.target.secret, { iat: now() + 3600 })],
      ["a builder's sub", () => signToken(run.target.secret, { sub: "builder-1", exp: now() + 60 })],
      ["permissions *", () => signToken(run.target.secret, { permissions: ["*"] })],
    ])("accepts %s", async (_name, make) => {
      expect((await send(`bEaReR ${make()}`)).status).toBe(200);
    });

    it.each(documentedOperations().filter(({ scopes }) => scopes.length > 0))(
      "$method $path wants a token, then $scopes, then a body",
      async ({ method, path, scopes, bodySchema }) => {
        const address = path.replace("{id}", "nobody");
        expect((await send(undefined, address, method)).status).toBe(401);
        const others = [
          "ingress:read",
          "ingress:write",
          "ingress:delete",
          "instance:read",
          "instance:write",
          "certificate:read",
          "certificate:write",
          "admin:read",
          "admin:write",
        ];
        const lacking = signToken(run.target.secret, {
          permissions: others.filter((scope) => !scopes.includes(scope)),
        });
        const headers = { Authorization: `Bearer ${lacking}` };
        const reply = await httpCall(run.target.url, {
          method,
          path: address,
          headers,
          ...(bodySchema === undefined ? {} : { json: 1 }),
        });
        expect(reply.text).toBe(`{"code":"Forbidden","message":"missing required scope: ${scopes[0]}"}\n`);
        expect(reply.status).toBe(403);
        const permitted = {
          Authorization: `Bearer ${signToken(run.target.secret, { permissions: scopes })}`,
          // A stream of events has no end.
          Accept: "application/json",
        };
        if (bodySchema !== undefined) {
          const refused = await httpCall(run.target.url, {
            method,
            path: address,
            headers: permitted,
            json: 1,
          });
          expect(refused.json()["code"]).toBe("Bad Request");
        }
        // An id that nobody has changes nothing; a PUT of an instance would.
        if (method === "POST" || path === "/instances/{id}") return;
        const json =
          bodySchema === "PutInstanceTrafficRequest"
            ? { mode: "active" }
            : run.ingress("scope", run.host("scope"));
        const passed = await httpCall(run.target.url, {
          method,
          path: address,
          headers: permitted,
          ...(bodySchema === undefined ? {} : { json }),
        });
        expect([200, 404]).toContain(passed.status);
      },
    );

    it("permits nothing when permissions is no list", async () => {
      const reply = await send(`Bearer ${signToken(run.target.secret, { permissions: "*" })}`);
      expect(reply.status).toBe(403);
    });

    it("keeps health, readiness and the document public", async () => {
      const health = await send(undefined, "/health");
      expect([health.status, health.text]).toEqual([200, '{"status":"ok"}\n']);
      for (const path of ["/ready", "/openapi.json", "/docs"])
        expect((await send(undefined, path)).status).toBe(200);
    });
  });
}
