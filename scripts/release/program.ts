import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { build, type Plugin } from "esbuild";
import manifest from "../../package.json" with { type: "json" };
import { buildDashboard, dashboardFolder } from "../build-dashboard.ts";
import { top } from "../steps.ts";
import { caddyPackages } from "./caddy-packages.ts";
import { writeNotices } from "./notices.ts";

const source = path.join(top, "src");
/** What the page at `/docs` is made of. */
const swaggerFiles = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

const banner = [
  'import { createRequire as requireFrom } from "node:module";',
  "const require = requireFrom(import.meta.url);",
].join("\n");

/**
 * Writes the package `gatewright` into a folder: Node runs no TypeScript below `node_modules`, and the libraries that are used
 * are 23,000 files, of which a few megabytes are needed. Each file of src/ becomes one of JavaScript in the same place, so
 * that what is found beside another file still is; the libraries become chunks that these share.
 */
export async function writeProgram(folder: string): Promise<void> {
  const names = await readdir(source, { recursive: true });
  const output = path.join(folder, "src");
  await build({
    entryPoints: names.filter((name) => name.endsWith(".ts")).map((name) => path.join(source, name)),
    outdir: output,
    outbase: source,
    bundle: true,
    splitting: true,
    chunkNames: "libraries/[name]-[hash]",
    format: "esm",
    // Modules of ECMAScript first: some libraries have a second form that asks for its parts by names made at run time.
    mainFields: ["module", "main"],
    platform: "node",
    target: "node22.19",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    // Libraries in CommonJS ask for Node's modules by it.
    banner: { js: banner },
    absWorkingDir: top,
    plugins: [ownFilesStay, namesOfLibraries, plainRequire],
  });
  for (const name of names.filter((one) => one.endsWith(".json")))
    await copyFile(path.join(source, name), path.join(output, name));
  await mkdir(path.join(folder, "bin"));
  await copyFile(path.join(import.meta.dirname, "gatewright.mjs"), path.join(folder, "bin/gatewright.mjs"));
  await mkdir(path.join(folder, "swagger-ui"));
  for (const name of swaggerFiles)
    await copyFile(
      path.join(top, "node_modules/swagger-ui-dist", name),
      path.join(folder, "swagger-ui", name),
    );
  await buildDashboard();
  await cp(dashboardFolder, path.join(folder, "web/dist"), { recursive: true });
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"])
    await copyFile(path.join(top, name), path.join(folder, name));
  await cp(path.join(top, "docs"), path.join(folder, "docs"), { recursive: true });
  await writeNotices(path.join(folder, "THIRD_PARTY_LICENSES.txt"));
  await writeFile(path.join(folder, "package.json"), `${JSON.stringify(packageOf(), null, 2)}\n`);
}

function packageOf() {
  const { name, version, description, license, type, bin } = manifest;
  return {
    name,
    version,
    description,
    license,
    type,
    bin,
    imports: { "#swagger-ui/*": "./swagger-ui/*" },
    files: [
      "bin",
      "src",
      "swagger-ui",
      "web",
      "docs",
      "CHANGELOG.md",
      "THIRD_PARTY_LICENSES.txt",
      "sbom.cdx.json",
    ],
    os: ["linux"],
    engines: { node: ">=22.19" },
    optionalDependencies: Object.fromEntries(caddyPackages.map((one) => [one.name, version])),
  };
}

/** Leaves imports of one file of ours by another as they are, under the name that the other has as JavaScript. */
const ownFilesStay: Plugin = {
  name: "own files stay",
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
      if (!isOurs(file)) return undefined;
      return { contents: renamed(await readFile(file, "utf8"), path.dirname(file)), loader: "ts" };
    });
    onResolve({ filter: /^\.{1,2}\// }, ({ path: name, importer }) =>
      isOurs(importer) ? { path: name, external: true } : undefined,
    );
  },
};

/**
 * Gives libraries in CommonJS that are loaded while Gatewright runs (`import("yaml")`) the names that Node finds in them; esbuild
 * would give them a default alone.
 */
const namesOfLibraries: Plugin = {
  name: "names of libraries",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^[^.]/ }, ({ importer, kind, path: library }) =>
      kind === "dynamic-import" && isOurs(importer) ? { path: library, namespace: "names" } : undefined,
    );
    onLoad({ filter: /./, namespace: "names" }, async ({ path: library }) => {
      const names = Object.keys((await import(library)) as object);
      const wanted = names.filter((name) => /^[\w$]+$/.test(name) && name !== "default");
      return { contents: `export { ${wanted.join(", ")} } from "${library}";`, resolveDir: top };
    });
  },
};

/** Gives what Rolldown has made of `require` in libraries the name by which esbuild knows it. */
const plainRequire: Plugin = {
  name: "plain require",
  setup({ onLoad }) {
    onLoad({ filter: /node_modules.*\.mjs$/ }, async ({ path: file }) => {
      const text = await readFile(file, "utf8");
      return text.includes('__require("')
        ? { contents: text.replaceAll('__require("', 'require("') }
        : undefined;
    });
  },
};

function isOurs(file: string): boolean {
  return file.startsWith(`${source}${path.sep}`);
}

/** The text with the new name in each string that leads from `folder` to one of our files: imports, threads, processes. */
function renamed(text: string, folder: string): string {
  return text.replace(/(["'])([\w./-]+)\.ts\1/g, (found, quote: string, name: string) =>
    existsSync(path.join(folder, `${name}.ts`)) ? `${quote}${name}.js${quote}` : found,
  );
}
