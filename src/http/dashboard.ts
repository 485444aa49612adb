import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type NextFunction, type Request, type Response, Router } from "express";
import { sendText } from "./wire.ts";

/** Where the built dashboard is: `npm run build` makes it; `npm start` and `gatewright up` do where it is missing or stale. */
export const dashboardFolder = join(import.meta.dirname, "../../web/dist");

/**
 * The dashboard: its page at `/`, for clients that ask for HTML, and its files under `/assets`. It holds nothing of anybody's
 * and needs no token; what it shows it asks the API for.
 */
export function dashboardRoutes(folder = dashboardFolder): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const files = new BuiltFiles(folder);
  // No routes of the API: its document does not have them.
  router.use((request, response, next) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && request.path === "/" && wantsPage(request)) return sendPage(files, request, response);
    if (isRead && request.path.startsWith("/assets/")) return sendAsset(files, request, response, next);
    if (request.path === "/") response.vary("Accept");
    next();
  });
  return router;
}

/** Browsers name HTML; programs take anything, and get what they got before there was a page. */
function wantsPage(request: Request): boolean {
  return /\btext\/html\b/i.test(request.headers.accept ?? "");
}

async function sendPage(files: BuiltFiles, request: Request, response: Response): Promise<void> {
  response.vary("Accept");
  setPolicy(response);
  response.setHeader("Cache-Control", "no-cache");
  const file = await files.find("index.html");
  if (file !== undefined) return send(request, response, file);
  response.setHeader("Retry-After", 2);
  sendText(response, 503, HTML, NOT_BUILT);
}

async function sendAsset(
  files: BuiltFiles,
  request: Request,
  response: Response,
  next: NextFunction,
): Promise<void> {
  const file = await files.find(request.path.slice(1));
  if (file === undefined) return next();
  // Its name changes with what is in it.
  response.setHeader("Cache-Control", "public, max-age=31536000, immutable");
  send(request, response, file);
}

/** Nothing from elsewhere, nothing inline: what somebody writes into a name, a tag or an error cannot become a script. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

function setPolicy(response: Response): void {
  response.setHeader("Content-Security-Policy", contentSecurityPolicy);
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
}

function send(request: Request, response: Response, file: BuiltFile): void {
  const encoding = request.acceptsEncodings(["br", "gzip"]);
  const isPacked = encoding === "br" || encoding === "gzip";
  const bytes = isPacked ? file[encoding] : file.plain;
  if (isPacked) response.setHeader("Content-Encoding", encoding);
  response.vary("Accept-Encoding");
  response.setHeader("Content-Type", file.type);
  response.setHeader("Content-Length", bytes.length);
  response.end(request.method === "HEAD" ? undefined : bytes);
}

interface BuiltFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly br: Buffer;
}

const HTML = "text/html; charset=utf-8";
const types: { readonly [ending: string]: string } = {
  html: HTML,
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** The files of a build, which are read once: at the first question after it is there. */
class BuiltFiles {
  readonly #folder: string;
  #files: Promise<ReadonlyMap<string, BuiltFile>> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async find(name: string): Promise<BuiltFile | undefined> {
    if (this.#files === undefined && !existsSync(join(this.#folder, "index.html"))) return undefined;
    this.#files ??= readBuild(this.#folder);
    try {
      return (await this.#files).get(name);
    } catch {
      // A build replaces it just now.
      this.#files = undefined;
      return undefined;
    }
  }
}

async function readBuild(folder: string): Promise<ReadonlyMap<string, BuiltFile>> {
  const files = new Map<string, BuiltFile>();
  for (const name of await readdir(folder, { recursive: true })) {
    const type = types[name.slice(name.lastIndexOf(".") + 1)];
    if (type === undefined) continue;
    const [plain, gzip, br] = await Promise.all(
      ["", ".gz", ".br"].map((end) => readFile(join(folder, name + end))),
    );
    if (plain !== undefined && gzip !== undefined && br !== undefined)
      files.set(name, { type, plain, gzip, br });
  }
  return files;
}

const NOT_BUILT = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>Gatewright</title>
</head>
<body>
<h1>The dashboard is being built</h1>
<p>This page comes again by itself. Where it does not change, build it by <code>npm run build</code>. The API answers, and
is described at <a href="/docs">/docs</a>.</p>
</body>
</html>
`;
