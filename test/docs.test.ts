import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { caddyModules } from "../src/caddy/modules.ts";

const root = join(import.meta.dirname, "..");
const pages = [
  ...readdirSync(root).filter((file) => file.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
];

function read(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

describe("documentation", () => {
  it.each(pages)("%s links to files that are there", (page) => {
    const links = [...read(page).matchAll(/\]\((?!\w+:)([^)#\s]+)/g)].map(([, link = ""]) => link);
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  it("lists every page of docs in README.md", () => {
    const listed = new Set(
      [...read("README.md").matchAll(/\]\((docs\/[\w-]+\.md)\)/g)].map(([, page]) => page),
    );
    const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
    expect(pages.filter((name) => !listed.has(`docs/${name}`))).toEqual([]);
  });

  it("lists every decision in docs/architecture.md", () => {
    const listed = [
      ...read("docs/architecture.md").matchAll(/^\[(\d{4}) .*\(decisions\/(\1-[\w-]+\.md)\)/gm),
    ];
    expect(listed.map(([, , file]) => file)).toEqual(readdirSync(join(root, "docs/decisions")).sort());
  });

  it("names every module that a Caddy must or may have in docs/caddy.md", () => {
    const page = read("docs/caddy.md");
    const [everything = ""] = /^.*\| everything \|$/m.exec(page) ?? [];
    const missing = caddyModules.filter(
      ({ id, required }) => !(required ? everything : page).includes(`\`${id}\``),
    );
    expect(missing).toEqual([]);
  });

  it("has a row for each Go package in docs/architecture.md", () => {
    const rows = [...read("docs/architecture.md").matchAll(/^\| `(\w+)` \|[^|]*\|$/gm)].map(
      ([, name]) => name,
    );
    const packages = readdirSync(join(root, "caddy"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "internal")
      .map(({ name }) => name);
    expect(rows.sort()).toEqual(packages.sort());
  });

  it("names tests in caddy/README.md that are there", () => {
    const page = read("caddy/README.md");
    const tests = readdirSync(join(root, "caddy"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith("_test.go"))
      .flatMap((file) => [...read(join("caddy", file)).matchAll(/^func (\w+)/gm)].map(([, name]) => name));
    const named = [...page.matchAll(/`((?:Test|Fuzz)\w+)`/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((name) => !tests.includes(name))).toEqual([]);
    const files = [...page.matchAll(/e2e ((?:`[\w-]+\/[\w-]+`(?:, )?)+)/g)].flatMap(([, list = ""]) => [
      ...list.matchAll(/`([^`]+)`/g),
    ]);
    const missing = files.filter(([, file]) => !existsSync(join(root, `test/e2e/${file}.test.ts`)));
    expect(missing.map(([, file]) => file)).toEqual([]);
  });

  it("has the words of the glossary in order, each once", () => {
    const words = [...read("docs/glossary.md").matchAll(/^\| ([a-z][^|]*?) \|/gm)]
      .map(([, word = ""]) => word)
      .filter((word) => word !== "word");
    expect(words.length).toBeGreaterThan(30);
    expect(words).toEqual([...new Set(words)].sort());
  });
});
