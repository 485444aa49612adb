import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { subsystems } from "../src/config/settings.ts";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts"),
);

/** Module of a file of src/: its folder, or its own name without the ending. */
function moduleOf(file: string): string {
  const [first = ""] = file.split("/");
  return first.replace(/\.ts$/, "");
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s+"([^"]+)"/g)].map((match) => match[1] ?? "");
}

/** The import table of docs/architecture.md: module → modules it may import. */
function readTable(): ReadonlyMap<string, ReadonlySet<string>> {
  const rows = readFileSync(join(root, "docs/architecture.md"), "utf8").matchAll(
    /^\| `([\w.-]+)\/?` \|[^|]*\|([^|]*)\|$/gm,
  );
  return new Map(
    [...rows].map(([, name = "", imports = ""]) => [
      name.replace(/\.ts$/, ""),
      new Set(imports.split(",").map((one) => one.trim())),
    ]),
  );
}

describe("the import table", () => {
  const table = readTable();

  it.each(files)("%s imports what its module may", (file) => {
    const allowed = table.get(moduleOf(file));
    expect(allowed, `docs/architecture.md has no row for ${moduleOf(file)}`).toBeDefined();
    if (allowed?.has("all") === true) return;
    const used = importsOf(file)
      .filter((name) => name.startsWith("."))
      .map((name) => moduleOf(relative(source, resolve(source, dirname(file), name))));
    // config.ts is the front door of config/, and one module with it.
    const foreign = used.filter((name) => name !== moduleOf(file) && allowed?.has(name) !== true);
    expect(foreign).toEqual([]);
  });

  it("has a row for each module and no other", () => {
    expect([...table.keys()].sort()).toEqual([...new Set(files.map(moduleOf))].sort());
  });
});

describe("imports", () => {
  it("go in no circle, types included", () => {
    const graph = new Map(
      files.map((file) => {
        const local = importsOf(file).filter((name) => name.startsWith("."));
        return [file, local.map((name) => relative(source, resolve(source, dirname(file), name)))] as const;
      }),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (file: string, way: readonly string[]): void => {
      const start = way.indexOf(file);
      if (start !== -1) circles.push([...way.slice(start), file].join(" → "));
      if (start !== -1 || done.has(file)) return;
      for (const next of graph.get(file) ?? []) walk(next, [...way, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(circles).toEqual([]);
  });
});

describe("logging", () => {
  it("has a LOG_LEVEL_ setting for every subsystem that is logged by", () => {
    const used = files.flatMap((file) =>
      [...readFileSync(join(source, file), "utf8").matchAll(/\.child\("([^"]+)"\)/g)].map(([, name]) => name),
    );
    expect([...new Set(used)].sort()).toEqual([...subsystems]);
  });
});

describe("side effects", () => {
  const homes: { [library: string]: readonly string[] } = {
    undici: ["caddy/admin-client.ts", "resolver/hypeman.ts", "tokens/key-set.ts", "store/etcd/client.ts"],
    dns2: ["dns/server.ts", "dns/message.ts"],
    winston: ["log.ts"],
  };

  it.each(Object.entries(homes))("%s is imported in its home only", (library, allowed) => {
    const users = files.filter((file) => importsOf(file).includes(library));
    expect(users.filter((file) => !allowed.includes(file))).toEqual([]);
  });

  it("OpenTelemetry is loaded by telemetry/otlp alone, and that only where it is asked for", () => {
    const others = files.filter((file) => !file.startsWith("telemetry/otlp/"));
    const loads = others.flatMap((file) =>
      [...readFileSync(join(source, file), "utf8").matchAll(/^import (?!type ).* from "(.*)";$/gm)]
        .map(([, name = ""]) => name)
        .filter((name) => /^@opentelemetry|^@grpc|\/otlp\/(?!settings)/.test(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(loads).toEqual([]);
  });

  it("C9: durations are measured by a clock that nobody puts back; the wall's is for dates alone", () => {
    // Dates of certificates, tokens and files, which are told by the wall's clock, and the times of ingresses and revisions.
    const dates = [
      "certificates/certificate-events.ts",
      "certificates/condition.ts",
      "certificates/imported-certificates.ts",
      "certificates/monitor.ts",
      "certificates/report.ts",
      "cli/commands/certificate.ts",
      "cli/commands/explain.ts",
      "cli/words.ts",
      "http/event-streams.ts",
      "http/sessions.ts",
      "manager/ingress-document.ts",
      "store/bundle/bundle.ts",
      "store/history/history.ts",
      "telemetry/traffic-history.ts",
      "tokens/tokens.ts",
      "wiring/doctor/certificates.ts",
      "wiring/doctor/machine.ts",
      "wiring/doctor/running.ts",
    ];
    const readers = files.filter((file) => /\bDate\.now\b/.test(readFileSync(join(source, file), "utf8")));
    expect(readers.filter((file) => !dates.includes(file))).toEqual([]);
  });

  it("the environment is read in config.ts only, and by the command line", () => {
    const readers = files.filter((file) => readFileSync(join(source, file), "utf8").includes("process.env"));
    expect(readers.filter((file) => file !== "config.ts" && file !== "cli/main.ts")).toEqual([]);
  });
});

describe("constants", () => {
  it("that are a number, a text or a pattern are written LIKE_THIS", () => {
    const other = files.flatMap((file) =>
      [
        ...readFileSync(join(source, file), "utf8").matchAll(
          /^(?:export )?const (\w*[a-z]\w*) = (?:[\d"'`/]|new RegExp)/gm,
        ),
      ].map(([, name]) => `${file}: ${name}`),
    );
    expect(other).toEqual([]);
  });
});
