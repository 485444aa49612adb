import { generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { type CheckedPair, checkPair } from "../../src/certificates/pem.ts";
import { createTestAuthority, type PemPair, type TestAuthority } from "../support/acme/test-authority.ts";

const now = new Date();
let root: TestAuthority;
let intermediate: TestAuthority;
let leaf: PemPair;

beforeAll(async () => {
  root = await createTestAuthority("Root");
  intermediate = await root.intermediate("Intermediate");
  leaf = await intermediate.issue({ names: ["shop.example.com", "*.example.com"] });
});

function problemsOf(chain: string, key: string): readonly string[] {
  const checked = checkPair(chain, key, now);
  return "facts" in checked ? [] : checked.map(({ message }) => message);
}

describe("a chain and its key", () => {
  it("are taken in order, without the root", () => {
    const checked = checkPair(leaf.certificate + intermediate.pem + root.pem, leaf.key, now) as CheckedPair;
    expect(checked.facts.names).toEqual(["shop.example.com", "*.example.com"]);
    expect(checked.facts.issuer).toBe("CN=Intermediate");
    expect(checked.chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(checked.keyPem).toContain("BEGIN PRIVATE KEY");
  });

  it("are taken without the rest of the chain", () => {
    expect(problemsOf(leaf.certificate, leaf.key)).toEqual([]);
  });

  it("are refused out of order", () => {
    expect(problemsOf(leaf.certificate + root.pem + intermediate.pem, leaf.key).join()).toContain(
      "not in order",
    );
    expect(problemsOf(intermediate.pem + leaf.certificate, leaf.key).join()).toContain(
      "put the server's certificate first",
    );
  });

  it("are refused with a foreign intermediate of the same name", async () => {
    const foreign = await (await createTestAuthority("Root")).intermediate("Intermediate");
    expect(problemsOf(leaf.certificate + foreign.pem, leaf.key).join()).toContain("not in order");
  });

  it("are refused with a key that cannot be used, and nothing of it is repeated", () => {
    const { privateKey } = generateKeyPairSync("ec", {
      namedCurve: "secp256k1",
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    expect(problemsOf(leaf.certificate, privateKey).join()).toContain("secp256k1");
    const locked = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "hidden" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    }).privateKey;
    expect(problemsOf(leaf.certificate, locked).join()).toContain("passphrase");
    const damaged = leaf.key.slice(0, 80);
    expect(problemsOf(leaf.certificate, damaged).join()).not.toContain(damaged.split("\n")[1]);
    expect(problemsOf(leaf.certificate + leaf.key, leaf.key).join()).toContain("private key in it");
  });
});
