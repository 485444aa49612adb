import { describe, expect, it } from "vitest";
import type { Instance } from "../../src/model/api.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import { readInstances } from "../../src/resolver/instance-reader.ts";
import { canonicalName } from "../../src/resolver/registry-request.ts";
import { instanceFrom } from "../support/instances.ts";

const member = (name: string, ip: string, more: Partial<Instance> = {}): Instance => ({
  ...instanceFrom({ name, ip }),
  service: "web",
  ...more,
});

describe("services", () => {
  it("have the addresses of their running instances, in one order, each once", () => {
    const index = new InstanceIndex();
    index.apply(
      [
        member("b", "10.0.0.2"),
        member("a", "10.0.0.10"),
        member("c", "10.0.0.2"),
        member("d", "10.0.0.4", { state: "Stopped" }),
      ],
      [],
    );
    expect(index.resolve("WEB.svc")).toEqual({ kind: "addresses", addresses: ["10.0.0.10", "10.0.0.2"] });
    expect(index.resolve("web.svc")).toBe(index.resolve("web.svc"));
    expect(index.resolve("svc").kind).toBe("no_address");
    expect(index.resolve("other.svc").kind).toBe("unknown");
    expect(index.resolve("web").kind).toBe("unknown");
  });

  it("are told when a member comes, changes or goes, and only then", () => {
    const index = new InstanceIndex();
    expect(index.apply([member("a", "10.0.0.1")], [])).toEqual(
      expect.arrayContaining(["a", "web.svc", "svc"]),
    );
    expect(index.apply([member("b", "10.0.0.2")], [])).toContain("web.svc");
    expect(index.apply([member("c", "10.0.0.3", { state: "Stopped" })], [])).not.toContain("web.svc");
    expect(index.apply([member("b", "10.0.0.2", { service: "api" })], [])).toEqual(
      expect.arrayContaining(["web.svc", "api.svc"]),
    );
    expect(index.resolve("web.svc")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
    index.apply([member("a", "10.0.0.1", { state: "Standby" })], []);
    expect(index.resolve("web.svc")).toEqual({
      kind: "no_address",
      reason: "no instance of the service takes requests",
    });
    index.apply([], ["id-a", "id-b", "id-c"]);
    expect([index.resolve("web.svc").kind, index.resolve("svc").kind]).toEqual(["unknown", "unknown"]);
  });

  it("cannot be taken over by an instance of such a name", () => {
    const index = new InstanceIndex();
    index.apply([member("a", "10.0.0.1"), instanceFrom({ name: "web.svc", ip: "10.6.6.6" })], []);
    expect(index.resolve("web.svc")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
    expect(() => canonicalName("web.svc")).toThrow(/services/);
    expect(() => canonicalName("svc")).toThrow(/services/);
    expect(canonicalName("svc.web")).toBe("svc.web");
  });

  it("come from a tag where the source has none, as hypeman", () => {
    const list = (more: object) =>
      readInstances([{ id: "i", name: "n", state: "Running", network: { ip: "10.0.0.1" }, ...more }])
        .instances[0]?.service;
    expect(list({ tags: { service: "Web" } })).toBe("web");
    expect(list({ service: "api", tags: { service: "web" } })).toBe("api");
    expect(list({ tags: { service: "not a label" } })).toBeUndefined();
  });
});
