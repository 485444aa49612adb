/**
 * Makes `test/fixtures/data-dir-<version>`, the data folder of this version, with some of everything that is stored. To be run
 * once before each release (`node scripts/run.mjs test/upgrade/make-fixture.ts`): every later version starts on it.
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import manifest from "../../package.json" with { type: "json" };
import { call, rule } from "../support/api.ts";
import { startGatewright } from "../support/gatewright.ts";

const [major, minor] = manifest.version.split(".");
const folder = join(import.meta.dirname, `../fixtures/data-dir-${major}.${minor}`);
/** Below those of other tests. */
const PORT = 9473;
const TLS_PORT = 9474;
/** What a start makes again, and what belongs to Caddy. */
const left = /^(?:caddy$|system$|events\/\.|.*\.sock$|.*\.lock$)/;

const made = await mkdtemp(join(tmpdir(), "gatewright-fixture-"));
await using gatewright = await startGatewright({ DATA_DIR: join(made, "data"), HTTP_PORT: String(PORT) });
const { url, dataDir } = gatewright;
const post = async (
  path: string,
  body: unknown,
  method = "POST",
): Promise<{ readonly [key: string]: string }> => {
  const answer = await call<{ readonly [key: string]: string }>(`${url}${path}`, { method, body });
  if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
  return answer.body;
};
for (const name of ["web-1", "web-2"])
  await post(`/instances/${name}`, { network: { ip: "127.0.0.1" }, tags: { team: "web" } }, "PUT");
const key = join(made, "key.pem");
const cert = join(made, "cert.pem");
const subject = [
  "-subj",
  "/CN=secure.example.com",
  "-addext",
  "subjectAltName=DNS:secure.example.com",
  "-addext",
  "basicConstraints=critical,CA:FALSE",
];
const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500"];
await promisify(execFile)("openssl", ["req", "-x509", ...curve, ...subject, "-keyout", key, "-out", cert]);
const pem = { certificate_pem: await readFile(cert, "utf8"), key_pem: await readFile(key, "utf8") };
await post("/certificates", { name: "secure", ...pem });
await post("/ingresses", {
  name: "shop",
  rules: [rule("shop.example.com", "web-1", 3000)],
  tags: { team: "web" },
});
const patterns = [rule("{instance}.dev.example.com", "{instance}", 3000)];
await post("/ingresses", { name: "dev", rules: patterns });
const secure = rule(
  "secure.example.com",
  "web-2",
  3000,
  { port: TLS_PORT },
  { tls: true, tls_options: { certificate: "secure" } },
);
await post("/ingresses", { name: "secure", rules: [secure] });
await post("/ingresses", { name: "gone", rules: [rule("gone.example.com", "web-1", 3000)] });
await call(`${url}/ingresses/gone`, { method: "DELETE" });
await post("/ingresses/shop", { tags: { team: "shop" } }, "PATCH");
const { token = "" } = await post("/tokens", { name: "reader", scopes: ["ingress:read"] });
await gatewright.stop();
await rm(folder, { recursive: true, force: true });
await cp(dataDir, folder, {
  recursive: true,
  filter: (source) => !left.test(source.slice(dataDir.length + 1)),
});
await cp(join(dataDir, "caddy/certificates"), join(folder, "caddy/certificates"), { recursive: true });
await writeFile(
  join(folder, "expected.json"),
  `${JSON.stringify({ version: manifest.version, token }, null, 2)}\n`,
);
