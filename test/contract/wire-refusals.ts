import { describe, expect, it } from "vitest";
import { httpCall } from "../support/http-call.ts";
import type { ContractRun, IngressBody } from "./contract-run.ts";
import { schemaRefusals, semanticRefusals } from "./refusals.ts";

/** What is refused, and in which words. */
export function refusalContract(run: ContractRun): void {
  describe("unknown paths and methods", () => {
    it.each(["/ingresses/", "/nothing", "/", "/v1/ingresses", "/Ingresses", "/ingresses/a/b"])(
      "answers 404 text for %s",
      async (path) => {
        const reply = await httpCall(run.target.url, { path });
        expect([reply.status, reply.text]).toEqual([404, "404 page not found\n"]);
        expect(reply.headers["content-type"]).toMatch(/^text\/plain/);
      },
    );

    it.each([
      ["PUT", "/ingresses", "GET, HEAD, POST"],
      ["POST", "/ingresses/x", "GET, HEAD, PUT, PATCH, DELETE"],
      ["OPTIONS", "/ingresses", "GET, HEAD, POST"],
      ["POST", "/health", "GET, HEAD"],
    ])("answers %s %s with 405, Allow and no body", async (method, path, allow) => {
      const reply = await httpCall(run.target.url, { method, path });
      expect([reply.status, reply.text, reply.headers.allow]).toEqual([405, "", allow]);
    });

    it("answers HEAD as GET without the body", async () => {
      const { id } = await run.create("head", `head.${run.id}.example.com`);
      const get = await run.call({ path: `/ingresses/${id}` });
      const head = await run.call({ method: "HEAD", path: `/ingresses/${id}` });
      expect([head.status, head.text, head.headers["content-length"]]).toEqual([
        200,
        "",
        get.headers["content-length"],
      ]);
      expect(await run.call({ method: "HEAD", path: "/ingresses" })).toMatchObject({ status: 200, text: "" });
    });
  });

  describe("refusals", () => {
    const table = [...schemaRefusals(run.host("a"), run.vm), ...semanticRefusals(run.host("a"), run.vm)];

    it.each(table)("$status $code: $name", async ({ call: request, status, code, message, fields }) => {
      const reply = await run.call(request);
      const body = reply.json<{
        code: string;
        message: string;
        details?: { field?: string; message: string }[];
      }>();
      expect([reply.status, body.code]).toEqual([status, code]);
      if (typeof message === "string") expect(body.message).toBe(message);
      else expect(body.message).toMatch(message);
      if (fields !== undefined)
        expect(body.details?.map(({ field }) => field ?? "")).toEqual(fields.length === 0 ? [""] : fields);
      expect(reply.text.endsWith("\n")).toBe(true);
      expect(reply.headers["x-should-retry"]).toBe("false");
    });

    it("changes nothing by a refusal", async () => {
      const names = (await run.call({ path: "/ingresses" }))
        .json<readonly IngressBody[]>()
        .map(({ name }) => name);
      expect(names.filter((name) => name === "refused" || name === "a")).toEqual([]);
    });

    it("refuses a name and a hostname that are taken, with 409 that is not to be retried", async () => {
      await run.create("taken", `taken.${run.id}.example.com`);
      const sameName = await run.call({
        method: "POST",
        path: "/ingresses",
        json: run.ingress("taken", `free.${run.id}.example.com`),
      });
      expect([sameName.status, sameName.json()["code"]]).toEqual([409, "already_exists"]);
      const sameHost = await run.call({
        method: "POST",
        path: "/ingresses",
        json: run.ingress("free", `TAKEN.${run.id}.example.com.`),
      });
      expect([sameHost.status, sameHost.json()["code"]]).toEqual([409, "hostname_in_use"]);
      expect(sameHost.json()["message"]).toContain(`taken.${run.id}.example.com`);
      expect([sameName, sameHost].map(({ headers }) => headers["x-should-retry"])).toEqual([
        "false",
        "false",
      ]);
    });
  });
}
