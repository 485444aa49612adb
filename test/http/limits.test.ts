import { describe, expect, it } from "vitest";
import type { Ingress, Plan } from "../../src/model/api.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import type { TestApi } from "../support/http-api.ts";
import { admin, bearer, blue, create, created, document, limits, red, world } from "../support/limited.ts";

const whole = (api: TestApi): string => JSON.stringify([...api.manager.list()]);

describe("a token with limits", () => {
  it("finds its own alone", async () => {
    await using api = await world();
    const mine = await created(api, red, document("mine", "a.red.example.com"));
    await created(api, blue, document("theirs", "a.blue.example.com"));
    for (const reference of [mine.id, "mine", mine.id.slice(0, 1)]) {
      const reply = await api.call({ path: `/ingresses/${reference}`, headers: red });
      expect([reference, reply.status, reply.json()["owner"]]).toEqual([reference, 200, "red"]);
    }
    const listed = await api.call({ path: "/ingresses", headers: red });
    expect(listed.json<readonly Ingress[]>().map(({ name }) => name)).toEqual(["mine"]);
    const paged = await api.call({ path: "/ingresses?limit=1&q=e", headers: red });
    expect([paged.json<readonly Ingress[]>().length, paged.headers.link]).toEqual([1, undefined]);
  });

  it.each([
    ["a hostname beyond", document("x", "a.blue.example.com"), "rules[0].match.hostname"],
    ["two labels under a wildcard", document("x", "a.b.red.example.com"), "rules[0].match.hostname"],
    ["another spelling of one beyond", document("x", "A.BLUE.example.com."), "rules[0].match.hostname"],
    ["every host", document("x", "*"), "rules[0].match.hostname"],
    ["a wider wildcard", document("x", "*.example.com"), "rules[0].match.hostname"],
    ["a pattern", document("x", "{a}.{b}.example.com"), "rules[0].match.hostname"],
    ["an instance beyond", document("x", "a.red.example.com", {}, { instance: "vm-2" }), "rules[0].target"],
    ["a captured instance", document("x", "{a}.red.example.com", {}, { instance: "{a}" }), "rules[0].target"],
    [
      "forward_auth",
      {
        name: "x",
        rules: [
          {
            ...document("x", "a.red.example.com").rules[0],
            policies: { forward_auth: { url: "http://vm-2.vm.internal/" } },
          },
        ],
      },
      "rules[0].policies.forward_auth",
    ],
  ])("is refused %s, however it is asked for", async (_name, json, field) => {
    await using api = await world();
    const mine = await created(api, red, document("mine", "own.red.example.com"));
    const before = whole(api);
    const calls = [
      { method: "POST", path: "/ingresses", json },
      { method: "PUT", path: `/ingresses/${mine.id}`, json },
      { method: "PATCH", path: `/ingresses/${mine.id}`, json: { rules: json.rules } },
      { method: "POST", path: "/apply", json: [json] },
    ];
    for (const call of calls) {
      const reply = await api.call({ ...call, headers: red });
      const fields = reply.json<{ details?: { field: string }[] }>().details?.map((one) => one.field) ?? [];
      expect([call.path, reply.status, reply.json()["code"]]).toEqual([call.path, 403, "Forbidden"]);
      expect(fields[0]?.endsWith(field), `${fields[0]}`).toBe(true);
      expect(reply.text).toContain("limits.");
    }
    for (const change of [{ create: json }, { replace: { id: mine.id, ingress: json } }]) {
      const reply = await api.call({ method: "POST", path: "/plan", json: change, headers: red });
      expect(reply.json<Plan>()).toMatchObject({ accepted: false, problems: [{ code: "Forbidden" }] });
    }
    expect(whole(api)).toBe(before);
  });

  it("may have the policies that it is said to, and no others", async () => {
    await using api = await world();
    const some = bearer({ sub: "red", limits: { policies: ["compress"] } });
    const rule = document("x", "a.test").rules[0];
    const having = (policies: object) => ({ name: "x", rules: [{ ...rule, policies }] });
    const refused = await create(api, some, having({ compress: true, max_request_body: "1MB" }));
    expect([refused.status, refused.json()["details"]]).toMatchObject([
      403,
      [{ field: "rules[0].policies.max_request_body" }],
    ]);
    expect((await create(api, some, document("x", "a.test"))).status).toBe(201);
  });

  it("may take the imported certificates that it is said to, by whatever it names them", async () => {
    await using api = await world();
    const authority = await createTestAuthority();
    const ids = await Promise.all(
      ["given", "other"].map(async (name) => {
        const { certificate, key } = await authority.issue({ names: ["a.test"] });
        const json = { name, certificate_pem: certificate, key_pem: key };
        const made = await api.call({ method: "POST", path: "/certificates", json, headers: admin });
        return made.json<{ id: string }>().id;
      }),
    );
    const some = bearer({ sub: "red", limits: { certificates: ["given"] } });
    const rule = document("x", "a.test").rules[0];
    const having = (more: object) => ({ name: "x", rules: [{ ...rule, ...more }] });
    const serving = (certificate: string) => having({ tls: true, tls_options: { certificate } });
    const showing = (certificate: string) => having({ upstream: { scheme: "https", tls: { certificate } } });
    for (const [json, field] of [
      [serving("other"), "tls_options.certificate"],
      [serving(ids[1] ?? ""), "tls_options.certificate"],
      [showing("other"), "upstream.tls.certificate"],
    ] as const) {
      const refused = await create(api, some, json);
      expect([refused.status, refused.json()["details"]]).toMatchObject([
        403,
        [{ field: `rules[0].${field}`, message: expect.stringContaining("limits.certificates") }],
      ]);
    }
    const listed = await api.call({ path: "/certificates", headers: some });
    expect(listed.json()).toMatchObject([{ name: "given", used_by: 0, names: ["a.test"] }]);
    for (const json of [serving("given"), serving(ids[0] ?? ""), showing("given")]) {
      expect((await create(api, some, json)).status).toBe(201);
      await api.call({ method: "DELETE", path: "/ingresses/x", headers: some });
    }
  });

  it("may have the ports that it is said to, those that the settings imply too", async () => {
    await using api = await world();
    const { rules } = await created(api, admin, document("plain", "plain.test"));
    const http = rules[0]?.match.port ?? 0;
    const some = bearer({ sub: "red", limits: { ports: [http] } });
    const other = bearer({ sub: "red", limits: { ports: [http + 1] } });
    const before = whole(api);
    for (const [headers, json] of [
      [other, document("x", "a.test")],
      [other, document("x", "a.test", { port: 0 })],
      [some, document("x", "a.test", { port: http + 1 })],
    ] as const)
      for (const [path, body] of [
        ["/ingresses", json],
        ["/apply", [json]],
      ] as const) {
        const reply = await api.call({ method: "POST", path, json: body, headers });
        expect([path, reply.status]).toEqual([path, 403]);
        expect(reply.text).toContain("is beyond the token's limits: limits.ports is [");
      }
    expect(whole(api)).toBe(before);
    expect((await create(api, some, document("x", "a.test"))).status).toBe(201);
    const secure = bearer({ sub: "blue", limits: { ports: [8443] } });
    const [rule] = document("y", "b.test", { port: 8443 }).rules;
    const having = (redirect_http: boolean) => ({
      name: "y",
      rules: [{ ...rule, tls: true, tls_options: { issuer: "internal" }, redirect_http }],
    });
    const refused = await create(api, secure, having(true));
    expect([refused.status, refused.json()["details"]]).toMatchObject([
      403,
      [{ field: "rules[0].redirect_http" }],
    ]);
    expect((await create(api, secure, having(false))).status).toBe(201);
  });

  it("is one of several who ask for a host at once, and one of them gets it", async () => {
    await using api = await world();
    const subjects = ["ann", "bob", "eve", "joe"];
    const replies = await Promise.all(
      subjects.map((sub) =>
        create(
          api,
          bearer({ sub, limits: {} }),
          document(sub, "contested.test", { path: { type: "prefix", value: `/${sub}` } }),
        ),
      ),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 403, 403, 403]);
    expect([...api.manager.list()].length).toBe(1);
  });

  it("prunes its own alone, and takes nobody's name or id in a set", async () => {
    await using api = await world();
    await created(api, red, document("mine", "a.red.example.com"));
    const theirs = await created(api, blue, document("theirs", "a.blue.example.com"));
    const apply = (json: object) =>
      api.call({ method: "POST", path: "/apply?prune=all", json, headers: red });
    for (const set of [
      [document("theirs", "b.red.example.com")],
      [{ ...document("other", "b.red.example.com"), id: theirs.id }],
    ]) {
      const reply = await apply(set);
      expect([reply.status, reply.json()["code"]]).toEqual([409, "already_exists"]);
      expect(reply.text).not.toContain("blue");
    }
    const done = await apply([{ ...document("new", "b.red.example.com"), owner: "blue" }]);
    expect(done.json()).toMatchObject({ created: 1, deleted: 1 });
    expect([...api.manager.list()].map(({ name, owner }) => `${name} ${owner}`).sort()).toEqual([
      "new red",
      "theirs blue",
    ]);
  });

  it("is told that a hostname is taken, and not by whom", async () => {
    await using api = await world();
    await api.call({
      method: "POST",
      path: "/ingresses",
      json: document("nobodys-secret", "a.red.example.com"),
      headers: bearer({}),
    });
    const reply = await create(api, red, document("x", "a.red.example.com"));
    expect([reply.status, reply.json()["code"]]).toEqual([409, "hostname_in_use"]);
    expect(reply.text).not.toContain("nobodys-secret");
  });

  it("is held to limits of which it was made here, and to none that cannot be read", async () => {
    await using api = await world();
    const make = (json: object) => api.call({ method: "POST", path: "/tokens", json, headers: admin });
    const team = { name: "red", scopes: ["ingress:read", "ingress:write", "admin:write"], limits };
    const { token } = (await make(team)).json<{ token: string }>();
    const headers = { Authorization: `Bearer ${token}` };
    expect((await create(api, headers, document("a", "a.red.example.com"))).json()["owner"]).toBe("red");
    expect((await create(api, headers, document("b", "a.blue.example.com"))).status).toBe(403);
    const wider = {
      method: "POST",
      path: "/tokens",
      json: { name: "free", scopes: ["ingress:write"] },
      headers,
    };
    expect((await api.call(wider)).status).toBe(403);
    expect((await make({ ...team, name: "x", subject: "anonymous" })).status).toBe(400);
    expect((await make({ ...team, name: "x", limits: { hostnames: ["a b"] } })).status).toBe(400);
    for (const claims of [
      { sub: "red", limits: "none" },
      { sub: "red", limits: null },
      { sub: "red", limits: { hostname: ["*"] } },
      { sub: "red", limits: [] },
      { limits: {} },
      { sub: "anonymous", limits: {} },
      { sub: "socket", limits: {} },
      { sub: "x".repeat(200), limits: {} },
    ])
      expect([claims, (await api.call({ path: "/ingresses", headers: bearer(claims) })).status]).toEqual([
        claims,
        401,
      ]);
  });
});

describe("the owner", () => {
  it("is who created it, through changes by others, and nobody without a token that says", async () => {
    await using api = await world();
    const mine = await created(api, red, document("mine", "a.red.example.com"));
    const path = `/ingresses/${mine.id}`;
    const got = (await api.call({ path, headers: admin })).json();
    expect((await api.call({ method: "PUT", path, json: got, headers: admin })).json()["owner"]).toBe("red");
    const patch = { tags: { a: "b" }, owner: "root" };
    expect((await api.call({ method: "PATCH", path, json: patch, headers: admin })).json()["owner"]).toBe(
      "red",
    );
    expect(await created(api, bearer({}), document("free", "b.red.example.com"))).not.toHaveProperty("owner");
    await api.call({ method: "DELETE", path, headers: admin });
    const revision = api.manager.revision - 1;
    const back = { method: "POST", path: `/revisions/${revision}/rollback`, headers: admin };
    expect((await api.call(back)).status).toBe(200);
    expect((await api.call({ path, headers: red })).json()["owner"]).toBe("red");
  });
});
