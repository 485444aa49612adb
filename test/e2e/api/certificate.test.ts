import { describe, expect, it } from "vitest";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, visit } from "../../support/api.ts";
import { apiHost, callByName } from "../../support/api-site.ts";
import { jwtSecret, token } from "../../support/authorized.ts";
import { until } from "../../support/until.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

describe("API_HOSTNAME with an authority", () => {
  const { world, gatewright, handshake } = useTlsSite(({ ports }) => ({
    ...ports,
    // The name is the operator's own wish.
    TLS_ALLOWED_DOMAINS: "",
    // Nobody asks for the name of an API that no handshake has been answered for.
    TLS_ON_DEMAND: "true",
    API_HOSTNAME: apiHost,
  }));

  it("gets its certificate at the start, with nothing in the store", async () => {
    const shown = await eventually(() => handshake(apiHost), 30_000);
    expect(shown.names).toBe(`DNS:${apiHost}`);
    const place = { ...gatewright, ports: { ...gatewright.ports, https: world.httpsPort } };
    const { status, text } = await callByName(place, "/ingresses", {
      ca: world.ca,
      headers: { authorization: "" },
    });
    expect([status, text]).toEqual([200, "[]\n"]);
  });

  it("tells of a certificate that cannot be had, and serves the rest", async () => {
    await gatewright.stop();
    await gatewright.start({ environment: { API_HOSTNAME: "api.elsewhere.invalid" } });
    await until(async () =>
      (await call<{ reasons: readonly string[] }>(`${gatewright.url}/ready`)).body.reasons.some(
        (reason) => reason.includes("API_HOSTNAME") && /failed|refused|invalid/i.test(reason),
      ),
    );
    const { body } = await call<{ status: string; problems: readonly string[] }>(`${gatewright.url}/status`);
    expect(body.status).toBe("degraded");
    expect(body.problems.join("\n")).toContain("API_HOSTNAME");
  });
});

describe("API_TLS=false", () => {
  const site = useGatewright({ API_HOSTNAME: apiHost, API_TLS: "false", JWT_SECRET: jwtSecret });

  it("serves it on HTTP_PORT, without a redirect", async () => {
    expect((await visit(site.ports.http, apiHost, "/health")).body).toEqual({ status: "ok" });
    expect((await visit(site.ports.http, apiHost, "/ingresses")).status).toBe(401);
    expect((await visit(site.ports.http, apiHost, "/ingresses", { headers: token })).body).toEqual([]);
  });
});
