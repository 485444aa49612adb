import type { HttpCall } from "../support/http-call.ts";

/** A request that is refused, and how. */
export interface Refusal {
  readonly name: string;
  readonly call: HttpCall;
  readonly status: number;
  readonly code: string;
  /** The whole message, or a part of it. */
  readonly message: string | RegExp;
  /** Fields that `details` names, in order. */
  readonly fields?: readonly string[];
}

const schema = "request body has an error: doesn't match schema #/components/schemas/CreateIngressRequest: ";

/** What a table of refusals builds its documents of: a rule that is fine but for what is changed. */
interface RuleChange {
  readonly match?: object;
  readonly target?: object;
  readonly rule?: object;
}

function post(json: unknown): HttpCall {
  return { method: "POST", path: "/ingresses", json };
}

function rule(host: string, instance: string, change: RuleChange = {}): object {
  return {
    match: { hostname: host, ...change.match },
    target: { instance, port: 8080, ...change.target },
    ...change.rule,
  };
}

/** Bodies that do not fit the document: `Bad Request` (hypeman-compatible messages, section "schema-level errors"). */
export function schemaRefusals(host: string, instance: string): readonly Refusal[] {
  const good = { name: "refused", rules: [rule(host, instance)] };
  const raw = (body: string, contentType = "application/json"): HttpCall => ({
    method: "POST",
    path: "/ingresses",
    raw: body,
    headers: { "Content-Type": contentType },
  });
  const one = (name: string, body: unknown, message: string, ...fields: string[]): Refusal => ({
    name,
    call: post(body),
    status: 400,
    code: "Bad Request",
    message: schema + message,
    fields,
  });
  const bad = (name: string, call: HttpCall, message: string): Refusal => ({
    name,
    call,
    status: 400,
    code: "Bad Request",
    message: `request body has an error: ${message}`,
  });
  return [
    bad("no body", { method: "POST", path: "/ingresses" }, "value is required but missing"),
    bad("broken JSON", raw('{"name": "a", "rules": ['), "failed to decode request body: unexpected EOF"),
    bad("text that is no JSON", raw("name: a"), "failed to decode request body: invalid JSON"),
    bad(
      "bytes that are no UTF-8",
      { ...raw(""), raw: Buffer.from([0x22, 0xff, 0x22]) },
      "failed to decode request body: invalid UTF-8",
    ),
    bad(
      "another Content-Type",
      raw("{}", "text/plain"),
      'header Content-Type has unexpected value "text/plain"',
    ),
    bad(
      "a merge patch as a document",
      raw("{}", "application/merge-patch+json"),
      'header Content-Type has unexpected value "application/merge-patch+json"',
    ),
    bad(
      "no Content-Type",
      { method: "POST", path: "/ingresses", raw: JSON.stringify(good) },
      'header Content-Type has unexpected value ""',
    ),
    bad("deep nesting", raw("[".repeat(1000) + "]".repeat(1000)), "nested deeper than 32 levels"),
    one("null", null, "Value is not nullable"),
    one("an array", [], "value must be an object"),
    one("an empty object", {}, 'Error at "/name": property "name" is missing', "name", "rules"),
    one("no rules", { name: "a" }, 'Error at "/rules": property "rules" is missing', "rules"),
    one("empty rules", { name: "a", rules: [] }, 'Error at "/rules": minimum number of items is 1', "rules"),
    one("a number as name", { ...good, name: 5 }, 'Error at "/name": value must be a string', "name"),
    one(
      "capitals in the name",
      { ...good, name: "Shop" },
      'Error at "/name": string doesn\'t match the regular expression "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"',
      "name",
    ),
    one(
      "64 characters in the name",
      { ...good, name: "a".repeat(64) },
      'Error at "/name": maximum string length is 63',
      "name",
    ),
    one(
      "no match and no target",
      { name: "a", rules: [{}] },
      'Error at "/rules/0/match": property "match" is missing',
      "rules[0].match",
      "rules[0].target",
    ),
    one(
      "no hostname",
      { name: "a", rules: [{ match: {}, target: { instance, port: 1 } }] },
      'Error at "/rules/0/match/hostname": property "hostname" is missing',
      "rules[0].match.hostname",
    ),
    one(
      "a port as text",
      { name: "a", rules: [rule(host, instance, { match: { port: "80" } })] },
      'Error at "/rules/0/match/port": value must be an integer',
      "rules[0].match.port",
    ),
    one(
      "a port with a fraction",
      { name: "a", rules: [rule(host, instance, { match: { port: 80.5 } })] },
      'Error at "/rules/0/match/port": value must be an integer',
      "rules[0].match.port",
    ),
    one(
      "tls as text",
      { name: "a", rules: [rule(host, instance, { rule: { tls: "yes" } })] },
      'Error at "/rules/0/tls": value must be a boolean',
      "rules[0].tls",
    ),
    one(
      "a short secret",
      {
        name: "a",
        rules: [rule(host, instance, { rule: { request_header_auth: { header: "X-Key", value: "short" } } })],
      },
      'Error at "/rules/0/request_header_auth/value": minimum string length is 32',
      "rules[0].request_header_auth.value",
    ),
    one(
      "a tag key with an umlaut",
      { ...good, tags: { ä: "x" } },
      'Error at "/tags/ä": string doesn\'t match the regular expression "^[A-Za-z0-9 _.:/=+@-]+$"',
      'tags["ä"]',
    ),
    one(
      "an unknown key",
      { name: "a", rules: [rule(host, instance, { match: { paht: "/x" } })] },
      'Error at "/rules/0/match/paht": property "paht" is unsupported (the nearest known key is "path")',
      "rules[0].match.paht",
    ),
    one(
      "a key named __proto__",
      JSON.parse(`{"name":"a","rules":[${JSON.stringify(rule(host, instance))}],"__proto__":{"x":1}}`),
      'Error at "/__proto__": property "__proto__" is unsupported (remove it; known keys are name, tags, listen, gateways, rules)',
      "__proto__",
    ),
    one(
      "several problems at once",
      {
        name: "A",
        rules: [
          { match: { hostname: 1 }, target: { instance, port: "x" }, tsl: true },
          rule(host, instance, { rule: { tls: 1 } }),
        ],
      },
      'Error at "/name": string doesn\'t match the regular expression "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"',
      "name",
      "rules[0].match.hostname",
      "rules[0].target.port",
      "rules[0].tsl",
      "rules[1].tls",
    ),
  ];
}

/** Documents that fit the schema and break a rule of ingresses, in hypeman's words. */
export function semanticRefusals(host: string, instance: string): readonly Refusal[] {
  const one = (
    name: string,
    change: RuleChange,
    message: string | RegExp,
    code = "bad_request",
  ): Refusal => ({
    name,
    call: post({ name: "refused", rules: [rule(host, instance, change)] }),
    status: 400,
    code,
    message,
  });
  const invalid = (name: string, change: RuleChange, message: string): Refusal =>
    one(name, change, `invalid request: ${message}`);
  const unknown = "nobody-here";
  return [
    invalid("an empty hostname", { match: { hostname: "" } }, "hostname is required in rule 0"),
    invalid(
      "a pattern of one label",
      { match: { hostname: "{a}" }, target: { instance: "{a}" } },
      'invalid hostname pattern in rule 0: hostname pattern "{a}" must have at least two parts',
    ),
    invalid(
      "a pattern whose target names no capture",
      { match: { hostname: "{instance}.example.com" } },
      "pattern hostname in rule 0 requires target.instance to reference a capture (e.g., {instance})",
    ),
    invalid(
      "a target with an unknown capture",
      { match: { hostname: "{a}.example.com" }, target: { instance: "{a}-{other}" } },
      "target.instance in rule 0 references unknown capture {other}",
    ),
    invalid(
      "a listen port too large",
      { match: { port: 65536 } },
      "match.port must be between 1 and 65535 in rule 0",
    ),
    invalid("no instance", { target: { instance: "" } }, "instance is required in rule 0"),
    invalid("target port 0", { target: { port: 0 } }, "target.port must be between 1 and 65535 in rule 0"),
    invalid(
      "redirect_http without tls",
      { rule: { redirect_http: true } },
      "redirect_http requires tls to be enabled in rule 0",
    ),
    one(
      "a reserved header",
      { rule: { request_header_auth: { header: "Cookie", value: "v".repeat(32) } } },
      /^invalid request: invalid request_header_auth in rule 0: .*reserved/,
    ),
    one(
      "a hostname with a space",
      { match: { hostname: "has space.example.com" } },
      /^invalid request: .*rule 0/,
    ),
    one(
      "a Caddy placeholder as hostname",
      { match: { hostname: "{http.request.host}" } },
      /^invalid request: .*rule 0/,
    ),
    one(
      "an unknown instance",
      { target: { instance: unknown } },
      // Hypeman's words, and ours behind them.
      /^target instance not found: instance "[^"]+" not found; .*PUT \/instances\/[^ ]+ adds one$/,
      "instance_not_found",
    ),
  ];
}
