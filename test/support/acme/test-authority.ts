import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as never);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 24 * 60 * 60 * 1000;

/** A certificate with its key, as PEM. */
export interface PemPair {
  readonly certificate: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly names?: readonly string[];
  readonly commonName?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Default: a P-256 key. */
  readonly rsaBits?: number;
}

/** A certificate authority that lives as long as a test. */
export interface TestAuthority {
  readonly pem: string;
  /** A certificate for servers and clients alike. */
  issue(options: LeafOptions): Promise<PemPair>;
  /** Its private key, as PEM. */
  key(): Promise<string>;
  /** An authority below this one. */
  intermediate(commonName: string): Promise<TestAuthority>;
}

export async function createTestAuthority(commonName = "Test CA"): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    keys: keys as never,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 30 * dayMs),
    signingAlgorithm: algorithm,
    extensions: authorityExtensions(),
  });
  return authority(certificate, keys.privateKey);
}

function authority(certificate: x509.X509Certificate, signingKey: webcrypto.CryptoKey): TestAuthority {
  return {
    pem: pemText(certificate),
    key: () => keyPem(signingKey),
    issue: async (options) => {
      const keys = await leafKeys(options.rsaBits);
      const leaf = await x509.X509CertificateGenerator.create({
        subject: options.commonName === undefined ? "" : `CN=${options.commonName}`,
        issuer: certificate.subject,
        publicKey: keys.publicKey as never,
        signingKey: signingKey as never,
        signingAlgorithm: algorithm,
        notBefore: options.notBefore ?? new Date(Date.now() - dayMs),
        notAfter: options.notAfter ?? new Date(Date.now() + dayMs),
        extensions: leafExtensions(options.names ?? []),
      });
      return { certificate: pemText(leaf), key: await keyPem(keys.privateKey) };
    },
    intermediate: async (commonName) => {
      const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const below = await x509.X509CertificateGenerator.create({
        subject: `CN=${commonName}`,
        issuer: certificate.subject,
        publicKey: keys.publicKey as never,
        signingKey: signingKey as never,
        signingAlgorithm: algorithm,
        notBefore: new Date(Date.now() - dayMs),
        notAfter: new Date(Date.now() + dayMs),
        extensions: authorityExtensions(),
      });
      return authority(below, keys.privateKey);
    },
  };
}

function authorityExtensions(): x509.Extension[] {
  const usage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(usage, true),
  ];
}

function leafExtensions(names: readonly string[]): x509.Extension[] {
  const usages = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth];
  const alternative = names.map((value) => ({ type: /^[\d.]+$/.test(value) ? "ip" : "dns", value }) as const);
  return [
    new x509.ExtendedKeyUsageExtension(usages),
    ...(alternative.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...alternative])]),
  ];
}

async function leafKeys(rsaBits: number | undefined): Promise<webcrypto.CryptoKeyPair> {
  if (rsaBits === undefined) return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const rsa = {
    name: "RSASSA-PKCS1-v1_5",
    hash: "SHA-256",
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: rsaBits,
  };
  return webcrypto.subtle.generateKey(rsa, true, ["sign", "verify"]);
}

function pemText(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}
