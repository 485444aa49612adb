import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Problem } from "../errors.ts";

/** What a checked certificate says of itself. */
export interface CertificateFacts {
  /** DNS names, as the certificate lists them. */
  readonly names: readonly string[];
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A chain and key that fit each other. */
export interface CheckedPair {
  readonly facts: CertificateFacts;
  /** The chain: the leaf, then each signer in turn; without a root. */
  readonly chainPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

const LEAST_RSA_BITS = 2048;
const curves: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/**
 * Checks a PEM chain and key: readable, of each other, in order, in date, strong. Returns every problem found; none of
 * their messages repeats anything of the key.
 */
export function checkPair(chainPem: string, keyPem: string, now: Date): CheckedPair | readonly Problem[] {
  const chain = readChain(chainPem);
  const key = readKey(keyPem);
  const leaf = Array.isArray(chain) ? undefined : chain.certificates[0];
  const problems = [
    ...(Array.isArray(chain) ? chain : chainProblems(chain.certificates, now)),
    ...(Array.isArray(key) ? key : keyProblems(key)),
  ];
  if (leaf === undefined || Array.isArray(chain) || Array.isArray(key)) return problems;
  if (!leaf.checkPrivateKey(key)) problems.push(wrong("key_pem", "the key is not the certificate's"));
  if (problems.length > 0) return problems;
  const sent = chain.certificates.filter((one, index) => index === 0 || !isSelfSigned(one));
  return {
    facts: factsOf(leaf),
    chainPem: sent.map((one) => one.toString()).join(""),
    keyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** What the first certificate of a PEM text says. The text was checked before. */
export function readFacts(chainPem: string): CertificateFacts {
  return factsOf(new X509Certificate(chainPem));
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  return {
    names: dnsNames(certificate),
    issuer: certificate.issuer.replaceAll("\n", ", "),
    serial: certificate.serialNumber.toLowerCase(),
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
  };
}

function dnsNames({ subjectAltName = "" }: X509Certificate): readonly string[] {
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([^,\s"]+)/g)].map(([, name = ""]) => name.toLowerCase());
}

function readChain(pem: string): { readonly certificates: readonly X509Certificate[] } | Problem[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    return [wrong("certificate_pem", "it has a private key in it; put that into key_pem only")];
  if (blocks.length === 0) return [wrong("certificate_pem", "it has no PEM certificate")];
  try {
    return { certificates: blocks.map((block) => new X509Certificate(`${block}\n`)) };
  } catch {
    return [wrong("certificate_pem", "one of its certificates cannot be read")];
  }
}

function readKey(pem: string): KeyObject | Problem[] {
  if (/ENCRYPTED/.test(pem))
    return [wrong("key_pem", "the key has a passphrase; take it off (openssl pkey -in … -out …)")];
  try {
    return createPrivateKey(pem);
  } catch {
    return [wrong("key_pem", "it is no PEM private key")];
  }
}

function chainProblems(certificates: readonly X509Certificate[], now: Date): Problem[] {
  const [leaf, ...above] = certificates;
  if (leaf === undefined) return [];
  const problems: Problem[] = [];
  const report = (message: string): void => void problems.push(wrong("certificate_pem", message));
  if (leaf.ca) report("the first certificate is an authority's; put the server's certificate first");
  else if (dnsNames(leaf).length === 0) report("the certificate has no DNS names (subjectAltName)");
  for (const [index, certificate] of certificates.entries()) {
    const which = index === 0 ? "the certificate" : `certificate ${index + 1} of the chain`;
    if (certificate.validToDate <= now)
      report(`${which} expired on ${certificate.validToDate.toISOString()}`);
    if (certificate.validFromDate > now)
      report(`${which} is not valid before ${certificate.validFromDate.toISOString()}`);
    const weak = weakness(certificate.publicKey);
    if (weak !== undefined) report(`${which} has ${weak}`);
  }
  let signed = leaf;
  for (const signer of above) {
    if (!signed.checkIssued(signer) || !signed.verify(signer.publicKey)) {
      report("the chain is not in order: after each certificate comes the one that signed it");
      break;
    }
    signed = signer;
  }
  return problems;
}

function keyProblems(key: KeyObject): Problem[] {
  const weak = weakness(key);
  return weak === undefined ? [] : [wrong("key_pem", `it is ${weak}; make a new one`)];
}

/** What makes a key too weak to be trusted by clients, or unknown to them. */
function weakness({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  if (asymmetricKeyType === "rsa" || asymmetricKeyType === "rsa-pss") {
    const bits = asymmetricKeyDetails?.modulusLength ?? 0;
    return bits < LEAST_RSA_BITS
      ? `a weak RSA key of ${bits} bits; ${LEAST_RSA_BITS} is the least`
      : undefined;
  }
  if (asymmetricKeyType === "ec") {
    const curve = asymmetricKeyDetails?.namedCurve ?? "unknown";
    return curves.has(curve) ? undefined : `a key on the curve ${curve}; use P-256, P-384 or P-521`;
  }
  return asymmetricKeyType === "ed25519" ? undefined : `a key of the unsuitable kind ${asymmetricKeyType}`;
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

function wrong(field: string, message: string): Problem {
  return { code: "invalid_value", field, message: `${field}: ${message}` };
}
