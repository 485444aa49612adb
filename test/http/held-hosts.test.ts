import { describe, expect, it } from "vitest";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { admin, bearer, create, created, document, red, world } from "../support/limited.ts";

describe("a token with limits", () => {
  it("takes no name under a host that another subject holds, by any call, and everybody's own stay theirs", async () => {
    await using api = await world();
    const wide = { hostnames: ["*"] };
    const [ann, bob] = [bearer({ sub: "ann", limits: wide }), bearer({ sub: "bob", limits: wide })];
    await created(
      api,
      ann,
      document("literal", "shop.example.com", { path: { type: "prefix", value: "/a" } }),
    );
    await created(api, ann, document("wildcard", "*.dev.example.com"));
    await created(api, ann, document("pattern", "{x}.{y}.cap.example.com", {}, { instance: "{x}" }));
    for (const json of [
      document("x", "shop.example.com", { path: { type: "prefix", value: "/a/b" } }),
      document("x", "shop.example.com", { path: { type: "exact", value: "/c" } }),
      document("x", "shop.example.com", { port: 8080 }),
      document("x", "SHOP.example.com.", { methods: ["GET"] }),
      document("x", "a.dev.example.com"),
      document("x", "{z}.dev.example.com", { path: { type: "prefix", value: "/q" } }, { instance: "{z}" }),
      document("x", "*.b.cap.example.com"),
    ]) {
      for (const [path, body] of [
        ["/ingresses", json],
        ["/apply", [json]],
      ] as const) {
        const reply = await api.call({ method: "POST", path, json: body, headers: bob });
        expect([json.rules[0]?.match, path, reply.status]).toEqual([json.rules[0]?.match, path, 403]);
        expect(reply.text).toContain("another subject's");
      }
      // Whose they are.
      const own = await create(api, ann, json);
      expect([json.rules[0]?.match, own.status]).toEqual([json.rules[0]?.match, 201]);
      await api.call({ method: "DELETE", path: "/ingresses/x", headers: ann });
    }
    await created(api, bob, document("beside", "shop2.example.com"));
    await created(api, bob, document("deeper", "a.b.dev.example.com"));
    await api.call({ method: "DELETE", path: "/ingresses/literal", headers: ann });
    await created(api, bob, document("freed", "shop.example.com"));
  });

  it("demands nothing of TLS for hosts that another subject holds under its wildcard", async () => {
    await using api = await world();
    const { pem: ca_pem } = await createTestAuthority();
    const ann = bearer({ sub: "ann", limits: { hostnames: ["shop.example.com"] } });
    const bob = bearer({ sub: "bob", limits: { hostnames: ["*"] } });
    await created(api, ann, document("shop", "shop.example.com"));
    const wild = (hostname: string, tls_options?: object) => {
      const [rule] = document("wild", hostname).rules;
      return {
        name: "wild",
        rules: [{ ...rule, tls: true, tls_options: { issuer: "internal", ...tls_options } }],
      };
    };
    const strict = { client_auth: { ca_pem, mode: "require" } };
    for (const json of [
      wild("*.example.com", strict),
      wild("*.*.com", strict),
      wild("*.example.com", { min_version: "1.3" }),
    ]) {
      const refused = await create(api, bob, json);
      expect([refused.status, refused.json()["details"]]).toMatchObject([
        403,
        [{ field: "rules[0].tls_options" }],
      ]);
      expect(refused.text).not.toContain("shop");
    }
    expect((await create(api, bob, wild("*.example.com"))).status).toBe(201);
    const replace = async (json: object) =>
      (await api.call({ method: "PUT", path: "/ingresses/wild", json, headers: bob })).status;
    expect(await replace(wild("*.example.com", strict))).toBe(403);
    await api.call({ method: "DELETE", path: "/ingresses/shop", headers: ann });
    expect(await replace(wild("*.example.com", strict))).toBe(200);
    await created(api, ann, document("shop", "shop.example.com"));
    // Who was there first goes on.
    expect(await replace({ ...wild("*.example.com", strict), tags: { a: "b" } })).toBe(200);
    expect(await replace(wild("*.example.com", { ...strict, min_version: "1.3" }))).toBe(403);
  });

  it("may have a part of a wildcard that was given to it", async () => {
    await using api = await world();
    await created(api, admin, document("all", "*.red.example.com"));
    await created(api, admin, document("nobody-minds", "*"));
    expect((await create(api, red, document("x", "a.red.example.com"))).status).toBe(403);
    const granted = bearer({ sub: "red", limits: { hostnames: ["a.red.example.com"] } });
    expect((await create(api, granted, document("x", "a.red.example.com"))).status).toBe(201);
  });

  it.each(["root", undefined])(
    "takes nothing of what %s made under the names that it is given",
    async (sub) => {
      await using api = await world();
      const other = bearer({ sub });
      const path = (value: string) => ({ path: { type: "prefix", value } });
      const send = (method: string, at: string, json: object, headers = red) =>
        api.call({ method, path: at, headers, json });
      const mine = await created(api, red, document("mine", "mine.red.example.com", path("/a")));
      await created(api, other, document("literal", "shop.red.example.com"));
      await created(api, other, document("pattern", "{vm}.dev.red.example.com", {}, { instance: "{vm}" }));
      const both = ["a.dev.red.example.com", "*.dev.red.example.com"];
      for (const [headers, json] of [
        [red, document("x", "shop.red.example.com", path("/login"))],
        [red, document("x", "shop.red.example.com", { port: 8080 })],
        [red, document("x", "SHOP.red.example.com.", { methods: ["GET"] })],
        [
          bearer({ sub: "red", limits: { hostnames: ["*.dev.red.example.com"] } }),
          document("x", both[0] ?? ""),
        ],
      ] as const)
        for (const [method, at, body] of [
          ["POST", "/ingresses", json],
          ["POST", "/apply", [json]],
          ["PUT", `/ingresses/${mine.id}`, json],
          ["PATCH", `/ingresses/${mine.id}`, { rules: json.rules }],
        ] as const) {
          const reply = await send(method, at, body, headers);
          expect([at, reply.status, reply.text]).toEqual([at, 403, expect.stringContaining("or nobody's")]);
        }
      // Of a pattern that is wider than what its limits name, a part was given to it.
      const given = bearer({ sub: "red", limits: { hostnames: both.slice(0, 1) } });
      await created(api, given, document("given", both[0] ?? ""));
    },
  );

  it("keeps what it has where others come later, may change it, and makes it no wider", async () => {
    await using api = await world();
    const path = (value: string) => ({ path: { type: "prefix", value } });
    const send = async (method: string, at: string, json: object) =>
      (await api.call({ method, path: at, headers: red, json })).status;
    const { id } = await created(api, red, document("mine", "mine.red.example.com", path("/a")));
    await created(api, bearer({}), document("later", "mine.red.example.com", path("/a/b")));
    const moved = document("mine", "mine.red.example.com", path("/a"), { port: 81 });
    expect(await send("PUT", `/ingresses/${id}`, moved)).toBe(200);
    expect(await send("POST", "/apply", [{ ...moved, tags: { a: "b" } }])).toBe(200);
    const [deeper] = document("", "mine.red.example.com", path("/a/b/c")).rules;
    const wider = { ...moved, rules: [...moved.rules, deeper] };
    expect(await send("PUT", `/ingresses/${id}`, wider)).toBe(403);
    expect(await send("POST", "/apply", [wider])).toBe(403);
    expect(await send("PUT", `/ingresses/${id}`, document("mine", "mine.red.example.com"))).toBe(403);
  });
});
