import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { policies } from "../../../src/policies/index.ts";
import { startBackend } from "../../support/backend.ts";
import { docExamples } from "../../support/doc-examples.ts";
import { freePort } from "../../support/free-port.ts";
import { startPasteShell } from "../../support/paste-shell.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const top = join(import.meta.dirname, "../../..");
/** The README first, then the page that it sends to for the first calls; the others do not lean on each other. */
const first = ["README.md", "docs/api.md"];
const pages = [
  ...first,
  ...readdirSync(join(top, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
    .filter((page) => !first.includes(page)),
];

const backend = use(() => startBackend("web"));
// Its admin endpoint is the socket that pages ask.
const gatewright = useGatewright({ CADDY_ADMIN_PORT: "", TLS_ISSUER: "internal" });
const ports = use(async () => ({
  site: await freePort(),
  tls: await freePort(),
  pool: await freePort(),
  own: await freePort(),
}));
/** Loopback addresses of this test alone. */
const pool = `127.7.${process.pid % 250}`;
/** What `npm link` would put on the path. */
const commands = use(async () => {
  const folder = await temporaryFolder();
  symlinkSync(join(top, "bin/gatewright.mjs"), join(folder.path, "gatewright"));
  return folder;
});
const shell = use(async () =>
  startPasteShell(gatewright.dataDir, {
    DATA_DIR: gatewright.dataDir,
    PATH: `${commands.path}:${join(process.execPath, "..")}:${process.env["PATH"]}`,
    GATEWRIGHT_URL: `http://127.0.0.1:${gatewright.ports.api}`,
  }),
);

/** A block with the ports and addresses of this test. The README starts the server on port 3000 itself; the others take it as given. */
function here(page: string, script: string): string {
  return script
    .replace(/\b(?:localhost|127\.0\.0\.1):8080\b/g, `127.0.0.1:${gatewright.ports.api}`)
    .replace(/127\.0\.0\.('?\$n)/g, `${pool}.$1`)
    .replaceAll("8000", String(ports.site))
    .replaceAll("8443", String(ports.tls))
    .replaceAll("3000", String(page === "README.md" ? ports.own : backend.port))
    .replaceAll("3001", String(ports.pool));
}

describe.each(pages)("C11: every block of %s, in one shell with the pages before", (page) => {
  const examples = docExamples(page);

  it("is in a language that says whether it can be pasted", () => {
    const fences = readFileSync(join(top, page), "utf8").match(/^```.*$/gm) ?? [];
    const languages = new Set(
      fences.filter((_, index) => index % 2 === 0).map((fence) => fence.slice(3).split(" ")[0] ?? ""),
    );
    // `console` shows commands after `$`, for another terminal or another machine.
    const known = ["sh", "text", "json", "jsonc", "console", "ini", "yaml", "go", "", "ts"];
    expect([...languages].filter((language) => !known.includes(language))).toEqual([]);
  });

  it.each(examples.map((example, index) => ({ ...example, index })))(
    "$heading: example $index",
    { timeout: 60_000 },
    async ({ script, output: wanted }) => {
      const { status, output, errors } = await shell.paste(here(page, script));
      expect(status, output + errors).toBe(0);
      // A refusal of curl, or of the API where curl was not told to fail.
      expect(errors).not.toMatch(/^curl: \(/m);
      expect(output).not.toMatch(/^\{"code":/);
      if (wanted !== undefined) expect(output).toBe(wanted);
    },
  );
});

it("docs/routing.md has an example for each policy", () => {
  const scripts = docExamples("docs/routing.md")
    .map(({ script }) => script)
    .join("\n");
  for (const { key, inRule } of policies)
    expect(scripts).toContain(inRule === true ? `"${key}": {` : `"policies": {"${key}":`);
  expect(scripts).toContain('"policies": {"timeouts":');
});
