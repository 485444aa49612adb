import { describe, expect, it } from "vitest";
import type { Problem } from "../../src/errors.ts";
import type { CreateIngressRequest, Ingress } from "../../src/model/api.ts";
import { ClaimIndex } from "../../src/model/claims/claim-index.ts";
import {
  claimProblems,
  type ListenPorts,
  normalizeRules,
  normalizeSoundRule,
  refusal,
  semanticProblems,
  type TlsSettings,
  tlsProblems,
} from "../../src/validation/ingress.ts";
import { type DocumentCase, readDocumentCases } from "../support/cases.ts";

const defaults: ListenPorts & TlsSettings = {
  httpPort: 80,
  httpsPort: 443,
  acmeConfigured: false,
  dnsChallenge: false,
  allowedDomains: [],
};
const cases = readDocumentCases();

/** What the manager does with a document, without names and instances. */
function examine(one: DocumentCase): {
  readonly ingress: Ingress | undefined;
  readonly problems: readonly Problem[];
} {
  const settings = { ...defaults, ...one.settings };
  const claims = new ClaimIndex();
  for (const [index, existing] of (one.existing ?? []).entries()) {
    expect(semanticProblems(existing)).toEqual([]);
    claims.add(ingressOf(`id-${index}`, existing, settings));
  }
  const semantic = semanticProblems(one.request);
  const rules = one.request.rules.map(normalizeSoundRule(semantic, settings));
  const problems = [...semantic, ...tlsProblems(rules, settings), ...claimProblems(claims.conflicts(rules))];
  const ingress = problems.length > 0 ? undefined : ingressOf("new", one.request, settings);
  return { ingress, problems };
}

function ingressOf(id: string, request: CreateIngressRequest, settings: ListenPorts): Ingress {
  const rules = normalizeRules(request, settings);
  return {
    id,
    name: request.name,
    rules,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
}

describe("documents", () => {
  it.each(cases.filter(({ accepted }) => accepted !== undefined))("$file: $name → accepted", (one) => {
    const { ingress, problems } = examine(one);
    expect(problems).toEqual([]);
    expect(ingress).toMatchObject(one.accepted ?? {});
  });

  it.each(cases.filter(({ refused }) => refused !== undefined))("$file: $name → refused", (one) => {
    const { problems } = examine(one);
    expect(problems.map(({ code, field }) => ({ code, field }))).toEqual(one.refused?.details);
    const error = refusal(problems);
    expect({ code: error.code, message: error.message }).toEqual({
      code: one.refused?.code,
      message: one.refused?.message,
    });
    expect(error.details).toEqual(problems);
  });

  it.each(cases.filter(({ accepted }) => accepted !== undefined))(
    "$file: $name → stays as it is when normalised again",
    (one) => {
      const settings = { ...defaults, ...one.settings };
      const rules = normalizeRules(one.request, settings);
      expect(semanticProblems({ name: "again", rules })).toEqual([]);
      expect(normalizeRules({ name: "again", rules }, settings)).toEqual(rules);
    },
  );

  it("says one thing of each case", () => {
    expect(cases.filter((one) => (one.accepted === undefined) === (one.refused === undefined))).toEqual([]);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});
