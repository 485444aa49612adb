import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import document from "../../src/model/openapi.json" with { type: "json" };
import { parseBody, prepareSchema, type SchemaName } from "../../src/validation/schema.ts";
import { schemaProblems } from "../support/schema-problems.ts";

const rule = { match: { hostname: "a.example.com" }, target: { instance: "vm", port: 1 } };

describe("the schemas", () => {
  const schemas = Object.entries(document.components.schemas) as [string, object][];
  const ajv = new Ajv2020({ strict: false });

  it.each(schemas)("%s fits the metaschema of JSON Schema 2020-12", (_name, schema) => {
    expect(ajv.validateSchema(schema), ajv.errorsText()).toBe(true);
  });

  it.each(schemas.filter(([, schema]) => "examples" in schema))(
    "%s accepts its own examples",
    (name, schema) => {
      for (const example of (schema as { examples: unknown[] }).examples) {
        if (name === "ErrorResponse") continue;
        expect(schemaProblems(name as SchemaName, example)).toEqual([]);
      }
    },
  );
});

describe("parseBody", () => {
  it("returns what fits, as it is", () => {
    const body = {
      name: "a",
      rules: [{ ...rule, match: { hostname: "x", port: null } }],
      tags: { "a b": "" },
    };
    expect(parseBody("CreateIngressRequest", body)).toBe(body);
  });

  it("counts characters, not UTF-16 units or bytes", () => {
    expect(
      schemaProblems("CreateIngressRequest", { name: "a", rules: [rule], tags: { k: "a".repeat(256) } }),
    ).toEqual([]);
    const [problem] = schemaProblems("CreateIngressRequest", {
      name: "a",
      rules: [rule],
      tags: { k: "a".repeat(257) },
    });
    expect(problem).toEqual({
      code: "out_of_range",
      field: "tags.k",
      message: "maximum string length is 256: shorten it",
    });
  });

  it.each<[string, SchemaName, unknown, object]>([
    [
      "a missing key",
      "CreateIngressRequest",
      { rules: [rule] },
      { code: "required", field: "name", message: 'property "name" is missing: add it' },
    ],
    [
      "a misspelt key",
      "CreateIngressRequest",
      { name: "a", rules: [{ ...rule, redirect_htpp: true }] },
      {
        code: "unknown_key",
        field: "rules[0].redirect_htpp",
        message: 'property "redirect_htpp" is unsupported: the nearest known key is "redirect_http"',
      },
    ],
    [
      "a key that is like none",
      "CreateIngressRequest",
      { name: "a", rules: [rule], foo: 1 },
      {
        code: "unknown_key",
        field: "foo",
        message:
          'property "foo" is unsupported: remove it; known keys are name, tags, listen, gateways, rules',
      },
    ],
    [
      "swapped letters",
      "CreateIngressRequest",
      { name: "a", rules: [{ ...rule, tsl: true }] },
      {
        code: "unknown_key",
        field: "rules[0].tsl",
        message: 'property "tsl" is unsupported: the nearest known key is "tls"',
      },
    ],
    [
      "a wrong type",
      "PutInstanceRequest",
      { network: { ip: 5 } },
      {
        code: "wrong_type",
        field: "network.ip",
        message: "value must be a string: send a JSON string or null",
      },
    ],
    [
      "null",
      "CreateIngressRequest",
      { name: null, rules: [rule] },
      { code: "wrong_type", field: "name", message: "Value is not nullable: send a JSON string" },
    ],
    [
      "too many tags",
      "CreateIngressRequest",
      {
        name: "a",
        rules: [rule],
        tags: Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`k${index}`, "v"])),
      },
      { code: "out_of_range", field: "tags", message: "there must be at most 50 properties: remove some" },
    ],
    [
      "a value that is not listed",
      "CreateIngressRequest",
      { name: "a", rules: [{ ...rule, match: { hostname: "x", path: { type: "regex", value: "/" } } }] },
      {
        code: "invalid_value",
        field: "rules[0].match.path.type",
        message: 'value is not one of the allowed values ["prefix","exact"]: use one of them',
      },
    ],
    [
      "repeated methods",
      "CreateIngressRequest",
      { name: "a", rules: [{ ...rule, match: { hostname: "x", methods: ["GET", "GET"] } }] },
      {
        code: "invalid_value",
        field: "rules[0].match.methods",
        message: "duplicate items found: name each once",
      },
    ],
  ])("explains %s", (_name, schema, value, problem) => {
    expect(schemaProblems(schema, value)).toEqual([problem]);
  });

  it("says what a form is by its description, and begins as a sentence does", () => {
    const methods = (method: string) => ({
      name: "a",
      rules: [{ ...rule, match: { hostname: "x", methods: [method] } }],
    });
    const [method] = schemaProblems("CreateIngressRequest", methods(""));
    expect(method?.message).toMatch(/^minimum string length is 1: /);
    const [id] = schemaProblems("PutInstanceRequest", { id: "", network: { ip: "10.0.0.1" } });
    expect(id?.message).not.toMatch(/\.$/);
  });

  it("names the first problem in hypeman's words, with its path, and the nearest key of unknown ones", () => {
    const messageOf = (body: object): string => {
      try {
        parseBody("CreateIngressRequest", body);
      } catch (error) {
        if (isGatewrightError(error)) return error.message;
      }
      return "";
    };
    const head =
      "request body has an error: doesn't match schema #/components/schemas/CreateIngressRequest: ";
    expect(messageOf({ name: "a", rules: [{ ...rule, tls: 1 }] })).toBe(
      `${head}Error at "/rules/0/tls": value must be a boolean`,
    );
    expect(messageOf({ name: "a", rules: [rule], tagz: {} })).toBe(
      `${head}Error at "/tagz": property "tagz" is unsupported (the nearest known key is "tags")`,
    );
  });

  it.each([
    [[], "value must be an object"],
    [["rules"], "value must be an object"],
    ["rules", "value must be an object"],
    [5, "value must be an object"],
    [null, "Value is not nullable"],
  ])("has no field for the whole: %j", (value, reason) => {
    expect(schemaProblems("CreateIngressRequest", value)).toEqual([
      { code: "wrong_type", message: `${reason}: send a JSON object` },
    ]);
    expect(() => parseBody("CreateIngressRequest", value)).toThrow(
      `doesn't match schema #/components/schemas/CreateIngressRequest: ${reason}`,
    );
  });

  it.each([
    [{ rules: null }, "Value is not nullable"],
    [{ rules: { length: 5_001 } }, "value must be an array"],
    [{ rules: "x".repeat(5_001) }, "value must be an array"],
  ])("takes no other thing for rules: %#", (value, reason) => {
    expect(schemaProblems("CreateIngressRequest", { name: "a", ...value })).toEqual([
      { code: "wrong_type", field: "rules", message: `${reason}: send a JSON array` },
    ]);
  });

  it("lists two hundred problems whole", () => {
    const unknown = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`unknown${index}`, 1]));
    const problems = (count: number) =>
      schemaProblems("CreateIngressRequest", { name: "a", rules: [rule], ...unknown(count) });
    expect([problems(200).length, problems(201).length]).toEqual([200, 201]);
    expect(problems(200).at(-1)?.code).toBe("unknown_key");
    expect(problems(201).at(-1)).toEqual({
      code: "Bad Request",
      message: "1 more problems are not listed: mend these first",
    });
  });

  it("looks past null and text for what is too long", () => {
    const rules = [{ ...rule, match: { hostname: "x", port: null, methods: Array(5_001).fill("GET") } }];
    expect(schemaProblems("CreateIngressRequest", { name: "a", tags: null, rules })).toEqual([
      {
        code: "out_of_range",
        field: "rules[0].match.methods",
        message: "maximum number of items is 5000: remove some",
      },
    ]);
  });

  it("finds problems in hypeman's order: by key, what is missing last", () => {
    const value = {
      rules: [
        { ...rule, tls: 1 },
        { target: { instance: 5 } },
        rule,
        rule,
        rule,
        rule,
        rule,
        rule,
        rule,
        rule,
        { ...rule, tls: 1 },
      ],
      tags: 1,
    };
    expect(schemaProblems("CreateIngressRequest", value).map(({ field }) => field)).toEqual([
      "rules[0].tls",
      "rules[1].target.instance",
      "rules[1].target.port",
      "rules[1].match",
      "rules[10].tls",
      "tags",
      "name",
    ]);
  });

  it("never repeats a value, which may be a secret", () => {
    const value = "short secret";
    const body = {
      name: value,
      rules: [{ ...rule, request_header_auth: { header: 1, value } }],
      tags: { k: `${value}!` },
    };
    expect(() => parseBody("CreateIngressRequest", body)).toThrow(/doesn't match schema/);
    expect(JSON.stringify(schemaProblems("CreateIngressRequest", body))).not.toContain(value);
  });

  it("stays bounded whatever is sent", () => {
    const many = Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`unknown${index}`, 1]));
    const problems = schemaProblems("CreateIngressRequest", { name: "a", rules: [rule], ...many });
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)?.message).toBe("3800 more problems are not listed: mend these first");
    const [long] = schemaProblems("CreateIngressRequest", {
      name: "a",
      rules: [rule],
      ["k".repeat(500_000)]: 1,
    });
    expect(JSON.stringify(long).length).toBeLessThan(1000);
  });

  it.each([
    ["rules", { name: "a", rules: Array.from({ length: 5_001 }, () => ({ match: {} })) }],
    ["rules", { name: "a", rules: Array.from({ length: 100_000 }, () => 1) }],
    [
      "rules[0].match.methods",
      { name: "a", rules: [{ match: { methods: Array.from({ length: 100_000 }, () => 1) } }] },
    ],
  ])("C2: refuses an array that is too long before it looks at its members: %s", (field, value) => {
    expect(schemaProblems("CreateIngressRequest", value)).toEqual([
      { code: "out_of_range", field, message: "maximum number of items is 5000: remove some" },
    ]);
  });

  it("C2: refuses an object with too many keys before it looks at them", () => {
    const tags = Object.fromEntries(Array.from({ length: 5_001 }, (_, index) => [`${index}`, 1]));
    expect(schemaProblems("CreateIngressRequest", { name: "a", rules: [rule], tags })).toEqual([
      { code: "out_of_range", field: "tags", message: "there must be at most 5000 properties: remove some" },
    ]);
  });

  it("C2: looks at no more rules than it needs for a list of problems, and says so", () => {
    let looked = 0;
    const bad = Object.fromEntries(Array.from({ length: 26 }, (_, index) => [`unknown${index}`, 1]));
    const rules = Array.from(
      { length: 5_000 },
      () =>
        new Proxy(bad, {
          ownKeys: (target) => {
            looked++;
            return Reflect.ownKeys(target);
          },
        }),
    );
    const problems = schemaProblems("CreateIngressRequest", { name: "a", rules });
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)?.message).toMatch(/^at least \d+ more problems are not listed: mend these first$/);
    // Once each for their number; ajv, which looks at one after another, at the first ones only.
    expect(looked).toBeLessThan(6_000);
  });

  it("C2: finds the problems of late rules too", () => {
    const rules = Array.from({ length: 5_000 }, (_, index) => (index < 4_990 ? rule : { ...rule, extra: 1 }));
    const problems = schemaProblems("CreateIngressRequest", { name: "a", rules });
    expect(problems.map(({ field }) => field)).toEqual(
      Array.from({ length: 10 }, (_, index) => `rules[${4_990 + index}].extra`),
    );
  });

  it("throws Bad Request with every problem", () => {
    try {
      parseBody("CreateIngressRequest", { name: 1 });
      expect.unreachable();
    } catch (error) {
      if (!isGatewrightError(error, "Bad Request")) throw error;
      expect(error.details.map(({ field }) => field)).toEqual(["name", "rules"]);
    }
  });
});

it("says the same of a value whether its schema was compiled in pieces or at once", async () => {
  const body = {
    name: "A_",
    rules: [
      { match: { hostname: "", paht: "/" }, target: { instance: "vm", port: 0 }, policies: { gzip: 1 } },
    ],
    tags: { "": 1 },
  };
  await prepareSchema("ReplaceIngressRequest");
  const [pieces, once] = (["ReplaceIngressRequest", "CreateIngressRequest"] as const).map((name) =>
    schemaProblems(name, body),
  );
  expect(pieces).toEqual(once);
  expect(pieces?.length).toBeGreaterThan(4);
});
