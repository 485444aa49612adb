import { describe, expect, it } from "vitest";
import type { ContractRun, IngressBody } from "./contract-run.ts";

/** Creating, listing, finding and deleting ingresses. */
export function resourceContract(run: ContractRun): void {
  describe("success", () => {
    it("answers a create with 201, Location, ETag, every default explicit, keys in alphabetical order", async () => {
      const reply = await run.call({
        method: "POST",
        path: "/ingresses",
        json: run.ingress("first", `first.${run.id}.example.com`),
      });
      expect(reply.status).toBe(201);
      const {
        id,
        created_at: createdAt,
        updated_at: updatedAt,
      } = reply.json<{ id: string; created_at: string; updated_at: string }>();
      expect(id).toMatch(/^[a-z][a-z0-9]{23}$/);
      expect(reply.headers.location).toBe(`/ingresses/${id}`);
      expect(reply.headers["content-type"]).toBe("application/json");
      const port = reply.json<IngressBody>().rules[0]?.match.port;
      expect(reply.text).toBe(
        `{"created_at":"${createdAt}","id":"${id}","name":"${run.id}-first","rules":[{"match":{"hostname":"first.${run.id}.example.com",` +
          `"port":${port}},"redirect_http":false,"target":{"instance":"${run.vm}","port":8080},"tls":false}],"updated_at":"${updatedAt}"}\n`,
      );
      const got = await run.call({ path: `/ingresses/${id}` });
      expect([got.status, got.text, got.headers.etag]).toEqual([200, reply.text, reply.headers.etag]);
    });

    it("reads null and 0 as the default port", async () => {
      const { rules } = await run.create("default-port", `default.${run.id}.example.com`);
      for (const port of [null, 0]) {
        const other = await run.create(`port-${port}`, `port-${port}.${run.id}.example.com`, {
          rules: [
            {
              match: { hostname: `port-${port}.${run.id}.example.com`, port },
              target: { instance: run.vm, port: 1 },
            },
          ],
        });
        expect(other.rules[0]?.match.port).toBe(rules[0]?.match.port);
      }
    });

    it("answers an instance's name for its id and for a unique prefix of it", async () => {
      for (const reference of [`id-${run.id}`, `id-${run.id.slice(0, -1)}`]) {
        const made = await run.create(reference, `${reference}.${run.id}.example.com`, {
          rules: [
            {
              match: { hostname: `${reference}.${run.id}.example.com` },
              target: { instance: reference, port: 1 },
            },
          ],
        });
        expect(made.rules[0]?.target.instance).toBe(run.vm);
      }
    });

    it("keeps a pattern's target as it is", async () => {
      const made = await run.create("pattern", `{a}.{b}.${run.id}.example.com`, {
        rules: [
          { match: { hostname: `{a}.{b}.${run.id}.example.com` }, target: { instance: "{a}-{b}", port: 1 } },
        ],
      });
      expect(made.rules[0]?.target.instance).toBe("{a}-{b}");
    });

    it("answers a header secret in clear, and leaves the key out when there is none", async () => {
      const value = "s".repeat(32);
      const hostname = `secret.${run.id}.example.com`;
      const rule = {
        match: { hostname },
        target: { instance: run.vm, port: 1 },
        request_header_auth: { header: "X-Key", value },
      };
      const made = await run.create("secret", hostname, { rules: [rule] });
      expect(made.rules[0]).toMatchObject({ request_header_auth: { header: "X-Key", value } });
      expect((await run.create("no-secret", `plain.${run.id}.example.com`)).rules[0]).not.toHaveProperty(
        "request_header_auth",
      );
    });

    it("lists by ascending id, and filters by every tag given", async () => {
      const tags = { team: `${run.id} web=1`, env: "prod" };
      const tagged = await run.create("tagged", `tagged.${run.id}.example.com`, { tags });
      await run.create("half-tagged", `half.${run.id}.example.com`, { tags: { team: tags.team } });
      const all = await run.list();
      expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort());
      expect(all.length).toBeGreaterThan(2);
      const query = `tags%5Bteam%5D=${run.id}%20web%3D1&tags%5Benv%5D=prod`;
      expect((await run.call({ path: `/ingresses?${query}` })).json()).toEqual([tagged]);
      expect((await run.call({ path: `/ingresses?tags[team]=${run.id}` })).text).toBe("[]\n");
      expect((await run.call({ path: `/ingresses?tags[team]=${run.id.toUpperCase()}%20web%3D1` })).text).toBe(
        "[]\n",
      );
      expect((await run.call({ path: "/ingresses?unknown=1" })).status).toBe(400);
    });

    it("leaves empty tags out", async () => {
      expect(
        await run.create("empty-tags", `empty-tags.${run.id}.example.com`, { tags: {} }),
      ).not.toHaveProperty("tags");
    });

    it("deletes with 204, without body and Content-Type; the second time with 404", async () => {
      const { id } = await run.create("gone", `gone.${run.id}.example.com`);
      const reply = await run.call({ method: "DELETE", path: `/ingresses/${id}` });
      expect([reply.status, reply.text, reply.headers["content-type"]]).toEqual([204, "", undefined]);
      expect((await run.call({ method: "DELETE", path: `/ingresses/${id}` })).status).toBe(404);
    });

    it("takes an application/json with parameters", async () => {
      const raw = JSON.stringify(run.ingress("charset", `charset.${run.id}.example.com`));
      const headers = { "Content-Type": "Application/JSON; charset=utf-8" };
      expect((await run.call({ method: "POST", path: "/ingresses", raw, headers })).status).toBe(201);
    });
  });

  describe("lookup", () => {
    it("finds by id, by name, by unique id prefix; a name goes before a prefix, a name's prefix finds nothing", async () => {
      const first = await run.create("look", `look.${run.id}.example.com`);
      const all = await run.list();
      const prefix = shortestUniquePrefix(
        first.id,
        all.map(({ id }) => id),
      );
      for (const reference of [first.id, first.name, prefix]) {
        expect((await run.call({ path: `/ingresses/${reference}` })).json()).toEqual(first);
      }
      expect((await run.call({ path: `/ingresses/${first.name.slice(0, -1)}` })).status).toBe(404);
      const hostname = `look-2.${run.id}.example.com`;
      const named = await run.create("unused", hostname, {
        ...run.ingress("unused", hostname),
        name: prefix,
      });
      expect((await run.call({ path: `/ingresses/${prefix}` })).json()).toEqual(named);
      expect((await run.call({ method: "DELETE", path: `/ingresses/${named.id}` })).status).toBe(204);
    });

    it("refuses a prefix of several", async () => {
      // An id starts with one of 26 letters: of 27 ids, two share one.
      for (let index = 0; index < 27; index++)
        await run.create(`many-${index}`, `many-${index}.${run.id}.example.com`);
      const letters = (await run.call({ path: "/ingresses" }))
        .json<readonly IngressBody[]>()
        .map(({ id }) => id.charAt(0));
      const twice = letters.find((letter, index) => letters.indexOf(letter) !== index);
      const reply = await run.call({ path: `/ingresses/${twice}` });
      expect([reply.status, reply.text]).toEqual([
        409,
        '{"code":"ambiguous","message":"multiple resources match, use full ID"}\n',
      ]);
      expect(reply.headers["x-should-retry"]).toBe("false");
    });

    it.each(["nobody", "a%20b%2Fc", "%2e%2e%2fhealth", ".", "__proto__"])(
      "does not find %s",
      async (reference) => {
        for (const method of ["GET", "DELETE"]) {
          const reply = await run.call({ method, path: `/ingresses/${reference}` });
          expect([reply.status, reply.text]).toEqual([
            404,
            '{"code":"not_found","message":"resource not found"}\n',
          ]);
        }
      },
    );
  });
}

function shortestUniquePrefix(id: string, ids: readonly string[]): string {
  for (let length = 1; length < id.length; length++) {
    const prefix = id.slice(0, length);
    if (ids.filter((other) => other.startsWith(prefix)).length === 1) return prefix;
  }
  return id;
}
