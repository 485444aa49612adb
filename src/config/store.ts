import path from "node:path";
import type { Problem } from "../errors.ts";
import type { Values } from "./read.ts";
import { Secret } from "./secret.ts";
import { storeKinds } from "./settings.ts";

/** AES-256. */
const KEY_BYTES = 32;
/** Either alphabet, padded or not. */
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

/** Where documents are stored: the settings of the group "Store". */
export function storeConfig(values: Values) {
  if (values.text("STORE") !== storeKinds[1]) return { kind: "files" as const };
  const text = (name: string): string => values.text(name) ?? "";
  const file = (name: string) => {
    const value = values.text(name);
    return value === undefined ? undefined : path.resolve(value);
  };
  const [ca, cert, key, user] = [
    file("ETCD_CA"),
    file("ETCD_CERT"),
    file("ETCD_KEY"),
    values.text("ETCD_USER"),
  ];
  const prefix = text("ETCD_PREFIX");
  return {
    kind: "etcd" as const,
    endpoints: values.list("ETCD_ENDPOINTS").map((url) => new URL(url).origin),
    /** Ends in a slash. */
    prefix: prefix.endsWith("/") ? prefix : `${prefix}/`,
    ...(user === undefined ? {} : { user, password: new Secret(text("ETCD_PASSWORD")) }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    /** In base64; the first seals, all open. */
    keys: keysOf(values).map((one) => new Secret(one)),
  };
}

function keysOf(values: Values): readonly string[] {
  return (values.text("STORE_KEY") ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

/** Each key by itself, for scrubbing. */
export function storeSecrets(values: Values): readonly Secret[] {
  return keysOf(values).map((one) => new Secret(one));
}

/** What `STORE=etcd` needs, and what goes together only. */
export function storeProblems(values: Values): readonly Problem[] {
  const problems: Problem[] = [];
  const need = (field: string, message: string): void => {
    if (!values.has(field)) problems.push({ code: "required", field, message });
  };
  for (const [one, other] of [
    ["ETCD_USER", "ETCD_PASSWORD"],
    ["ETCD_PASSWORD", "ETCD_USER"],
    ["ETCD_CERT", "ETCD_KEY"],
    ["ETCD_KEY", "ETCD_CERT"],
  ] as const)
    if (values.has(one)) need(other, `${other} is needed for ${one}; set both, or neither`);
  if (keysOf(values).some((key) => !isStoreKey(key)))
    problems.push({
      code: "invalid_value",
      field: "STORE_KEY",
      message: `STORE_KEY must be ${KEY_BYTES} random bytes in base64, or several such keys with commas between them; make one with: openssl rand -base64 ${KEY_BYTES}`,
    });
  if (values.text("STORE") !== "etcd") return problems;
  if (values.list("ETCD_ENDPOINTS").length === 0)
    need(
      "ETCD_ENDPOINTS",
      "ETCD_ENDPOINTS is needed for STORE=etcd; name etcd's client URLs, such as https://10.0.0.1:2379,https://10.0.0.2:2379",
    );
  need(
    "STORE_KEY",
    `STORE_KEY is needed for STORE=etcd, where values are stored encrypted; make one with: openssl rand -base64 ${KEY_BYTES}`,
  );
  need(
    "GATEWAY_NAME",
    "GATEWAY_NAME is needed for STORE=etcd; give each gateway a name of its own, such as edge-1",
  );
  return problems;
}

function isStoreKey(text: string): boolean {
  return BASE64.test(text) && Buffer.from(text, "base64").length === KEY_BYTES;
}
