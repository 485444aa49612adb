import { describe, expect, it } from "vitest";
import { fillCatalog, readStoredIngress } from "../../src/manager/fill-catalog.ts";
import { createCheck } from "../../src/manager/stored-ingress-check.ts";
import type { Ingress } from "../../src/model/api.ts";
import type { UnreadableDocument } from "../../src/store/document-store.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";

function fill(documents: readonly Ingress[], unreadable: readonly UnreadableDocument[] = []) {
  const logger = recordingLogger();
  const { catalog, problems } = fillCatalog(
    { revision: 1, documents, unreadable },
    compilerSettings(),
    logger,
  );
  return {
    catalog,
    problems,
    logger,
    served: [...catalog.list()].map(({ id }) => id),
    setAside: catalog.setAside.list(),
  };
}

const document = (id: string, text: string): UnreadableDocument => ({
  kind: "document",
  id,
  path: `/data/ingresses/${id}.json`,
  reason: "it is spoilt",
  text,
});

describe("C11: a damaged journal", () => {
  it("is named by its own file, and the hostnames in it stay claimed", () => {
    const { catalog, problems, setAside, logger } = fill(
      [],
      [
        {
          kind: "journal",
          id: ".journal-00000001",
          path: "/data/ingresses/.journal-00000001",
          reason: "a line is unreadable",
          text: '"hostname":"lost.test"',
        },
      ],
    );
    expect(problems).toEqual([
      "the journal file .journal-00000001 is damaged; the hostnames that it names stay claimed: a line is unreadable",
    ]);
    expect(logger.entries).toMatchObject([
      { level: "error", fields: { code: "ingress_unreadable", reason: "a line is unreadable" } },
    ]);
    expect(setAside).toEqual([]);
    const rules = [ruleOf({ hostname: "lost.test" })];
    const { claims } = catalog.setAside.problems({ name: "new", rules });
    expect(claims[0]?.message).toContain("compare the journal file with the ingresses");
  });
});

describe("a file that cannot be read", () => {
  it("is set aside with what its text still tells", () => {
    const text =
      '{"id":"a","name":"shop","rules":[{"match":{"hostname":"a.test"}},{"match":{"protocol":"udp","port":53';
    const { served, setAside, problems, logger } = fill([ingressOf("b")], [document("a", text)]);
    expect([served, problems]).toEqual([["b"], []]);
    expect(setAside).toEqual([
      {
        id: "a",
        name: "shop",
        reason: "unreadable",
        problems: [{ code: "ingress_unreadable", message: "it is spoilt" }],
        hostnames: ["a.test"],
        ports: ["53/udp"],
        text,
      },
    ]);
    expect(logger.entries).toMatchObject([
      {
        level: "error",
        message:
          "ingress file a.json cannot be read and is set aside; its name, hostnames and ports stay claimed",
        fields: { code: "ingress_unreadable", path: "/data/ingresses/a.json", reason: "it is spoilt" },
      },
    ]);
  });

  it("shows 16 KiB of its text, and claims what the rest names", () => {
    const text = `${" ".repeat(20_000)}"hostname":"late.test"`;
    const { setAside } = fill([], [document("long", text), document("none", "")]);
    expect(setAside.map((entry) => [entry.text?.length, entry.hostnames])).toEqual([
      [16_384, ["late.test"]],
      [undefined, []],
    ]);
    expect(setAside[1]).not.toHaveProperty("text");
  });
});

describe("C3: ingresses that claim the same", () => {
  const at = (id: string, updated: string, more: Partial<Ingress> = {}): Ingress =>
    ingressOf(id, { updated_at: updated, rules: [ruleOf({ hostname: "same.test" })], ...more });

  it.each<[string, readonly Ingress[], string]>([
    [
      "was changed last",
      [at("a", "2026-01-01T00:00:00Z"), at("b", "2026-01-03T00:00:00Z"), at("c", "2026-01-02T00:00:00Z")],
      "b",
    ],
    [
      "was changed last, in whatever zone",
      [at("a", "2026-01-01T01:00:00+02:00"), at("b", "2026-01-01T00:00:00Z")],
      "b",
    ],
    [
      "has the first id of those changed together",
      [at("c", "2026-01-01T00:00:00Z"), at("a", "2026-01-01T00:00:00Z"), at("b", "2026-01-01T00:00:00Z")],
      "a",
    ],
    [
      "was changed last, by name",
      [
        at("a", "2026-01-01T00:00:00Z", { name: "one" }),
        at("b", "2026-01-02T00:00:00Z", { name: "one", rules: [ruleOf({ hostname: "other.test" })] }),
      ],
      "b",
    ],
  ])("the one that %s is served", (_, documents, winner) => {
    const { served, setAside, catalog } = fill(documents);
    expect(served).toEqual([winner]);
    expect(setAside.map(({ id }) => id)).toEqual(
      documents
        .map(({ id }) => id)
        .filter((id) => id !== winner)
        .sort(),
    );
    expect(catalog.size).toBe(1);
  });

  it("the others are set aside with all that stands against them, and what they hold", () => {
    const rules = [
      ruleOf({ hostname: "same.test" }),
      ruleOf({ hostname: "own.test" }),
      ruleOf({ hostname: "own.test", path: { type: "prefix", value: "/x" } }),
      ruleOf({ protocol: "tcp", port: 25 }),
      ruleOf({ protocol: "udp", port: 53 }),
    ];
    const older = at("a", "2025-01-01T00:00:00Z", { name: "taken", rules });
    const newer = at("b", "2026-01-01T00:00:00Z", { name: "taken" });
    const { setAside, logger, catalog } = fill([older, newer, ingressOf("c")]);
    expect(setAside).toEqual([
      {
        id: "a",
        name: "taken",
        reason: "conflict",
        problems: [
          expect.objectContaining({ code: "hostname_in_use", field: "rules[0].match.hostname" }),
          { code: "already_exists", field: "name", message: 'the name "taken" belongs to ingress b' },
        ],
        hostnames: ["same.test", "own.test"],
        ports: ["25/tcp", "53/udp"],
        ingress: older,
      },
    ]);
    expect(logger.entries).toMatchObject([
      {
        level: "error",
        message: "stored ingress a is set aside and not served",
        fields: { code: "hostname_in_use", reason: setAside[0]?.problems[0]?.message },
      },
    ]);
    expect([...catalog.list()].map(({ id }) => id)).toEqual(["b", "c"]);
    expect(catalog.idsStartingWith("", 5)).toEqual(["b", "c"]);
  });
});

describe("a stored ingress", () => {
  const ports = { httpPort: 8080, httpsPort: 8443 };
  const stored = ingressOf("a", {
    tags: { team: "web" },
    listen: ["127.0.0.1"],
    gateways: ["edge-1"],
    owner: "team-web",
    rules: [ruleOf({ hostname: "a.test", port: 8080 })],
  });

  it("of ours is taken as it is", () => {
    const ours: unknown = JSON.parse(JSON.stringify(readStoredIngress(stored, ports)));
    expect(ours).toEqual(stored);
    expect(readStoredIngress(ours, ports)).toBe(ours);
    expect(createCheck(ports)(ours)).toBe(ours);
  });

  it("of hypeman's gets what ours has", () => {
    const { created_at, name } = stored;
    const rules = [{ match: { hostname: "A.test" }, target: { instance: "web-1", port: 80 } }];
    expect(readStoredIngress({ id: "a", created_at, name, rules }, ports)).toEqual({
      id: "a",
      name,
      created_at,
      updated_at: created_at,
      rules: [
        {
          match: { hostname: "a.test", port: 8080 },
          target: { instance: "web-1", port: 80 },
          tls: false,
          redirect_http: false,
        },
      ],
    });
  });

  it("with another form is brought into ours, with all that it says", () => {
    const { updated_at, ...rest } = stored;
    const read = readStoredIngress({ ...rest, gateways: ["edge-2", "edge-1"], updated_at }, ports);
    expect(read).toEqual({ ...stored, gateways: ["edge-1", "edge-2"] });
    expect(readStoredIngress({ ...stored, tags: {} }, ports)).not.toHaveProperty("tags");
    expect(readStoredIngress({ ...stored, updated_at: 5 }, ports).updated_at).toBe(stored.created_at);
  });

  it.each<[string, unknown, string]>([
    ["no id", { ...stored, id: undefined }, "id and created_at are missing"],
    ["no time", { ...stored, created_at: 5 }, "id and created_at are missing"],
    ["no rules", { ...stored, rules: undefined }, "rules"],
    ["an unknown key", { ...stored, other: 1 }, "other"],
    ["what ingresses may not say", { ...stored, rules: [ruleOf({ hostname: "a..b" })] }, "empty label"],
  ])("with %s is refused", (_, value, message) => {
    expect(() => readStoredIngress(value, ports)).toThrow(message);
  });
});
