import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../../src/compiler/row.ts";
import type { Problem } from "../../src/errors.ts";
import type { CreateIngressRequest } from "../../src/model/api.ts";
import type { ListenPorts, TlsSettings } from "../../src/validation/ingress.ts";
import type { CaseRequest } from "./reference-matcher.ts";

/** test/cases/routing: rows of the host table and the row that takes each request. */
export interface RoutingCase {
  readonly name: string;
  readonly rows: readonly Row[];
  readonly requests: readonly (CaseRequest & { readonly want: string | null })[];
}

/** What takes a request: a rule, a redirect to https (`target` is path and query), or nothing. */
export type Taker =
  | { readonly ingress: string; readonly rule: number }
  | { readonly redirect: { readonly host: string; readonly port: number; readonly target: string } }
  | null;

/** test/cases/requests: documents and what takes each request. HTTP_PORT is 80, HTTPS_PORT 443. */
export interface RequestsCase {
  readonly name: string;
  readonly ingresses: readonly CreateIngressRequest[];
  readonly requests: readonly (CaseRequest & { readonly want: Taker })[];
}

/** test/cases/documents: what becomes of a document beside others. */
export interface DocumentCase {
  readonly name: string;
  /** Absent: HTTP_PORT 80, HTTPS_PORT 443, no ACME. */
  readonly settings?: Partial<ListenPorts & TlsSettings>;
  readonly existing?: readonly CreateIngressRequest[];
  readonly request: CreateIngressRequest;
  /** What the ingress has afterwards, among other things. */
  readonly accepted?: object;
  readonly refused?: {
    readonly code: string;
    readonly message: string;
    readonly details: readonly Pick<Problem, "code" | "field">[];
  };
}

/** A case of any kind with the file it stands in, for the name of its test. */
export type Filed<Case> = Case & { readonly file: string };

/** test/cases/routing, one case a file. */
export function readRoutingCases(): Filed<RoutingCase>[] {
  return readFolder<RoutingCase>("routing");
}

/** test/cases/requests, one case a file. */
export function readRequestsCases(): Filed<RequestsCase>[] {
  return readFolder<RequestsCase>("requests");
}

/** test/cases/documents, many cases a file. */
export function readDocumentCases(): Filed<DocumentCase>[] {
  return readFolder<DocumentCase>("documents");
}

function readFolder<Case>(folder: string): Filed<Case>[] {
  const path = join(import.meta.dirname, "../cases", folder);
  return readdirSync(path).flatMap((file) => {
    const content = JSON.parse(readFileSync(join(path, file), "utf8")) as Case | Case[];
    return [content].flat().map((one) => ({ ...(one as Case), file }));
  });
}
