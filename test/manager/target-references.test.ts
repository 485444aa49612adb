import { describe, expect, it } from "vitest";
import { referTargets, withRemedy } from "../../src/manager/target-references.ts";
import type { IngressRule, IngressTarget } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { type InstanceSketch, instanceFrom } from "../support/instances.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { ruleOf } from "../support/sketch.ts";

const guard = {
  deny: ["169.254.0.0/16"],
  denyLocalPorts: [2019],
  allowLoopback: true,
  allow: [],
  localAddresses: () => [],
};

/** The instances that there are. */
async function registry(...sketches: readonly InstanceSketch[]): Promise<InstanceRegistry> {
  const made = new InstanceRegistry({
    store: new MemoryStore(sketches.map(instanceFrom)),
    logger: recordingLogger(),
  });
  await made.start();
  return made;
}

const instances: readonly InstanceSketch[] = [
  { name: "web-1", id: "aaa111" },
  { name: "web-2", id: "bbb222", ip: null },
  { name: "off", enabled: false },
  { name: "meta", ip: "169.254.169.254" },
  { name: "self", ip: "127.0.0.1" },
];

async function refer(rule: IngressRule, canWake?: boolean) {
  const settings = { guard, ...(canWake === undefined ? {} : { canWake }) };
  const { rule: referred, problems } = await referTargets(rule, 2, await registry(...instances), settings);
  return { referred, problems: problems.map(({ code, field }) => `${code} ${field}`), all: problems };
}

const to = (target: IngressTarget, hostname = "a.test"): IngressRule => ruleOf({ hostname }, { target });
const pool = (...targets: readonly IngressTarget[]): IngressRule => {
  const { target: _, ...rest } = ruleOf({ hostname: "a.test" });
  return { ...rest, targets };
};

describe("targets", () => {
  it.each<[string, IngressTarget, IngressTarget]>([
    ["an instance by its name", { instance: "web-1", port: 1 }, { instance: "web-1", port: 1 }],
    [
      "an instance by its id",
      { instance: "aaa111", port: 1, weight: 3 },
      { instance: "web-1", port: 1, weight: 3 },
    ],
    ["an instance by the start of its id", { instance: "aaa", port: 1 }, { instance: "web-1", port: 1 }],
    ["an instance without an address", { instance: "web-2", port: 1 }, { instance: "web-2", port: 1 }],
    ["a service", { service: "web", port: 1 }, { service: "web", port: 1 }],
    ["an address", { address: "10.0.0.9", port: 1 }, { address: "10.0.0.9", port: 1 }],
    ["a name", { address: "db.test", port: 2019 }, { address: "db.test", port: 2019 }],
    [
      "a name with its resolvers",
      { address: "db.test", port: 1, resolvers: ["10.0.0.53", "10.0.0.54:5353"] },
      { address: "db.test", port: 1, resolvers: ["10.0.0.53", "10.0.0.54:5353"] },
    ],
  ])("may be %s", async (_, target, expected) => {
    const { referred, problems } = await refer(to(target));
    expect(problems).toEqual([]);
    expect(referred).toEqual(to(expected));
    expect((await refer(pool(target, target))).referred).toEqual(pool(expected, expected));
  });

  it.each<[string, IngressTarget, readonly string[]]>([
    ["an instance that is unknown", { instance: "nobody", port: 1 }, ["instance_not_found target.instance"]],
    ["no instance", { port: 1 }, ["instance_not_found target.instance"]],
    ["an instance without a network", { instance: "off", port: 1 }, ["instance_no_network target.instance"]],
    ["an instance at a denied address", { instance: "meta", port: 1 }, ["target_not_allowed target"]],
    [
      "an instance that is Gatewright itself",
      { instance: "self", port: 2019 },
      ["target_not_allowed target"],
    ],
    ["a denied address", { address: "169.254.1.1", port: 1 }, ["target_not_allowed target.address"]],
    ["our own listener", { address: "127.0.0.1", port: 2019 }, ["target_not_allowed target.address"]],
    [
      "a resolver that is denied",
      { address: "db.test", port: 1, resolvers: ["10.0.0.53", "169.254.1.1:53", "127.0.0.1:2019"] },
      ["target_not_allowed target.resolvers[1]", "target_not_allowed target.resolvers[2]"],
    ],
    [
      "one to wake without a source that can",
      { instance: "web-1", port: 1, wake: true },
      ["invalid_target target.wake"],
    ],
    [
      "several of these",
      { instance: "nobody", port: 1, wake: true },
      ["instance_not_found target.instance", "invalid_target target.wake"],
    ],
  ])("may not be %s", async (_, target, expected) => {
    const fields = expected.map((one) => one.replace(" ", " rules[2]."));
    expect((await refer(to(target))).problems).toEqual(fields);
    const second = pool({ instance: "web-1", port: 1 }, target);
    expect((await refer(second)).problems).toEqual(
      fields.map((one) => one.replace(".target", ".targets[1]")),
    );
  });

  it("are named in words", async () => {
    const messageOf = async (target: IngressTarget) => (await refer(to(target))).all[0]?.message;
    expect(await messageOf({ instance: "nobody", port: 1 })).toBe(
      'target instance not found: instance "nobody" not found',
    );
    expect(await messageOf({ instance: "off", port: 1 })).toBe(
      'target instance has no network: enable the network of instance "off"',
    );
    expect(await messageOf({ instance: "meta", port: 7 })).toMatch(
      /^target not allowed: port 7 of instance "meta" is /,
    );
    expect(await messageOf({ address: "169.254.1.1", port: 7 })).toMatch(
      /^target not allowed: 169.254.1.1 port 7 is /,
    );
    expect(await messageOf({ address: "a.test", port: 7, resolvers: ["169.254.1.1:53"] })).toMatch(
      /^target not allowed: resolver 169.254.1.1:53 is /,
    );
    expect(await messageOf({ instance: "web-1", port: 1, wake: true })).toMatch(/^wake needs a source/);
  });

  it("may be woken by a source that can", async () => {
    expect((await refer(to({ instance: "web-1", port: 1, wake: true }), true)).problems).toEqual([]);
    expect((await refer(to({ instance: "web-1", port: 1, wake: false }))).problems).toEqual([]);
  });

  it("with captures are found at the request, and those without under a pattern now", async () => {
    const captured = to({ instance: "{one}", port: 1 }, "{one}.a.test");
    expect(await refer(captured)).toMatchObject({ referred: captured, problems: [] });
    expect((await refer(to({ instance: "nobody", port: 1 }, "{one}.a.test"))).problems).toHaveLength(1);
    // Braces that no label fills are a name like any other.
    expect((await refer(to({ instance: "{one}", port: 1 }))).problems).toHaveLength(1);
  });

  it("cannot be judged while the source does not answer", async () => {
    const silent = new InstanceRegistry({ store: new MemoryStore(), logger: recordingLogger() });
    await expect(
      referTargets(to({ instance: "web-1", port: 1 }), 0, silent, { guard }),
    ).rejects.toMatchObject({
      code: "source_unavailable",
      message: expect.stringMatching(/^instances cannot be looked up: ./),
    });
  });
});

describe("an unknown instance", () => {
  const problemsOf = async (rules: readonly (IngressRule | undefined)[], resolver: InstanceRegistry) => {
    const found = await Promise.all(
      rules.map((rule, index) =>
        rule === undefined
          ? []
          : referTargets(rule, index, resolver, { guard }).then(({ problems }) => problems),
      ),
    );
    return withRemedy(found.flat(), rules, resolver).map(({ message }) => message);
  };
  const unknown = (name: string): string => `target instance not found: instance "${name}" not found`;
  const adds = (name: string): string =>
    `GET /instances lists what there is, PUT /instances/${name} adds one`;

  it.each<[string, readonly (IngressRule | undefined)[], readonly string[]]>([
    [
      "is answered with the nearest one and the way to add it",
      [to({ instance: "wbe-1", port: 1 })],
      [`${unknown("wbe-1")}; the nearest name is "web-1"; ${adds("wbe-1")}`],
    ],
    [
      "has none that is near",
      [to({ instance: "postgres", port: 1 })],
      [`${unknown("postgres")}; ${adds("postgres")}`],
    ],
    [
      "three letters away has the nearest one",
      [to({ instance: "web-1xyz", port: 1 })],
      [`${unknown("web-1xyz")}; the nearest name is "web-1"; ${adds("web-1xyz")}`],
    ],
    [
      "four letters away has none",
      [to({ instance: "web-1wxyz", port: 1 })],
      [`${unknown("web-1wxyz")}; ${adds("web-1wxyz")}`],
    ],
    [
      "that is an IP address has the field for one",
      [to({ instance: "127.0.0.1", port: 1 })],
      [
        `${unknown("127.0.0.1")}; for an address, give target.address instead of target.instance; ${adds("127.0.0.1")}`,
      ],
    ],
    [
      "is written into the address as it has to be",
      [to({ instance: "a b/c", port: 1 })],
      [`${unknown("a b/c")}; ${adds("a%20b%2Fc")}`],
    ],
    [
      "is helped once for each document, wherever it stands",
      [
        to({ instance: "off", port: 1 }),
        undefined,
        pool({ instance: "web-1", port: 1 }, { instance: "wbe-1", port: 1 }),
        to({ instance: "wbe-2", port: 1 }),
      ],
      [
        'target instance has no network: enable the network of instance "off"',
        `${unknown("wbe-1")}; the nearest name is "web-1"; ${adds("wbe-1")}`,
        unknown("wbe-2"),
      ],
    ],
  ])("%s", async (_, rules, messages) => {
    expect(await problemsOf(rules, await registry(...instances))).toEqual(messages);
  });

  it.each([
    [10_000, '; the nearest name is "web-1"'],
    [10_001, ""],
  ])("is compared with %i names: %j", async (count, hint) => {
    const many = Array.from({ length: count - 1 }, (_, index) => ({ name: `instance-number-${index}` }));
    const resolver = await registry({ name: "web-1" }, ...many);
    const messages = await problemsOf([to({ instance: "wbe-1", port: 1 })], resolver);
    expect(messages).toEqual([`${unknown("wbe-1")}${hint}; ${adds("wbe-1")}`]);
  });
});
