import { expect, it } from "vitest";
import { explainFailure } from "../../src/certificates/explain.ts";

// Texts as Caddy 2.11, libdns/cloudflare 0.2 and Boulder give them.
it.each([
  [
    'adding temporary record for zone "example.com.": got error status: HTTP 403: [{Code:9109 Message:Invalid access token ErrorChain:[]}]',
    "Cloudflare refused the token",
  ],
  ["adding temporary record: expected 1 zone, got 0 for example.com.", "sees no such zone"],
  [
    "timed out waiting for record to fully propagate; verify DNS provider configuration is correct - last error: <nil>",
    "DNS_PROPAGATION_TIMEOUT",
  ],
  [
    "HTTP 429 urn:ietf:params:acme:error:rateLimited - too many certificates (5) already issued for this exact set of domains",
    "limits its rate",
  ],
  [
    'HTTP 400 urn:ietf:params:acme:error:rejectedIdentifier - Cannot issue for "a.internal": Domain name does not end with a valid public suffix (TLD)',
    "does not issue for this name",
  ],
  [
    "HTTP 400 urn:ietf:params:acme:error:connection - 192.0.2.1: Fetching http://a.example.com/.well-known/acme-challenge/x: Connection refused",
    "could not reach this machine",
  ],
  ["[a.example.com] solving challenges: authorization took too long", "left the order undecided"],
  ["finalizing order https://ca.internal/order/1: order took too long", "left the order undecided"],
  ["HTTP 403 urn:ietf:params:acme:error:caa - CAA record for example.com prevents issuance", "CAA record"],
  [
    'performing request: Get "https://ca.internal/dir": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    "ACME_CA_ROOT",
  ],
  [
    'provisioning client: performing request: Get "https://127.0.0.1:9/dir": dial tcp 127.0.0.1:9: connect: connection refused',
    "does not answer",
  ],
  [
    "HTTP 400 urn:ietf:params:acme:error:externalAccountRequired - ACME server policy requires newAccount requests must include a value",
    "ACME_EAB_KEY_ID",
  ],
])("%s", (error, meaning) => {
  const explained = explainFailure(error);
  expect(explained).toContain(meaning);
  expect(explained).toContain(error);
});

it("leaves what it does not know as it is, and bounds it", () => {
  expect(explainFailure("something new")).toBe("something new");
  expect(explainFailure("x".repeat(10_000)).length).toBeLessThan(1_100);
});
