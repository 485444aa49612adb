import { describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import { normalizeStored, type StoredIngress } from "../../src/validation/ingress.ts";

const ports = { httpPort: 8080, httpsPort: 8443 };

/** As hypeman v0.0.5 writes it: false flags, `updated_at` and tags left out, the port as REST gave it. */
function hypemanFile(
  match: { readonly hostname: string; readonly port?: number },
  tls?: true,
): StoredIngress {
  const rule = { match, target: { instance: "vm-1", port: 8080 }, ...(tls === undefined ? {} : { tls }) };
  return { id: "umboffbb63m9dypp5yl5u04m", name: "first", rules: [rule], created_at: "2026-11-20T06:55:04Z" };
}

describe("normalizeStored", () => {
  it("fills in what hypeman leaves out", () => {
    expect(normalizeStored(hypemanFile({ hostname: "A.example.com.", port: 18081 }), ports)).toEqual({
      id: "umboffbb63m9dypp5yl5u04m",
      name: "first",
      rules: [
        {
          match: { hostname: "a.example.com", port: 18081 },
          target: { instance: "vm-1", port: 8080 },
          tls: false,
          redirect_http: false,
        },
      ],
      created_at: "2026-11-20T06:55:04Z",
      updated_at: "2026-11-20T06:55:04Z",
    });
  });

  it.each([
    [undefined, undefined, 8080],
    [80, undefined, 80],
    [80, true, 8443],
    [9443, true, 9443],
  ] as const)("reads port %s with tls %s as %s", (port, tls, expected) => {
    const stored = hypemanFile({ hostname: "a.example.com", ...(port === undefined ? {} : { port }) }, tls);
    expect(normalizeStored(stored, ports).rules[0]?.match.port).toBe(expected);
  });

  it("reads what it wrote as it was", () => {
    const once = normalizeStored(
      {
        ...hypemanFile({ hostname: "{i}.x.test" }),
        rules: [
          {
            match: {
              hostname: "{i}.X.test",
              path: { type: "prefix", value: "/a/" },
              methods: ["get"],
              headers: { "X-A": "1" },
            },
            target: { instance: "{i}", port: 80 },
            tls: true,
            redirect_http: true,
            request_header_auth: { header: "X-Key", value: "k".repeat(32) },
          },
        ],
        tags: { team: "web" },
        updated_at: "2026-11-21T00:00:00Z",
      },
      ports,
    );
    expect(normalizeStored(once, ports)).toEqual(once);
    expect(once.updated_at).toBe("2026-11-21T00:00:00Z");
  });

  it("refuses what hypeman took and Caddy would expand", () => {
    const problem = (() => {
      try {
        return normalizeStored(hypemanFile({ hostname: "{http.request.host}" }), ports);
      } catch (error) {
        return error;
      }
    })();
    expect(isGatewrightError(problem, "ingress_unreadable") && problem.details).toMatchObject([
      { code: "invalid_hostname", field: "rules[0].match.hostname" },
    ]);
  });
});
