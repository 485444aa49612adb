import { type RequestHandler, Router } from "express";
import type { ImportedCertificates } from "../certificates/imported-certificates.ts";
import type { CertificateReport } from "../certificates/report.ts";
import { GatewrightError } from "../errors.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { Certificate } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { bodyOperation, type OperationContext, operation } from "./operation.ts";
import { ownOf } from "./own.ts";
import { PAGE_KEYS, pageIn, pageOf } from "./pages.ts";
import { containsFilter, enumParameter } from "./query.ts";
import { referenceOf } from "./reference.ts";
import { sendEmpty, sendJson } from "./wire.ts";

/** What the certificate routes need. */
export interface CertificateParts {
  readonly report: Pick<CertificateReport, "list" | "known" | "find" | "ofImported">;
  readonly imported: Pick<ImportedCertificates, "put" | "delete">;
}

/** `/certificates` and `/certificates/{id}`. No answer holds a key. */
export function certificateRoutes(
  parts: CertificateParts,
  manager: IngressManager,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/certificates")
    .get(listCertificates(parts, manager, context))
    .post(importCertificate(parts, context))
    .all(methodNotAllowed(["GET", "HEAD", "POST"]));
  router
    .route("/certificates/:id")
    .get(getCertificate(parts, manager, context))
    .delete(deleteCertificate(parts, context))
    .all(methodNotAllowed(["GET", "HEAD", "DELETE"]));
  return router;
}

function listCertificates(
  { report }: CertificateParts,
  manager: IngressManager,
  context: OperationContext,
): RequestHandler {
  const options = {
    scope: "certificate:read",
    failure: "failed to list certificates",
    query: ["q", "sort", ...PAGE_KEYS],
    ownOnly: true,
  } as const;
  return operation(context, options, async ({ response, query, caller }) => {
    const own = ownOf(manager, caller);
    const page = pageIn(query);
    const contains = containsFilter(query);
    const byUrgency = enumParameter(query, "sort", ["name", "urgency"]) === "urgency";
    // Pages are for who looks, again and again: of 10,000 names Caddy is asked often enough without that.
    const all = await (page === undefined ? report.list() : report.known());
    const shown = own === undefined ? all : all.flatMap((one) => own.certificate(one) ?? []);
    const found = shown.filter(
      ({ id, name, names, issuer }) => contains === undefined || [id, name, issuer, ...names].some(contains),
    );
    sendJson(response, 200, pageOf(response, byUrgency ? found.sort(urgencyOrder) : found, page));
  });
}

const urgency = { failed: 0, expired: 1, pending: 2, ready: 3, idle: 4 } as const;

/** What wants attention first, then what ends first. */
function urgencyOrder(one: Certificate, other: Certificate): number {
  const byState = urgency[one.state] - urgency[other.state];
  if (byState !== 0) return byState;
  const [end, otherEnd] = [one.not_after ?? "", other.not_after ?? ""];
  return end < otherEnd ? -1 : end > otherEnd ? 1 : 0;
}

function getCertificate(
  { report }: CertificateParts,
  manager: IngressManager,
  context: OperationContext,
): RequestHandler {
  const options = { scope: "certificate:read", failure: "failed to get certificate", ownOnly: true } as const;
  return operation(context, options, async ({ request, response, caller }) => {
    const own = ownOf(manager, caller);
    const one = await report.find(referenceOf(request));
    const found = one === undefined || own === undefined ? one : own.certificate(one);
    if (found === undefined) throw new GatewrightError("not_found", "resource not found");
    sendJson(response, 200, found);
  });
}

function importCertificate(
  { report, imported }: CertificateParts,
  context: OperationContext,
): RequestHandler {
  const options = {
    scope: "certificate:write",
    failure: "failed to import certificate",
    changes: "certificate",
    schema: "ImportCertificateRequest",
  } as const;
  return bodyOperation(context, options, async ({ response, body, by, settled }) => {
    const { certificate, created } = await imported.put(body, by);
    await settled();
    if (created) response.setHeader("Location", `/certificates/${certificate.id}`);
    sendJson(response, created ? 201 : 200, report.ofImported(certificate));
  });
}

function deleteCertificate({ imported }: CertificateParts, context: OperationContext): RequestHandler {
  const options = {
    scope: "certificate:write",
    failure: "failed to delete certificate",
    changes: "certificate",
  } as const;
  return operation(context, options, async ({ request, response, by, settled }) => {
    await imported.delete(referenceOf(request), by);
    await settled();
    sendEmpty(response, 204);
  });
}
